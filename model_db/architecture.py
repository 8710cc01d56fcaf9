"""The one description of a model that everything counts on: stacks of blocks of layers.

A model, whatever its kind, is a tuple of `Stack`s (text decoder, vision tower, U-Net, ...); a stack is a tuple of
`Block`s; a block repeats its layers. Layers say shapes, never numbers derived from them: `planner.counting` derives
parameters, FLOPs, caches and bytes, so each formula stands in one place.

Shapes are integers in elements. `Layer` classes are frozen and refuse unknown keys: they are also the YAML format in
which a user describes any model as a list of layers.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Size = Annotated[int, Field(ge=1, le=10**9)]
Count = Annotated[int, Field(ge=0, le=10**9)]


class Frozen(BaseModel):
    """Immutable, hashable, closed: an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Linear(Frozen):
    """Matrix `in_features x out_features`. `sharding` says how tensor parallelism splits it."""

    type: Literal["linear"] = "linear"
    in_features: Size
    out_features: Size
    bias: bool = False
    sharding: Literal["column", "row", "none"] = "none"
    tied: bool = False  # shares weights held elsewhere (a tied head, a repeated layer): computes, but holds no matrix
    name: str = ""


class Embedding(Frozen):
    """Lookup table `rows x dim`: parameters and bytes, no FLOPs."""

    type: Literal["embedding"] = "embedding"
    rows: Size
    dim: Size
    name: str = ""


class Norm(Frozen):
    """Normalisation over `dim`: one scale a channel, plus one shift unless `kind` is rms; batch norms too."""

    type: Literal["norm"] = "norm"
    dim: Size
    kind: Literal["rms", "layer", "batch", "group"] = "rms"
    bias: bool | None = None  # None: as the kind has it (rms no, the others yes)
    affine: bool = True
    name: str = ""


class Parameter(Frozen):
    """A learned tensor that is no layer: class token, position table, logit scale."""

    type: Literal["parameter"] = "parameter"
    shape: tuple[Size, ...]
    name: str = ""


class Conv(Frozen):
    """Convolution over `len(kernel)` dimensions. `positions` = output positions a sample; 0: those of its stack."""

    type: Literal["conv"] = "conv"
    in_channels: Size
    out_channels: Size
    kernel: tuple[Size, ...]
    groups: Size = 1
    bias: bool = False
    positions: Count = 0
    name: str = ""


class Attention(Frozen):
    """Multi-head attention, MHA / GQA / MQA by `kv_heads` (equations 1.1)."""

    type: Literal["attention"] = "attention"
    hidden: Size
    heads: Size
    kv_heads: Size
    head_dim: Size
    v_head_dim: Size | None = None  # None: as head_dim
    mask: Literal["causal", "bidirectional", "cross"] = "causal"
    window: Size | None = None  # sliding window or chunk, tokens
    chunked: bool = False
    q_bias: bool = False
    k_bias: bool = False
    v_bias: bool = False
    out_bias: bool = False
    qk_norm: Literal["none", "head", "layer"] = "none"  # one scale a head dimension, or over all heads
    output_gate: bool = False  # gate of query width (Qwen3.5)
    shared_kv: bool = False  # V is K (Gemma 4 global layers)
    sinks: bool = False  # one learned logit a head
    kv_hidden: Size | None = None  # width of the other sequence in cross-attention
    kv_positions: Count = 0  # length of the other sequence where it is fixed (77 text tokens, 1500 frames); 0: the context
    kv_ratio: Size = 1  # cached positions are merged by this factor (DeepSeek-V4), beside the window
    index_heads: Count = 0  # of the indexer that picks the positions attended; its matrices are layers of their own
    index_dim: Count = 0
    index_top_k: Count = 0  # 0: all
    reuses_kv: bool = False  # reads keys and values of an earlier layer: no matrices for them, no cache
    projections: bool = True  # False: the core alone (cache and scores); its projections are layers of their own
    name: str = ""


class Mla(Frozen):
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434), optionally with a sparse-attention indexer."""

    type: Literal["mla"] = "mla"
    hidden: Size
    heads: Size
    q_rank: Size | None = None
    kv_rank: Size
    nope_dim: Size
    rope_dim: Size
    v_head_dim: Size
    index_heads: Count = 0
    index_dim: Count = 0
    index_top_k: Count = 0
    name: str = ""


class Mlp(Frozen):
    """Feed-forward: gated (gate, up, down) or plain (up, down)."""

    type: Literal["mlp"] = "mlp"
    hidden: Size
    ffn: Size
    gated: bool = True
    bias: bool = False
    name: str = ""


class Moe(Frozen):
    """Mixture of experts: router, routed experts, shared experts (equations 1.1)."""

    type: Literal["moe"] = "moe"
    hidden: Size
    experts: Size
    top_k: Size
    expert_ffn: Size
    gated: bool = True
    bias: bool = False
    router_bias: bool = False
    shared_ffn: Count = 0  # total width of the shared experts
    shared_gate: bool = False
    latent: Size | None = None  # width the routed experts work in, where it is not hidden
    groups: Size = 1  # of experts, of which a token may use `top_groups`
    top_groups: Size = 1
    name: str = ""


class Mamba1(Frozen):
    """Mamba-1 mixer (equations 1.1)."""

    type: Literal["mamba1"] = "mamba1"
    hidden: Size
    inner: Size
    state: Size
    conv: Size
    dt_rank: Size
    inner_norms: bool = False  # Jamba
    conv_bias: bool = True
    bias: bool = False
    name: str = ""


class Mamba2(Frozen):
    """Mamba-2 mixer: `heads * head_dim` inner channels, `groups` state groups (equations 1.1)."""

    type: Literal["mamba2"] = "mamba2"
    hidden: Size
    heads: Size
    head_dim: Size
    state: Size
    groups: Size
    conv: Size
    conv_bias: bool = True
    bias: bool = False
    gate_norm: bool = True
    name: str = ""


class GatedDeltaNet(Frozen):
    """Gated delta net linear attention (equations 1.1)."""

    type: Literal["gated_delta_net"] = "gated_delta_net"
    hidden: Size
    key_heads: Size
    value_heads: Size
    key_dim: Size
    value_dim: Size
    conv: Size
    name: str = ""


class State(Frozen):
    """What a recurrent mixer keeps for a sequence, where its weights are layers of their own (RWKV, RG-LRU, KDA)."""

    type: Literal["state"] = "state"
    elements: Count  # recurrent state, held in 32 bits
    conv_elements: Count = 0  # last inputs of short convolutions, held in 16 bits
    flops_per_token: Count = 0
    name: str = ""


class Lstm(Frozen):
    """One LSTM layer: four gates, two bias vectors as stored by the common frameworks."""

    type: Literal["lstm"] = "lstm"
    in_features: Size
    hidden: Size
    bias: bool = True
    bidirectional: bool = False
    name: str = ""


Layer = Annotated[
    Linear | Embedding | Norm | Parameter | Conv | Attention | Mla | Mlp | Moe | Mamba1 | Mamba2 | GatedDeltaNet | State | Lstm,
    Field(discriminator="type"),
]


class Block(Frozen):
    """`layers`, repeated `repeat` times with separate weights."""

    name: str
    layers: tuple[Layer, ...]
    repeat: Size = 1


class Stack(Frozen):
    """Blocks that work on one sequence. `positions` a sample where it is fixed (image patches); None: the context."""

    name: str  # "text", "vision", "encoder", "decoder", "mtp", ...
    blocks: tuple[Block, ...]
    positions: Size | None = None
    runs_in_serving: bool = True  # False: held in the file only (multi-token prediction without speculation)
    tower: bool = False  # turns an image or a sound into tokens of the main stack: runs per image, not per token


class Architecture(Frozen):
    """A whole model."""

    stacks: tuple[Stack, ...]
    vocab: Count = 0
    hidden: Count = 0  # width of the main stack
    max_context: Size | None = None

    @cached_property
    def _hash(self) -> int:
        return hash((self.stacks, self.vocab, self.hidden))

    def __hash__(self) -> int:
        """Computed once: architectures are keys of caches on the hot path, and hashing one walks all its layers."""
        return self._hash
