"""The matrices of a layer and how tensor and expert parallelism place them on devices (equations 1.1 and 2.2).

`planner.counting` says how many parameters a layer holds; here is what it says nothing of: which of them are divided.
Whatever is no matrix (norms, biases, short convolutions, learned scalars) is copied to every tensor-parallel rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from model_db.architecture import Attention, Embedding, GatedDeltaNet, Layer, Linear, Lstm, Mamba1, Mamba2, Mla, Mlp, Moe
from planner.counting.layers import layer_parameters

Placement = Literal["divided", "grouped", "copied", "expert"]


@dataclass(frozen=True, slots=True)
class Matrix:
    """`count` matrices of `rows` inputs and `columns` outputs each.

    placement  divided   over all tensor-parallel ranks
               grouped   over at most `ways` of them, beyond that each part is held more than once (key-value heads)
               copied    whole on every rank (routers, latent down-projections)
               expert    one of `count` routed experts' matrices, divided over expert-parallel ranks
    projects   one of the layer's projections, which formats quantise and adapters adapt: not a router, table or head
    closes     the last matrix of a mixer or feed-forward: divided by rows, its output is whole
    """

    rows: int
    columns: int
    placement: Placement
    count: int = 1
    ways: int = 1
    projects: bool = True
    closes: bool = False

    @property
    def elements(self) -> int:
        """Parameters of all `count` matrices."""
        return self.rows * self.columns * self.count

    def tensor_ranks(self, tp: int) -> int:
        """Tensor-parallel ranks that each hold a different part (equation 2.2); experts are divided elsewhere."""
        return {"divided": tp, "grouped": min(tp, self.ways), "copied": 1, "expert": 1}[self.placement]


def _attention(layer: Attention) -> tuple[Matrix, ...]:
    if not layer.projections:
        return ()
    query = layer.heads * layer.head_dim
    value_dim = layer.v_head_dim or layer.head_dim
    source = layer.kv_hidden or layer.hidden
    values = () if layer.shared_kv else (Matrix(source, layer.kv_heads * value_dim, "grouped", ways=layer.kv_heads),)
    return (
        Matrix(layer.hidden, query * (1 + layer.output_gate), "divided"),
        Matrix(source, layer.kv_heads * layer.head_dim, "grouped", ways=layer.kv_heads),
        *values,
        Matrix(layer.heads * value_dim, layer.hidden, "divided", closes=True),
    )


def _mla(layer: Mla) -> tuple[Matrix, ...]:
    query_dim = layer.nope_dim + layer.rope_dim
    query_in = layer.q_rank or layer.hidden
    down = (Matrix(layer.hidden, layer.q_rank, "copied"),) if layer.q_rank else ()
    index = (
        Matrix(query_in, layer.index_heads * layer.index_dim, "copied"),
        Matrix(layer.hidden, layer.index_dim, "copied"),
        Matrix(layer.hidden, layer.index_heads, "copied"),
    )
    return (
        *down,
        Matrix(query_in, layer.heads * query_dim, "divided"),
        Matrix(layer.hidden, layer.kv_rank + layer.rope_dim, "copied"),
        Matrix(layer.kv_rank, layer.heads * (layer.nope_dim + layer.v_head_dim), "divided"),
        Matrix(layer.heads * layer.v_head_dim, layer.hidden, "divided", closes=True),
        *(index if layer.index_heads else ()),
    )


def _feed_forward(hidden: int, ffn: int, *, gated: bool, placement: Placement, count: int = 1) -> tuple[Matrix, ...]:
    up = Matrix(hidden, ffn, placement, count)
    return (up, *((up,) if gated else ()), Matrix(ffn, hidden, placement, count, closes=True))


def _moe(layer: Moe) -> tuple[Matrix, ...]:
    latent = (Matrix(layer.hidden, layer.latent, "copied"), Matrix(layer.latent, layer.hidden, "copied")) if layer.latent else ()
    shared = _feed_forward(layer.hidden, layer.shared_ffn, gated=layer.gated, placement="divided") if layer.shared_ffn else ()
    gate = (Matrix(layer.hidden, 1, "copied", projects=False),) if layer.shared_gate else ()
    return (
        Matrix(layer.hidden, layer.experts, "copied", projects=False),
        *latent,
        *shared,
        *gate,
        *_feed_forward(layer.latent or layer.hidden, layer.expert_ffn, gated=layer.gated, placement="expert", count=layer.experts),
    )


def _mamba1(layer: Mamba1) -> tuple[Matrix, ...]:
    return (
        Matrix(layer.hidden, 2 * layer.inner, "divided"),
        Matrix(layer.inner, layer.dt_rank + 2 * layer.state, "divided"),
        Matrix(layer.dt_rank, layer.inner, "divided"),
        Matrix(layer.inner, layer.hidden, "divided", closes=True),
    )


def _mamba2(layer: Mamba2) -> tuple[Matrix, ...]:
    inner = layer.heads * layer.head_dim
    return (
        Matrix(layer.hidden, 2 * inner + layer.heads, "divided"),
        Matrix(layer.hidden, 2 * layer.groups * layer.state, "grouped", ways=layer.groups),
        Matrix(inner, layer.hidden, "divided", closes=True),
    )


def _gated_delta_net(layer: GatedDeltaNet) -> tuple[Matrix, ...]:
    keys, values = layer.key_heads * layer.key_dim, layer.value_heads * layer.value_dim
    return (
        Matrix(layer.hidden, 2 * keys + 2 * values, "divided"),
        Matrix(layer.hidden, 2 * layer.value_heads, "divided"),
        Matrix(values, layer.hidden, "divided", closes=True),
    )


def _linear(layer: Linear) -> tuple[Matrix, ...]:
    placement: Placement = "copied" if layer.sharding == "none" else "divided"
    closes, projects = layer.sharding == "row", layer.name != "head"
    return () if layer.tied else (Matrix(layer.in_features, layer.out_features, placement, projects=projects, closes=closes),)


_MATRICES: dict[type, Callable[..., tuple[Matrix, ...]]] = {
    Attention: _attention,
    Mla: _mla,
    Mlp: lambda layer: _feed_forward(layer.hidden, layer.ffn, gated=layer.gated, placement="divided"),
    Moe: _moe,
    Mamba1: _mamba1,
    Mamba2: _mamba2,
    GatedDeltaNet: _gated_delta_net,
    Linear: _linear,
    Embedding: lambda layer: (Matrix(layer.rows, layer.dim, "copied" if layer.name == "position" else "divided", projects=False),),
    Lstm: lambda layer: (Matrix(layer.in_features + layer.hidden, 4 * layer.hidden, "copied", 1 + layer.bidirectional),),
}


@lru_cache(maxsize=4096)
def layer_matrices(layer: Layer) -> tuple[Matrix, ...]:
    """The matrices of a layer, in the order a token passes them; together with `layer_vectors` all of its parameters."""
    build = _MATRICES.get(type(layer))
    return build(layer) if build else ()


def layer_vectors(layer: Layer) -> int:
    """Parameters of a layer that are no matrices: norms, biases, convolutions, scalars (equations 1.1)."""
    return layer_parameters(layer) - sum(matrix.elements for matrix in layer_matrices(layer))
