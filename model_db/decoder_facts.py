"""Published facts of a decoder, field by field as its source states them, and their lowering to a `Stack`.

A decoder is a list of layers; each has a mixer (attention, a state-space mixer, or none) and a feed-forward (dense,
mixture of experts, or none). Which layer has which is a pattern: `local*5 full` repeats over all layers.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import Annotated, Literal, TypeVar

from pydantic import Field, StringConstraints

from model_db.architecture import (
    Attention,
    Block,
    Count,
    Embedding,
    Frozen,
    GatedDeltaNet,
    Layer,
    Linear,
    Mamba1,
    Mamba2,
    Mla,
    Mlp,
    Moe,
    Norm,
    Parameter,
    Size,
    Stack,
)
from model_db.assembly import embedding_block, head_block, run_length_blocks
from model_db.mixers import compressed_attention, hyper_connection, kimi_delta_attention

_T = TypeVar("_T")

Pattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(\*\d{1,4})?( [a-z0-9]+(\*\d{1,4})?)*$", max_length=4000)]

# One letter a layer, as the configurations of Nemotron-H write it: each layer is a mixer or a feed-forward, never both.
_LETTERS = {"M": ("mamba2", "none"), "*": ("full", "none"), "E": ("none", "moe"), "-": ("none", "dense")}


class MoeFacts(Frozen):
    """Experts of a mixture-of-experts layer."""

    num_experts: Size
    top_k: Size
    expert_ffn_dim: Size
    shared_expert_ffn_dim: Count = 0
    shared_gate: bool = False
    router_bias: bool = False
    latent_hidden_dim: Size | None = None
    groups: Size = 1
    top_groups: Size = 1
    beside_dense: bool = False  # the layer has its dense feed-forward as well (Gemma 4)


class MlaFacts(Frozen):
    """Latent attention and, where there is one, its sparse-attention indexer."""

    q_lora_rank: Size | None = None
    kv_lora_rank: Size
    qk_nope_head_dim: Size
    qk_rope_head_dim: Size
    v_head_dim: Size
    output_gate: bool = False
    index_heads: Count = 0
    index_head_dim: Count = 0
    index_topk: Count = 0


class LocalFacts(Frozen):
    """What windowed layers have of their own; the rest is as in the full ones."""

    window: Size
    chunked: bool = False
    kv_heads: Size | None = None
    head_dim: Size | None = None
    sinks: bool = False


class Mamba1Facts(Frozen):
    """Mamba-1 mixers."""

    expand: Size
    state: Size
    conv: Size
    dt_rank: Size
    inner_norms: bool = False


class Mamba2Facts(Frozen):
    """Mamba-2 mixers."""

    num_heads: Size
    head_dim: Size
    groups: Size
    state: Size
    conv: Size


class DeltaNetFacts(Frozen):
    """Gated delta net mixers."""

    key_heads: Size
    value_heads: Size
    key_dim: Size
    value_dim: Size
    conv: Size


class CompressedFacts(Frozen):
    """Attention over merged positions and the hyper-connections around it (DeepSeek-V4)."""

    q_lora_rank: Size
    o_lora_rank: Size
    o_groups: Size
    window: Size
    ratios: Pattern  # of every layer: 0 has a window only; layers of ratio `index_ratio` have an indexer
    index_ratio: Size
    index_heads: Size
    index_head_dim: Size
    index_topk: Size
    streams: Size


class KimiDeltaFacts(Frozen):
    """Kimi delta attention mixers."""

    heads: Size
    head_dim: Size
    conv: Size


class MtpFacts(Frozen):
    """Multi-token-prediction layers (equations 1.1)."""

    layers: Size = 1
    own_embedding_and_head: bool = False  # the published files hold a copy of both for it
    counted: bool = True  # False: published beside the model, left out of its count
    parts: tuple[Layer, ...] = ()  # its layers one by one, where it is not one more layer of the decoder


class DecoderFacts(Frozen):
    """A decoder-only language model, or the language part of a multimodal one."""

    layers: Size
    hidden: Size
    vocab: Size
    heads: Count = 0
    kv_heads: Count = 0
    head_dim: Count = 0
    v_head_dim: Size | None = None
    ffn_dim: Count = 0
    ffn_dim_per_layer: tuple[Size, ...] = ()
    mixers: Pattern = "full"
    feed_forwards: Pattern = "dense"
    layer_letters: str = Field(default="", pattern=r"^[ME*-]*$", max_length=1000)
    tie_embeddings: bool = False
    norm: Literal["rmsnorm", "layernorm"] = "rmsnorm"
    norms_per_layer: Size = 2
    gated_mlp: bool = True
    qkv_bias: bool = False
    attn_out_bias: bool = False
    mlp_bias: bool = False
    qk_norm: Literal["per_head", "per_layer"] | None = None
    output_gate: bool = False
    attention_sinks: bool = False
    shared_kv: bool = False
    learned_positions: Count = 0
    embedding_norm: bool = False
    scales: tuple[Size, ...] = ()  # lengths of learned scale vectors a layer holds besides (Gemma 4)
    local: LocalFacts | None = None
    mla: MlaFacts | None = None
    moe: MoeFacts | None = None
    mamba1: Mamba1Facts | None = None
    mamba2: Mamba2Facts | None = None
    delta_net: DeltaNetFacts | None = None
    kimi_delta: KimiDeltaFacts | None = None
    compressed: CompressedFacts | None = None
    final_norm: bool = True
    mtp: MtpFacts | None = None

    def stacks(self) -> tuple[Stack, ...]:
        """The decoder, and its multi-token-prediction layers where the published count has them."""
        return decoder_stack(self), *(_mtp_stacks(self, counted=True))

    def optional_stacks(self) -> tuple[Stack, ...]:
        """Multi-token-prediction layers published beside the model."""
        return _mtp_stacks(self, counted=False)


def expand_pattern(pattern: str, length: int) -> list[str]:
    """`local*5 full` over 62 layers: five local, one full, again and again, cut at `length`."""
    period: list[str] = []
    for word in pattern.split():
        name, _, count = word.partition("*")
        period += [name] * int(count or 1)
    return list(islice(cycle(period), length))


def layer_kinds(facts: DecoderFacts) -> list[tuple[str, str]]:
    """(mixer, feed-forward) of every layer, in order."""
    if facts.layer_letters:
        return [_LETTERS[letter] for letter in facts.layer_letters]
    mixers = facts.compressed.ratios if facts.compressed else facts.mixers
    return list(zip(expand_pattern(mixers, facts.layers), expand_pattern(facts.feed_forwards, facts.layers), strict=True))


def _norm(facts: DecoderFacts) -> Norm:
    return Norm(dim=facts.hidden, kind="rms" if facts.norm == "rmsnorm" else "layer")


def _attention(facts: DecoderFacts, kind: str) -> tuple[Layer, ...]:
    full = Attention(
        hidden=facts.hidden,
        heads=facts.heads,
        kv_heads=facts.kv_heads,
        head_dim=facts.head_dim,
        v_head_dim=facts.v_head_dim,
        q_bias=facts.qkv_bias,
        k_bias=facts.qkv_bias,
        v_bias=facts.qkv_bias,
        out_bias=facts.attn_out_bias,
        qk_norm={None: "none", "per_head": "head", "per_layer": "layer"}[facts.qk_norm],
        output_gate=facts.output_gate,
        sinks=facts.attention_sinks,
    )
    if kind == "full":
        return (full.model_copy(update={"shared_kv": facts.shared_kv}),)
    local = _required(facts.local, kind)
    changes = {
        "window": local.window,
        "chunked": local.chunked,
        "kv_heads": local.kv_heads or full.kv_heads,
        "head_dim": local.head_dim or full.head_dim,
        "sinks": local.sinks or full.sinks,
    }
    return (full.model_copy(update=changes),)


def _mla(facts: DecoderFacts, kind: str) -> tuple[Layer, ...]:
    """Latent attention; `mlashared` attends to the positions that the indexer of an earlier layer picked (GLM-5.2)."""
    mla, indexed = _required(facts.mla, kind), kind == "mla"
    core = Mla(
        hidden=facts.hidden,
        heads=facts.heads,
        q_rank=mla.q_lora_rank,
        kv_rank=mla.kv_lora_rank,
        nope_dim=mla.qk_nope_head_dim,
        rope_dim=mla.qk_rope_head_dim,
        v_head_dim=mla.v_head_dim,
        index_heads=mla.index_heads if indexed else 0,
        index_dim=mla.index_head_dim if indexed else 0,
        index_top_k=mla.index_topk,
    )
    if not mla.output_gate:
        return (core,)
    return (core, Linear(in_features=facts.hidden, out_features=facts.heads * mla.v_head_dim, sharding="column", name="attention"))


def _state_space(facts: DecoderFacts, kind: str) -> tuple[Layer, ...]:
    if kind == "mamba1":
        one = _required(facts.mamba1, kind)
        inner = one.expand * facts.hidden
        return (Mamba1(hidden=facts.hidden, inner=inner, state=one.state, conv=one.conv, dt_rank=one.dt_rank, inner_norms=one.inner_norms),)
    if kind == "mamba2":
        two = _required(facts.mamba2, kind)
        return (Mamba2(hidden=facts.hidden, heads=two.num_heads, head_dim=two.head_dim, state=two.state, groups=two.groups, conv=two.conv),)
    net = _required(facts.delta_net, kind)
    return (GatedDeltaNet(hidden=facts.hidden, **net.model_dump()),)


def _required(value: _T | None, kind: str) -> _T:
    if value is None:
        msg = f"layers of kind {kind!r} without the facts that describe them"
        raise ValueError(msg)
    return value


def _compressed(facts: DecoderFacts, ratio: int) -> tuple[Layer, ...]:
    own = _required(facts.compressed, str(ratio))
    index = (own.index_heads, own.index_head_dim, own.index_topk) if ratio == own.index_ratio else None
    mixer = compressed_attention(
        facts.hidden, facts.heads, facts.head_dim, own.q_lora_rank, own.o_groups, own.o_lora_rank, own.window, ratio, index
    )
    return *mixer, *hyper_connection(facts.hidden, own.streams) * 2


def _mixer(facts: DecoderFacts, kind: str) -> tuple[Layer, ...]:
    if kind == "none":
        return ()
    if kind in {"full", "local"}:
        return _attention(facts, kind)
    if kind == "kda":
        kda = _required(facts.kimi_delta, kind)
        return kimi_delta_attention(facts.hidden, kda.heads, kda.head_dim, kda.conv)
    if kind.isdecimal():
        return _compressed(facts, int(kind))
    return _mla(facts, kind) if kind in {"mla", "mlashared"} else _state_space(facts, kind)


def _feed_forward(facts: DecoderFacts, kind: str, ffn_dim: int) -> tuple[Layer, ...]:
    if kind == "none":
        return ()
    dense = (Mlp(hidden=facts.hidden, ffn=ffn_dim, gated=facts.gated_mlp, bias=facts.mlp_bias),) if ffn_dim else ()
    if kind == "dense":
        return dense
    moe = _required(facts.moe, kind)
    experts = Moe(
        hidden=facts.hidden,
        experts=moe.num_experts,
        top_k=moe.top_k,
        expert_ffn=moe.expert_ffn_dim,
        gated=facts.gated_mlp,
        bias=facts.mlp_bias,
        router_bias=moe.router_bias,
        shared_ffn=moe.shared_expert_ffn_dim,
        shared_gate=moe.shared_gate,
        latent=moe.latent_hidden_dim,
        groups=moe.groups,
        top_groups=moe.top_groups,
    )
    return (*dense, experts) if moe.beside_dense else (experts,)


def _layer(facts: DecoderFacts, mixer_kind: str, ffn_kind: str, ffn_dim: int) -> tuple[str, tuple[Layer, ...]]:
    mixer, feed_forward = _mixer(facts, mixer_kind), _feed_forward(facts, ffn_kind, ffn_dim)
    norms = facts.norms_per_layer if mixer and feed_forward else 1
    scales = tuple(Parameter(shape=(length,), name="scale") for length in facts.scales)
    name = " + ".join(kind for kind in (mixer_kind, ffn_kind) if kind != "none")
    return name, (*(_norm(facts),) * norms, *mixer, *feed_forward, *scales)


def decoder_stack(facts: DecoderFacts) -> Stack:
    """The decoder as the stack `text`: embedding, layers, final norm and head."""
    kinds = layer_kinds(facts)
    widths = facts.ffn_dim_per_layer or (facts.ffn_dim,) * len(kinds)
    forms = [(*kind, width) for kind, width in zip(kinds, widths, strict=True)]
    made = {form: _layer(facts, *form) for form in dict.fromkeys(forms)}  # a hundred layers have two or three forms
    after_embedding = [Embedding(rows=facts.learned_positions, dim=facts.hidden, name="position")] if facts.learned_positions else []
    embedding = embedding_block(facts.vocab, facts.hidden, *after_embedding, *((_norm(facts),) if facts.embedding_norm else ()))
    head = head_block(facts.vocab, facts.hidden, tied=facts.tie_embeddings, norm=_norm(facts) if facts.final_norm else None)
    return Stack(name="text", blocks=(embedding, *run_length_blocks([made[form] for form in forms]), head))


def _mtp_stacks(facts: DecoderFacts, *, counted: bool) -> tuple[Stack, ...]:
    """The multi-token-prediction layers as the stack `mtp`: held in the file, not run in plain serving (equations 1.1)."""
    if facts.mtp is None or facts.mtp.counted != counted:
        return ()
    blocks = [Block(name="mtp", layers=facts.mtp.parts or _mtp_layer(facts), repeat=facts.mtp.layers)]
    if facts.mtp.own_embedding_and_head:
        blocks = [embedding_block(facts.vocab, facts.hidden), *blocks, head_block(facts.vocab, facts.hidden, tied=False)]
    return (Stack(name="mtp", blocks=tuple(blocks), runs_in_serving=False),)


def _mtp_layer(facts: DecoderFacts) -> tuple[Layer, ...]:
    """One more layer of the decoder behind a matrix that joins the last hidden state with the next token's embedding."""
    _, layer = _layer(facts, "mla" if facts.mla else "full", layer_kinds(facts)[-1][1], facts.ffn_dim)
    norm = _norm(facts)
    return norm, norm, Linear(in_features=2 * facts.hidden, out_features=facts.hidden, name="projection"), *layer, norm
