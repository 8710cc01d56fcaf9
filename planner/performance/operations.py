"""What a forward pass does: a model's layers as operations with shapes, and the work of each on one device.

`operations(architecture)` lists the distinct operations once; the functions below it give the work of one operation for an
array of `Share`s, one row a distinct share (tokens, tensor parallel degree, ...). Everything is per device and per forward
pass over the tokens of the share. Sizes are elements, work is FLOPs and bytes (equations 1.2 and 3.1).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar

import numpy as np

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
from planner.counting.flops import mean_causal_context
from planner.search.columns import FloatColumn

Split = Literal["column", "row", "sequence", "none"]
ACTIVATION_BYTES = 2.0  # element-wise work stays in 16 bit whatever the matrix products run in


@dataclass(frozen=True, slots=True)
class MatrixProduct:
    """Rows x `k` times `k` x `n`; tensor parallelism divides `n` (column), `k` (row), the rows (sequence) or nothing."""

    part: str
    n: int
    k: int
    split: Split
    positions: int | None = None  # rows a sample where fixed; None: the tokens of the share


@dataclass(frozen=True, slots=True)
class ExpertProduct:
    """The grouped products of routed experts: `top_k` of `experts` per token, each `k` x `n`."""

    part: str
    experts: int
    top_k: int
    n: int
    k: int
    split: Split
    gated: bool = False
    groups: int = 1  # of experts, of which a token may use `top_groups`
    top_groups: int = 1


@dataclass(frozen=True, slots=True)
class AttentionCore:
    """Scores and weighted values, without the projections."""

    part: str
    heads: int
    kv_heads: int
    qk_dim: int
    v_dim: int
    causal: bool
    window: int | None = None
    chunked: bool = False
    positions: int | None = None
    other_positions: int | None = None  # length of the other sequence in cross-attention, where it is fixed


@dataclass(frozen=True, slots=True)
class MemoryPass:
    """Element-wise work: elements read and written per token; `split` if tensor (with sequence) parallelism divides it."""

    part: str
    forward_elements: float
    backward_elements: float
    split: bool = True
    positions: int | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """State-space or linear-attention core: FLOPs and elements per token, divided by tensor parallelism."""

    part: str
    flops: float
    elements: float


Operation = MatrixProduct | ExpertProduct | AttentionCore | MemoryPass | Scan
Kind = TypeVar("Kind", MatrixProduct, ExpertProduct, AttentionCore, MemoryPass, Scan)


@dataclass(frozen=True, slots=True)
class Share:
    """What one device works on in one pass; one row a distinct share, all columns of equal length.

    tokens      tokens of the pass on this device (micro-batch x sequence / cp; prompt tokens; decoded sequences)
    samples     sequences or images the tokens belong to
    context     sequence length that causal attention runs over (training, prefill), or cached positions (decode)
    tp          tensor parallel degree
    ep          devices over which the experts are spread
    expert_tp   further split of each expert
    """

    tokens: FloatColumn
    samples: FloatColumn
    context: FloatColumn
    tp: FloatColumn
    ep: FloatColumn
    expert_tp: FloatColumn

    def rows(self, positions: int | None) -> FloatColumn:
        """Rows of a product: the tokens, or a fixed number of positions a sample."""
        return self.tokens if positions is None else self.samples * positions


@lru_cache(maxsize=512)
def operations(architecture: Architecture) -> tuple[tuple[Operation, int], ...]:
    """The distinct operations of a forward pass and how often each runs. Towers, which run per image or sound, are left out."""
    counted: Counter[Operation] = Counter()
    for stack in architecture.stacks:
        if stack.tower:
            continue
        for block in stack.blocks:
            positions = stack.positions
            for layer in block.layers:
                if isinstance(layer, Conv) and layer.positions:
                    positions = layer.positions  # what follows a convolution works on its output
                for operation in _operations(layer, positions, architecture.vocab):
                    counted[operation] += block.repeat
    return tuple(counted.items())


def of_kind(counted: Iterable[tuple[Operation, int]], kind: type[Kind]) -> Iterator[tuple[Kind, int]]:
    """Those of one kind."""
    for operation, count in counted:
        if isinstance(operation, kind):
            yield operation, count


@lru_cache(maxsize=512)
def pipeline_layers(architecture: Architecture) -> int:
    """Blocks of the longest stack that do more than look up, normalise or project: what a pipeline is cut into."""
    working = (Attention, Mla, Mlp, Moe, Mamba1, Mamba2, GatedDeltaNet, State, Conv, Lstm)
    return max(
        sum(block.repeat for block in stack.blocks if any(isinstance(layer, working) for layer in block.layers))
        for stack in architecture.stacks
    )


def _operations(layer: Layer, positions: int | None, vocab: int) -> Iterator[Operation]:
    match layer:
        case Linear():
            head = 0 < vocab <= layer.out_features
            yield MatrixProduct("logits" if head else "projections", layer.out_features, layer.in_features, layer.sharding, positions)
            if head:  # softmax and cross-entropy: 32-bit logits written once, read twice, their gradient written
                yield MemoryPass("logits", 4.0 * layer.out_features, 4.0 * layer.out_features, positions=positions)
        case Embedding():
            yield MemoryPass("embedding", 2.0 * layer.dim, 2.0 * layer.dim, positions=positions)
        case Norm():  # read, write; with the residual addition that comes with it
            yield MemoryPass("norms", 5.0 * layer.dim, 6.0 * layer.dim, positions=positions)
        case Parameter():
            return
        case Conv():
            taps = math.prod(layer.kernel) * layer.in_channels // layer.groups
            yield MatrixProduct("convolutions", layer.out_channels, taps, "none", layer.positions or positions)
        case Attention():
            yield from _attention(layer, positions)
        case Mla():
            yield from _latent_attention(layer, positions)
        case Mlp():
            yield from _mlp("mlp", layer.hidden, layer.ffn, positions, gated=layer.gated)
        case Moe():
            yield from _experts(layer, positions)
        case _:
            yield from _recurrent(layer, positions)


def _recurrent(layer: Layer, positions: int | None) -> Iterator[Operation]:
    match layer:
        case Mamba1():
            yield MatrixProduct("projections", 2 * layer.inner, layer.hidden, "column", positions)
            yield MatrixProduct("projections", layer.dt_rank + 2 * layer.state, layer.inner, "row", positions)
            yield MatrixProduct("projections", layer.inner, layer.dt_rank, "column", positions)
            yield Scan("state space", 7.0 * layer.inner * layer.state, 4.0 * layer.inner)
            yield MatrixProduct("projections", layer.hidden, layer.inner, "row", positions)
        case Mamba2():
            inner = layer.heads * layer.head_dim
            yield MatrixProduct("projections", 2 * inner + 2 * layer.groups * layer.state + layer.heads, layer.hidden, "column", positions)
            yield Scan("state space", 7.0 * inner * layer.state, 6.0 * inner + 4.0 * layer.groups * layer.state)
            yield MatrixProduct("projections", layer.hidden, inner, "row", positions)
        case GatedDeltaNet():
            keys, values = layer.key_heads * layer.key_dim, layer.value_heads * layer.value_dim
            yield MatrixProduct("projections", 2 * keys + 2 * values + 2 * layer.value_heads, layer.hidden, "column", positions)
            yield Scan("state space", 8.0 * values * layer.key_dim, 6.0 * values + 4.0 * keys)
            yield MatrixProduct("projections", layer.hidden, values, "row", positions)
        case State():
            yield Scan("state space", float(layer.flops_per_token), 4.0 * math.sqrt(layer.elements))
        case Lstm():
            directions = 2 if layer.bidirectional else 1
            yield MatrixProduct("recurrence", 4 * layer.hidden * directions, layer.in_features + layer.hidden, "none", positions)


def _attention(layer: Attention, positions: int | None) -> Iterator[Operation]:
    value_dim = layer.v_head_dim or layer.head_dim
    query = layer.heads * layer.head_dim
    keys, values = layer.kv_heads * layer.head_dim, 0 if layer.shared_kv else layer.kv_heads * value_dim
    gate = query if layer.output_gate else 0
    if not layer.projections:
        yield _core(layer, positions)
        return
    if layer.kv_hidden is None:
        yield MatrixProduct("projections", query + gate + keys + values, layer.hidden, "column", positions)
    else:
        yield MatrixProduct("projections", query + gate, layer.hidden, "column", positions)
        yield MatrixProduct("projections", keys + values, layer.kv_hidden, "column", positions)
    yield _core(layer, positions)
    rotated = 2.0 * (query + keys)  # rotary positions, read and written
    yield MemoryPass("attention", rotated, rotated, positions=positions)
    yield MatrixProduct("projections", layer.hidden, layer.heads * value_dim, "row", positions)


def _core(layer: Attention, positions: int | None) -> AttentionCore:
    return AttentionCore(
        "attention",
        layer.heads,
        layer.kv_heads,
        layer.head_dim,
        layer.v_head_dim or layer.head_dim,
        layer.mask == "causal",
        layer.window,
        layer.chunked,
        positions,
        layer.kv_positions or None,
    )


def _latent_attention(layer: Mla, positions: int | None) -> Iterator[Operation]:
    qk_dim = layer.nope_dim + layer.rope_dim
    down = layer.kv_rank + layer.rope_dim
    if layer.q_rank is None:
        yield MatrixProduct("projections", layer.heads * qk_dim, layer.hidden, "column", positions)
    else:
        down += layer.q_rank
        yield MatrixProduct("projections", layer.heads * qk_dim, layer.q_rank, "column", positions)
    yield MatrixProduct("projections", down, layer.hidden, "sequence", positions)
    yield MatrixProduct("projections", layer.heads * (layer.nope_dim + layer.v_head_dim), layer.kv_rank, "column", positions)
    window = layer.index_top_k or None
    yield AttentionCore(
        "attention",
        layer.heads,
        layer.heads,
        qk_dim,
        layer.v_head_dim,
        causal=True,
        window=window,
        positions=positions,
    )
    moved = 2.0 * layer.heads * (2 * qk_dim + layer.v_head_dim)  # heads assembled from latent and rotary parts
    yield MemoryPass("attention", moved, moved, positions=positions)
    if layer.index_heads:
        yield MatrixProduct("projections", layer.index_heads * layer.index_dim, layer.q_rank or layer.hidden, "sequence", positions)
        yield AttentionCore("attention", layer.index_heads, 1, layer.index_dim, 0, causal=True, positions=positions)
    yield MatrixProduct("projections", layer.hidden, layer.heads * layer.v_head_dim, "row", positions)


def _mlp(part: str, hidden: int, ffn: int, positions: int | None, *, gated: bool) -> Iterator[Operation]:
    branches = 2 if gated else 1
    yield MatrixProduct(part, branches * ffn, hidden, "column", positions)
    yield MemoryPass("activations", (branches + 1.0) * ffn, (2.0 * branches + 1.0) * ffn, positions=positions)
    yield MatrixProduct(part, hidden, ffn, "row", positions)


def _experts(layer: Moe, positions: int | None) -> Iterator[Operation]:
    width = layer.latent or layer.hidden
    branches = 2 if layer.gated else 1
    yield MatrixProduct("router", layer.experts, layer.hidden, "sequence", positions)
    if layer.latent is not None:
        yield MatrixProduct("projections", layer.latent, layer.hidden, "sequence", positions)
        yield MatrixProduct("projections", layer.hidden, layer.latent, "sequence", positions)
    routing = (layer.gated, layer.groups, layer.top_groups)
    yield ExpertProduct("experts", layer.experts, layer.top_k, branches * layer.expert_ffn, width, "column", *routing)
    hidden_units = layer.top_k * layer.expert_ffn
    part = "gates" if layer.gated else "activations"
    yield MemoryPass(part, (branches + 1.0) * hidden_units, (2.0 * branches + 1.0) * hidden_units)
    yield ExpertProduct("experts", layer.experts, layer.top_k, width, layer.expert_ffn, "row", *routing)
    if layer.bias:  # bias and clamped activation have no fused kernel beside grouped products
        added = 2.0 * layer.top_k * (branches * layer.expert_ffn + width) + 4.0 * branches * hidden_units
        yield MemoryPass("activations", added, added)
    copies = 4.0 * layer.top_k * width  # copied into expert order, gathered back: each read and written
    yield MemoryPass("permutation", copies + 4.0 * layer.experts, copies + 4.0 * layer.experts)
    if layer.shared_ffn:
        yield from _mlp("mlp", layer.hidden, layer.shared_ffn, positions, gated=layer.gated)


@dataclass(frozen=True, slots=True)
class Product:
    """Shape of a (grouped) matrix product on one device: `groups` products of m x k by k x n, arrays over shares."""

    m: FloatColumn
    n: FloatColumn
    k: FloatColumn
    groups: FloatColumn

    @property
    def flops(self) -> FloatColumn:
        """Two per multiply-accumulate (equation 0)."""
        return 2.0 * self.m * self.n * self.k * self.groups

    @property
    def weight_elements(self) -> FloatColumn:
        """Elements of the weights."""
        return self.n * self.k * self.groups


def matrix_product(operation: MatrixProduct, share: Share) -> Product:
    """The product on one device: weights or rows are divided by tensor parallelism as the operation says (equation 3.1)."""
    rows = share.rows(operation.positions)
    m = rows / share.tp if operation.split == "sequence" else rows
    ones = np.ones_like(m)
    n = operation.n / share.tp if operation.split == "column" else operation.n * ones
    k = operation.k / share.tp if operation.split == "row" else operation.k * ones
    return Product(m, n, k, ones)


def expert_product(operation: ExpertProduct, share: Share) -> Product:
    """The grouped product on one device with balanced routing.

    Each device holds experts / ep of the experts, each split expert_tp ways; the tokens of the tp * ep / expert_tp devices that
    share them are spread evenly, so that a device multiplies tokens * top_k * expert_tp / tp rows in all.
    """
    experts = np.maximum(operation.experts / share.ep, 1.0)
    rows = share.tokens * operation.top_k * share.expert_tp / share.tp
    hit = experts * -np.expm1(-rows / experts)  # experts that get any token
    n = operation.n / share.expert_tp if operation.split == "column" else operation.n * np.ones_like(rows)
    k = operation.k / share.expert_tp if operation.split == "row" else operation.k * np.ones_like(rows)
    return Product(rows / hit, n, k, hit)


def places_reached(operation: ExpertProduct, places: FloatColumn) -> FloatColumn:
    """Of `places` that hold a token's experts in equal parts, how many it is sent to, in expectation (equation 3.3).

    Where experts are grouped and a token may use `top_groups` of `groups`, it reaches the places of those alone: several for each group,
    or fewer than groups where a place holds several.
    """
    groups, allowed = operation.groups, operation.top_groups
    of_one = np.maximum(groups / places, 1.0)
    missed = np.prod([np.maximum(groups - of_one - drawn, 0.0) / (groups - drawn) for drawn in range(allowed)], axis=0)
    within = np.maximum(np.where(places > groups, places * (allowed / groups), places * (1.0 - missed)), 1.0)
    return np.asarray(within * (1.0 - (1.0 - 1.0 / within) ** operation.top_k))


def attended_positions(operation: AttentionCore, length: FloatColumn) -> FloatColumn:
    """Mean positions a token of a sequence of `length` attends to (equation 1.2)."""
    if operation.other_positions is not None:
        return np.full_like(length, float(operation.other_positions))
    own = length if operation.positions is None else np.full_like(length, float(operation.positions))
    if operation.causal:
        return mean_causal_context(own, operation.window, chunked=operation.chunked)
    return own if operation.window is None else np.minimum(own, float(operation.window))


def attention_flops(operation: AttentionCore, share: Share) -> FloatColumn:
    """FLOPs of scores and weighted values over whole sequences (equation 1.2)."""
    per_position = 2.0 * operation.heads * (operation.qk_dim + operation.v_dim)
    return share.rows(operation.positions) * per_position * attended_positions(operation, share.context) / share.tp


def memory_bytes(operation: MemoryPass, share: Share, *, backward: bool = False) -> FloatColumn:
    """Bytes that element-wise work reads and writes; sequence parallelism divides it with tensor parallelism."""
    elements = operation.backward_elements if backward else operation.forward_elements
    total = ACTIVATION_BYTES * elements * share.rows(operation.positions)
    return total / share.tp if operation.split else total
