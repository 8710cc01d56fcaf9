"""What one layer holds and computes: its parameters by part, the matrices a token passes, the core work of its mixer.

Every parameter formula of equations 1.1 stands here, once, in `layer_parts`; totals, active counts, FLOPs and bytes are
sums over parts. A part is a kind of weight that quantisation, sharding or activity treats alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Literal

from model_db.architecture import (
    Architecture,
    Attention,
    Conv,
    Embedding,
    GatedDeltaNet,
    Layer,
    Linear,
    Lstm,
    Mamba1,
    Mamba2,
    Mla,
    Mlp,
    Moe,
    Norm,
    Parameter,
    State,
)

Part = Literal["matrix", "head", "expert", "shared_expert", "router", "embedding", "convolution", "norm", "bias", "vector"]

MATRIX_PARTS: frozenset[Part] = frozenset({"matrix", "head", "expert", "shared_expert", "router"})


def _linear_parts(layer: Linear) -> dict[Part, int]:
    matrix: Part = "head" if layer.name == "head" else "matrix"
    return {matrix: 0 if layer.tied else layer.in_features * layer.out_features, "bias": layer.bias * layer.out_features}


def _norm_parts(layer: Norm) -> dict[Part, int]:
    shift = layer.kind != "rms" if layer.bias is None else layer.bias
    return {"norm": layer.affine * (1 + shift) * layer.dim}


def _conv_parts(layer: Conv) -> dict[Part, int]:
    kernel = layer.in_channels // layer.groups * layer.out_channels * prod(layer.kernel)
    return {"convolution": kernel, "bias": layer.bias * layer.out_channels}


def _attention_parts(layer: Attention) -> dict[Part, int]:
    query_width = layer.heads * layer.head_dim
    key_width = layer.kv_heads * layer.head_dim
    value_dim = layer.v_head_dim or layer.head_dim
    value_width = layer.kv_heads * value_dim * (not layer.shared_kv)
    if layer.reuses_kv:
        key_width = value_width = 0
    norm = {"none": 0, "head": (2 - layer.reuses_kv) * layer.head_dim, "layer": query_width + key_width}[layer.qk_norm]
    if not layer.projections:
        return {"norm": norm, "vector": layer.sinks * layer.heads}
    kv_hidden = layer.kv_hidden or layer.hidden
    matrix = layer.hidden * query_width * (1 + layer.output_gate) + kv_hidden * (key_width + value_width)
    bias = layer.q_bias * query_width * (1 + layer.output_gate) + layer.k_bias * key_width + layer.v_bias * value_width
    return {
        "matrix": matrix + layer.heads * value_dim * layer.hidden,
        "bias": bias + layer.out_bias * layer.hidden,
        "norm": norm,
        "vector": layer.sinks * layer.heads,
    }


def _mla_parts(layer: Mla) -> dict[Part, int]:
    query_dim = layer.nope_dim + layer.rope_dim
    query_in = layer.q_rank or layer.hidden
    query = query_in * layer.heads * query_dim + (layer.hidden * layer.q_rank if layer.q_rank else 0)
    key_value = layer.hidden * (layer.kv_rank + layer.rope_dim) + layer.kv_rank * layer.heads * (layer.nope_dim + layer.v_head_dim)
    out = layer.heads * layer.v_head_dim * layer.hidden
    index = query_in * layer.index_heads * layer.index_dim + layer.hidden * (layer.index_dim + layer.index_heads)
    has_index = layer.index_heads > 0
    return {
        "matrix": query + key_value + out + has_index * index,
        "norm": (layer.q_rank or 0) + layer.kv_rank + has_index * 2 * layer.index_dim,
    }


def _mlp_size(hidden: int, ffn: int, *, gated: bool, bias: bool) -> tuple[int, int]:
    """(matrix elements, bias elements) of one feed-forward."""
    return (3 if gated else 2) * hidden * ffn, bias * ((2 if gated else 1) * ffn + hidden)


def _mlp_parts(layer: Mlp) -> dict[Part, int]:
    matrix, bias = _mlp_size(layer.hidden, layer.ffn, gated=layer.gated, bias=layer.bias)
    return {"matrix": matrix, "bias": bias}


def _moe_parts(layer: Moe) -> dict[Part, int]:
    width = layer.latent or layer.hidden
    expert, expert_bias = _mlp_size(width, layer.expert_ffn, gated=layer.gated, bias=layer.bias)
    shared, shared_bias = _mlp_size(layer.hidden, layer.shared_ffn, gated=layer.gated, bias=layer.bias and layer.shared_ffn > 0)
    return {
        "expert": layer.experts * expert,
        "shared_expert": shared + layer.shared_gate * layer.hidden,
        "router": layer.hidden * layer.experts,
        "matrix": 2 * layer.hidden * layer.latent if layer.latent else 0,
        "bias": layer.experts * expert_bias + shared_bias,
        "vector": layer.router_bias * layer.experts,
    }


def _mamba1_parts(layer: Mamba1) -> dict[Part, int]:
    inner, state, rank = layer.inner, layer.state, layer.dt_rank
    matrix = layer.hidden * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner * layer.hidden
    return {
        "matrix": matrix,
        "convolution": inner * layer.conv,
        "bias": layer.conv_bias * inner + inner + layer.bias * (2 * inner + layer.hidden),
        "vector": inner * state + inner,
        "norm": layer.inner_norms * (rank + 2 * state),
    }


def _mamba2_parts(layer: Mamba2) -> dict[Part, int]:
    inner = layer.heads * layer.head_dim
    mixed = inner + 2 * layer.groups * layer.state
    projected = inner + mixed + layer.heads
    return {
        "matrix": layer.hidden * projected + inner * layer.hidden,
        "convolution": mixed * layer.conv,
        "bias": layer.conv_bias * mixed + layer.bias * (projected + layer.hidden),
        "vector": 3 * layer.heads,
        "norm": layer.gate_norm * inner,
    }


def _gated_delta_net_parts(layer: GatedDeltaNet) -> dict[Part, int]:
    keys, values = layer.key_heads * layer.key_dim, layer.value_heads * layer.value_dim
    return {
        "matrix": layer.hidden * (2 * keys + 2 * values) + 2 * layer.hidden * layer.value_heads + values * layer.hidden,
        "convolution": (2 * keys + values) * layer.conv,
        "vector": 2 * layer.value_heads,
        "norm": layer.value_dim,
    }


def _lstm_parts(layer: Lstm) -> dict[Part, int]:
    directions = 1 + layer.bidirectional
    matrix = 4 * layer.hidden * (layer.in_features + layer.hidden)
    return {"matrix": directions * matrix, "bias": directions * layer.bias * 8 * layer.hidden}


_PARTS: dict[type, Callable[..., dict[Part, int]]] = {
    Linear: _linear_parts,
    Embedding: lambda layer: {"embedding": layer.rows * layer.dim},
    Norm: _norm_parts,
    Parameter: lambda layer: {"vector": prod(layer.shape)},
    Conv: _conv_parts,
    Attention: _attention_parts,
    Mla: _mla_parts,
    Mlp: _mlp_parts,
    Moe: _moe_parts,
    Mamba1: _mamba1_parts,
    Mamba2: _mamba2_parts,
    GatedDeltaNet: _gated_delta_net_parts,
    State: lambda _: {},
    Lstm: _lstm_parts,
}


@lru_cache(maxsize=65536)
def _cached_parts(layer: Layer) -> tuple[tuple[Part, int], ...]:
    return tuple((part, count) for part, count in _PARTS[type(layer)](layer).items() if count)


def layer_parts(layer: Layer) -> dict[Part, int]:
    """Parameters of a layer by part (equations 1.1); parts it does not have are left out."""
    return dict(_cached_parts(layer))


def layer_parameters(layer: Layer) -> int:
    """Parameters a layer holds (equations 1.1); a tied head holds none."""
    return sum(count for _, count in _cached_parts(layer))


def routed_share(layer: Layer) -> float:
    """Share of its routed experts a token passes; 1 for layers without any."""
    return layer.top_k / layer.experts if isinstance(layer, Moe) else 1.0


def _used(layer: Layer, part: Part, count: int) -> int:
    if part == "expert" and isinstance(layer, Moe):
        return count // layer.experts * layer.top_k
    if part == "bias" and isinstance(layer, Moe):
        _, each = _mlp_size(layer.latent or layer.hidden, layer.expert_ffn, gated=layer.gated, bias=layer.bias)
        return count - (layer.experts - layer.top_k) * each
    return 0 if part == "embedding" else count


def _tied(layer: Layer) -> int:
    return layer.in_features * layer.out_features if isinstance(layer, Linear) and layer.tied else 0


def layer_active_parameters(layer: Layer) -> int:
    """Parameters one token uses: no lookup tables, only the routed experts it is sent to, a tied head in full (equations 1.1)."""
    return _tied(layer) * (layer.name == "head") + sum(_used(layer, part, count) for part, count in _cached_parts(layer))


def layer_matrix_parts(layer: Layer) -> dict[Part, int]:
    """Matrix elements that do one multiply-add a token, by part: no norms, biases, tables or convolutions (equation 1.2).

    Cross-attention counts its query and output matrices; keys and values are made once per position of the other
    sequence, see `cross_key_value_matrix_parameters`.
    """
    parts = {part: _used(layer, part, count) for part, count in _cached_parts(layer) if part in MATRIX_PARTS}
    if tied := _tied(layer):
        part: Part = "head" if layer.name == "head" else "matrix"
        parts[part] = parts.get(part, 0) + tied
    if other := cross_key_value_matrix_parameters(layer):
        parts["matrix"] -= other
    return parts


def layer_matrix_parameters(layer: Layer) -> int:
    """Matrix elements of `layer_matrix_parts` together (equation 1.2)."""
    return sum(layer_matrix_parts(layer).values())


def cross_key_value_matrix_parameters(layer: Layer) -> int:
    """Elements of the key and value matrices of cross-attention: they work on the other sequence; else 0."""
    if not isinstance(layer, Attention) or layer.mask != "cross" or not layer.projections:
        return 0
    width = layer.kv_heads * (layer.head_dim + (layer.v_head_dim or layer.head_dim) * (not layer.shared_kv))
    return (layer.kv_hidden or layer.hidden) * width


def layers_with_counts(architecture: Architecture) -> list[tuple[str, Layer, int]]:
    """(stack name, layer, how often) with equal layers of a stack merged, in order of first appearance."""
    counts: Counter[tuple[str, Layer]] = Counter()
    for stack in architecture.stacks:
        for block in stack.blocks:
            for layer in block.layers:
                counts[stack.name, layer] += block.repeat
    return [(stack, layer, count) for (stack, layer), count in counts.items()]
