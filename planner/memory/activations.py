"""What the forward pass keeps for the backward pass, per token and layer (section 2.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from model_db.architecture import Attention, Conv, GatedDeltaNet, Layer, Linear, Lstm, Mamba1, Mamba2, Mla, Mlp, Moe, Norm

_MAMBA_CHUNK = 256  # tokens between two stored states of a scan (arXiv:2405.21060, listing of the reference kernel)
_DELTA_NET_CHUNK = 64


class Activations(NamedTuple):
    """Per token, before any parallelism; bytes for what is always kept in 16 or 32 bits, elements where the format varies.

    sequence_bytes     whole on each tensor-parallel rank, or divided where sequence parallelism is on
    divided_bytes      divided over tensor-parallel ranks
    sequence_inputs    elements kept as inputs of matrix products: their format is the products' where these are quantised
    divided_inputs     the same, divided over tensor-parallel ranks
    score_heads        heads of an attention that keeps its scores, for each of which every attended position costs bytes
    sample_bytes       per sample instead of per token (feature maps of convolutions)
    """

    sequence_bytes: float = 0.0
    divided_bytes: float = 0.0
    sequence_inputs: float = 0.0
    divided_inputs: float = 0.0
    score_heads: float = 0.0
    sample_bytes: float = 0.0


def add(parts: list[Activations]) -> Activations:
    """Element-wise sum."""
    return Activations(*map(sum, zip(*parts, strict=True))) if parts else Activations()


def _attention(layer: Attention) -> Activations:
    value_dim = layer.v_head_dim or layer.head_dim
    query, out = layer.heads * layer.head_dim, layer.heads * value_dim
    keys, values = layer.kv_heads * layer.head_dim, layer.kv_heads * value_dim
    before_norm = 2 * (query + keys) if layer.qk_norm != "none" else 0
    gate = 2 * out * 2 if layer.output_gate else 0  # the gate, and the output before it
    log_sum_exp = 4 * layer.heads
    return Activations(
        divided_bytes=2 * (query + keys + values) + log_sum_exp + before_norm + gate,
        sequence_inputs=layer.hidden if layer.projections else 0,
        divided_inputs=out,
        score_heads=layer.heads,
    )


def _mla(layer: Mla) -> Activations:
    query_dim = layer.nope_dim + layer.rope_dim
    return Activations(
        sequence_bytes=2 * ((layer.q_rank or 0) + layer.kv_rank + layer.rope_dim),
        divided_bytes=2 * layer.heads * (2 * query_dim + layer.v_head_dim) + 4 * layer.heads,
        sequence_inputs=layer.hidden,
        divided_inputs=layer.heads * layer.v_head_dim,
        score_heads=layer.heads,
    )


def _mlp(layer: Mlp) -> Activations:
    before_activation = layer.ffn * (2 if layer.gated else 1)
    return Activations(divided_bytes=2 * before_activation, sequence_inputs=layer.hidden, divided_inputs=layer.ffn)


def _moe(layer: Moe) -> Activations:
    """Tokens are dispatched to `top_k` experts: their number does not depend on how the experts are spread, so that
    expert parallelism divides nothing here."""
    width = layer.latent or layer.hidden
    before_activation = 2 if layer.gated else 1
    return Activations(
        sequence_bytes=2 * layer.top_k * width + 4 * layer.experts,
        divided_bytes=2 * before_activation * (layer.top_k * layer.expert_ffn + layer.shared_ffn),
        sequence_inputs=layer.hidden + layer.top_k * width,
        divided_inputs=layer.top_k * layer.expert_ffn + layer.shared_ffn,
    )


def _mamba1(layer: Mamba1) -> Activations:
    states = layer.inner * layer.state * 4 / _MAMBA_CHUNK
    return Activations(
        divided_bytes=2 * (4 * layer.inner + layer.dt_rank + 2 * layer.state) + states,
        sequence_inputs=layer.hidden,
        divided_inputs=layer.inner,
    )


def _mamba2(layer: Mamba2) -> Activations:
    inner = layer.heads * layer.head_dim
    mixed = inner + 2 * layer.groups * layer.state
    states = inner * layer.state * 4 / _MAMBA_CHUNK
    return Activations(divided_bytes=2 * (inner + mixed + layer.heads) + states, sequence_inputs=layer.hidden, divided_inputs=inner)


def _gated_delta_net(layer: GatedDeltaNet) -> Activations:
    keys, values = layer.key_heads * layer.key_dim, layer.value_heads * layer.value_dim
    mixed = 2 * keys + values
    chunk_products = 2 * layer.value_heads * _DELTA_NET_CHUNK
    return Activations(
        divided_bytes=2 * (2 * mixed + 2 * values) + 8 * layer.value_heads + chunk_products,
        sequence_inputs=layer.hidden,
        divided_inputs=values,
    )


def _linear(layer: Linear) -> Activations:
    if layer.sharding == "row":
        return Activations(divided_inputs=layer.in_features)
    return Activations(sequence_inputs=layer.in_features)


def _lstm(layer: Lstm) -> Activations:
    gates_and_state = 6 * layer.hidden * (1 + layer.bidirectional)
    return Activations(sequence_bytes=2 * gates_and_state, sequence_inputs=layer.in_features)


_SAVED: dict[type, Callable[..., Activations]] = {
    Attention: _attention,
    Mla: _mla,
    Mlp: _mlp,
    Moe: _moe,
    Mamba1: _mamba1,
    Mamba2: _mamba2,
    GatedDeltaNet: _gated_delta_net,
    Linear: _linear,
    Lstm: _lstm,
    # the input of a normalisation; batch and group norms follow a convolution, which counts its output
    Norm: lambda layer: Activations(sequence_bytes=2 * layer.dim if layer.kind in {"rms", "layer"} else 0),
    # before and after normalisation and activation
    Conv: lambda layer: Activations(sample_bytes=2 * 2 * layer.out_channels * layer.positions),
}


def layer_activations(layer: Layer) -> Activations:
    """What one layer keeps per token without recomputation (section 2.3)."""
    build = _SAVED.get(type(layer))
    return build(layer) if build else Activations()


_MIXING = (Attention, Mla, Mlp, Moe, Mamba1, Mamba2, GatedDeltaNet)


def unit_activations(layers: tuple[Layer, ...], *, dropout: bool = False) -> Activations:
    """What a unit of layers keeps per token without recomputation.

    Layers that read one normalised tensor together (parallel attention and feed-forward) keep it once. Dropout after a
    mixer or feed-forward keeps a mask of one byte an element.
    """
    total = add([layer_activations(layer) for layer in layers])
    readers = [layer for layer in layers if isinstance(layer, _MIXING)]
    if dropout:
        total = total._replace(sequence_bytes=total.sequence_bytes + sum(layer.hidden for layer in readers))
    norms = sum(isinstance(layer, Norm) for layer in layers)
    if not 0 < norms < len(readers):
        return total
    shared = sum(layer.hidden for layer in readers[norms:])
    return total._replace(sequence_inputs=total.sequence_inputs - shared)


def unit_width(layers: tuple[Layer, ...]) -> int:
    """Elements per token of a unit's input: what full recomputation keeps."""
    for layer in layers:
        if isinstance(layer, Norm):
            return layer.dim
        if isinstance(layer, Linear | Lstm):
            return layer.in_features
        if isinstance(layer, _MIXING):
            return layer.hidden
    return 0
