"""What the forward pass keeps for the backward pass, per token of a layer, and what recomputation leaves of it
(equation 2.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from model_db.architecture import Attention, Conv, GatedDeltaNet, Layer, Linear, Lstm, Mamba1, Mamba2, Mla, Mlp, Moe, Norm
from planner.memory.matrices import layer_matrices
from planner.memory.pipeline import MIXING

Selective = Literal["attention_core", "alternate_products"]


class Activations(NamedTuple):
    """Per token and before any parallelism. Bytes of what is kept in 16 or 32 bits, elements of what takes the format of
    the matrix products that read it.

    sequence_bytes     whole on each tensor-parallel rank, or divided where sequence parallelism is on
    sequence_inputs    the same, elements
    divided_bytes      divided over tensor-parallel ranks
    divided_inputs     the same, elements
    input_copies       elements, divided: inputs of matrix products that something else keeps in 16 bits anyway; another
                       copy only where products read a narrower format
    whole_bytes        whole on each rank whatever the parallelism: the head reads the gathered sequence
    score_heads        attention heads, which keep the log-sum-exp of their scores, or the scores
    sample_bytes       per sample instead of per token: feature maps of convolutions
    """

    sequence_bytes: float = 0.0
    sequence_inputs: float = 0.0
    divided_bytes: float = 0.0
    divided_inputs: float = 0.0
    input_copies: float = 0.0
    whole_bytes: float = 0.0
    score_heads: float = 0.0
    sample_bytes: float = 0.0


class Kept(NamedTuple):
    """Activations of one sequence on one rank: bytes, and elements in the format of the matrix products."""

    held_bytes: float
    inputs: float
    input_copies: float

    @property
    def sixteen_bit_bytes(self) -> float:
        """Bytes if the matrix products read 16 bits."""
        return self.held_bytes + 2.0 * self.inputs


def total(parts: Iterable[Activations]) -> Activations:
    """Sum over layers."""
    return Activations(*map(sum, zip(Activations(), *parts, strict=True)))


def _attention(layer: Attention) -> Activations:
    """Query, key, value and output; before their norms if there are any; the output gate and its product."""
    value_dim = layer.v_head_dim or layer.head_dim
    query, out = layer.heads * layer.head_dim, layer.heads * value_dim
    keys, values = layer.kv_heads * layer.head_dim, layer.kv_heads * value_dim
    before_norm = query + keys if layer.qk_norm != "none" else 0
    gate = 2 * out if layer.output_gate else 0
    return Activations(
        sequence_inputs=layer.hidden if layer.projections else 0,
        divided_bytes=2 * (query + keys + values + before_norm + gate + out),
        input_copies=out,
        score_heads=layer.heads,
    )


def _mla(layer: Mla) -> Activations:
    """Latents; query, key, value and output of every head."""
    query_dim = layer.nope_dim + layer.rope_dim
    out = layer.heads * layer.v_head_dim
    return Activations(
        sequence_bytes=2 * ((layer.q_rank or 0) + layer.kv_rank + layer.rope_dim),
        sequence_inputs=layer.hidden,
        divided_bytes=2 * (2 * layer.heads * query_dim + 2 * out),
        input_copies=out,
        score_heads=layer.heads,
    )


def _mlp(layer: Mlp) -> Activations:
    return Activations(sequence_inputs=layer.hidden, divided_bytes=2 * layer.ffn * (1 + layer.gated), divided_inputs=layer.ffn)


def _moe(layer: Moe) -> Activations:
    """Dispatched copies, expert tensors, outputs before they are combined, router scores in 32 bits.

    A token is sent to `top_k` experts however they are spread: over all devices of the group as many copies arrive as
    leave, so that expert parallelism divides nothing here.
    """
    width = layer.latent or layer.hidden
    inner = layer.top_k * layer.expert_ffn + layer.shared_ffn
    return Activations(
        sequence_bytes=2 * layer.top_k * width + 4 * layer.experts,
        sequence_inputs=layer.hidden + layer.top_k * width,
        divided_bytes=2 * inner * (1 + layer.gated),
        divided_inputs=inner,
    )


def _mamba1(layer: Mamba1) -> Activations:
    """Both halves of the input projection, the convolved half, the step size; B, C and step before projection."""
    return Activations(
        sequence_inputs=layer.hidden,
        divided_bytes=2 * (4 * layer.inner + layer.dt_rank + 2 * layer.state),
        divided_inputs=layer.inner,
    )


def _mamba2(layer: Mamba2) -> Activations:
    """The whole input projection, the output of the scan before its norm and after. States are recomputed by chunk."""
    inner = layer.heads * layer.head_dim
    projected = 2 * inner + 2 * layer.groups * layer.state + layer.heads
    return Activations(sequence_inputs=layer.hidden, divided_bytes=2 * (projected + inner), divided_inputs=inner)


def _gated_delta_net(layer: GatedDeltaNet) -> Activations:
    """What the module of Megatron-LM keeps: the convolution's input; queries and keys normalised, then repeated to the
    value heads; values, output, its norm, the gate; per value head a row of the chunk's 64 x 64 products, decay and step.
    """
    keys, values = layer.key_heads * layer.key_dim, layer.value_heads * layer.value_dim
    repeated = layer.value_heads * layer.key_dim
    elements = (2 * keys + values) + 2 * keys + 2 * repeated + 4 * values + 64 * layer.value_heads
    return Activations(sequence_inputs=layer.hidden, divided_bytes=2 * elements + 8 * layer.value_heads, divided_inputs=values)


def _linear(layer: Linear) -> Activations:
    if layer.name == "head":
        return Activations(whole_bytes=2 * layer.in_features)
    if layer.sharding == "row":
        return Activations(divided_inputs=layer.in_features)
    return Activations(sequence_inputs=layer.in_features)


def _lstm(layer: Lstm) -> Activations:
    """Four gates, the cell and the output."""
    return Activations(sequence_bytes=2 * 6 * layer.hidden * (1 + layer.bidirectional), sequence_inputs=layer.in_features)


def _norm(layer: Norm) -> Activations:
    """Its input; a batch or group norm follows a convolution, which counts it."""
    return Activations(sequence_bytes=2 * layer.dim if layer.kind in {"rms", "layer"} else 0)


def _conv(layer: Conv) -> Activations:
    """Its output before the norm, and after norm and activation."""
    return Activations(sample_bytes=2 * 2 * layer.out_channels * layer.positions)


_KEPT: dict[type, Callable[..., Activations]] = {
    Attention: _attention,
    Mla: _mla,
    Mlp: _mlp,
    Moe: _moe,
    Mamba1: _mamba1,
    Mamba2: _mamba2,
    GatedDeltaNet: _gated_delta_net,
    Linear: _linear,
    Lstm: _lstm,
    Norm: _norm,
    Conv: _conv,
}


def layer_activations(layer: Layer) -> Activations:
    """What one layer keeps per token without recomputation (equation 2.3)."""
    build = _KEPT.get(type(layer))
    return build(layer) if build else Activations()


def unit_activations(layers: tuple[Layer, ...], *, dropout: bool = False) -> Activations:
    """What layers that belong together keep per token without recomputation (equation 2.3).

    Mixers and feed-forwards that read one normalised tensor together (parallel blocks) keep it once. Dropout after each
    of them keeps a mask of one byte an element.
    """
    kept = total(layer_activations(layer) for layer in layers)
    readers = [layer for layer in layers if isinstance(layer, MIXING)]
    norms = sum(isinstance(layer, Norm) for layer in layers)
    shared = sum(layer.hidden for layer in readers[norms:]) if norms else 0
    masks = sum(layer.hidden for layer in readers) if dropout else 0
    return kept._replace(sequence_inputs=kept.sequence_inputs - shared, sequence_bytes=kept.sequence_bytes + masks)


def unit_width(layers: tuple[Layer, ...]) -> int:
    """Elements per token of the input of layers that belong together."""
    for layer in layers:
        if isinstance(layer, Norm):
            return layer.dim
        if isinstance(layer, Linear | Lstm):
            return layer.in_features
        if isinstance(layer, MIXING):
            return layer.hidden
    return 0


def alternate_products(layers: tuple[Layer, ...], *, compiled: bool) -> Activations:
    """What is kept where recomputation keeps the output of every second matrix product and of attention, beside the
    unit's input (torchtitan's selective recomputation by operation).

    The backward pass does not read the output of the last product: a compiler drops it. Grouped products of routed experts
    are all recomputed.
    """
    products = [matrix for layer in layers for matrix in layer_matrices(layer) if matrix.placement != "expert"]
    kept = products[: -1 if compiled else None : 2]
    cores = [layer_activations(layer) for layer in layers if isinstance(layer, Attention | Mla)]
    return Activations(
        sequence_bytes=2 * unit_width(layers) + 2 * sum(matrix.columns for matrix in kept if matrix.closes),
        divided_bytes=2 * sum(matrix.columns for matrix in kept if not matrix.closes) + sum(2 * core.input_copies for core in cores),
        score_heads=sum(core.score_heads for core in cores),
    )


LOG_SUM_EXP_BYTES = 4.0  # per token and head, in place of scores that the kernel computes again (arXiv:2205.14135)


def on_one_rank(kept: Activations, tokens: float, tp: int, *, sequence_parallel: bool, score_bytes: float = LOG_SUM_EXP_BYTES) -> Kept:
    """Activations of a sequence of `tokens` on one of `tp` tensor-parallel ranks (equation 2.3).

    score_bytes   what attention keeps of the scores of a token and head
    """
    ranks = tp if sequence_parallel else 1
    held = kept.whole_bytes + kept.sequence_bytes / ranks + kept.divided_bytes / tp + score_bytes * kept.score_heads / tp
    return Kept(
        held_bytes=held * tokens + kept.sample_bytes,
        inputs=(kept.sequence_inputs / ranks + kept.divided_inputs / tp) * tokens,
        input_copies=kept.input_copies / tp * tokens,
    )
