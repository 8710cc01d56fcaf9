"""What one pass of a language model demands, reduced to a few numbers: the bridge from `Architecture` to step times.

Matrices are grouped by how they are split and quantised, attention and expert layers by shape. A model with hundreds of
layers becomes a handful of groups, so that a candidate costs a few array operations whatever its depth. Elements, cache
and state of a layer come from `planner.counting`, where their formulas stand.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass

from model_db.architecture import Architecture, Attention, GatedDeltaNet, Layer, Linear, Mamba1, Mamba2, Mla, Mlp, Moe, State
from planner.counting.cache import layer_kv_elements, layer_state_bytes
from planner.counting.flops import layer_core_flops_per_token
from planner.counting.layers import layer_parts


@dataclass(frozen=True, slots=True)
class AttentionDemand:
    """Attention layers of one shape. A pair is one query position against one key position, over all heads."""

    layers: int
    prefill_flops_per_pair: float  # 2 a (d_qk + d_v) (equation 1.2)
    decode_flops_per_pair: float  # the same; absorbed form for latent attention
    cache_elements: float  # per cached position and layer, before sharding
    cache_shards: int  # tensor parallel ranks over which the cache splits; beyond that it is copied
    reach: float  # positions a query attends at most: window, top-k, or infinity
    index_flops_per_pair: float  # sparse-attention indexer, which scores every position
    index_elements: float  # its cache per position, one byte each


@dataclass(frozen=True, slots=True)
class ExpertDemand:
    """Mixture-of-experts layers of one shape."""

    layers: int
    experts: int
    top_k: int
    elements: float  # of one expert
    width: int  # of the vectors that are dispatched


@dataclass(frozen=True, slots=True)
class ServingDemand:
    """Elements are weights that multiply each token once: 2 FLOP an element and token (equation 1.2)."""

    hidden: int
    mixers: int  # attention and state layers: the depth of the model
    mla_layers: int
    index_layers: int  # latent attention with a sparse-attention indexer
    state_layers: int
    feed_forwards: int  # dense and expert layers
    mixer_elements: float  # split over tensor parallel ranks
    copied_elements: float  # whole on each rank: down-projections of latent attention, indexers
    feed_forward_elements: float  # dense feed-forwards, shared experts, routers
    head_elements: float
    attention: tuple[AttentionDemand, ...]
    experts: tuple[ExpertDemand, ...]
    state_bytes: float  # of recurrent states, one sequence, all layers
    state_flops: float  # of recurrent mixers beside their matrices, a token

    @property
    def expert_layers(self) -> int:
        """Layers with routed experts."""
        return sum(group.layers for group in self.experts)

    @property
    def prefill_launches(self) -> int:
        """Groups of kernels that an eager pass launches, in units of one plain attention or feed-forward layer."""
        further = self.expert_layers + self.index_layers + _STATE_LAUNCHES * self.state_layers + _LATENT_LAUNCHES * self.mla_layers
        return self.mixers + self.feed_forwards + 2 * further


_STATE_LAUNCHES = 4  # of prompts: chunks of a recurrence are several kernels
_LATENT_LAUNCHES = 10  # of prompts: down- and up-projections, norms, rotation and assembly of heads, each a kernel
_STATE_LAYERS = (Mamba1, Mamba2, GatedDeltaNet, State)


@functools.lru_cache(maxsize=512)
def serving_demand(architecture: Architecture) -> ServingDemand:
    """Demand of the stacks that run for every generated token; towers and unused prediction layers are left out."""
    layers: Counter[Layer] = Counter()
    for stack in architecture.stacks:
        if stack.runs_in_serving and not stack.tower:
            for block in stack.blocks:
                for layer in block.layers:
                    layers[layer] += block.repeat
    attention = {layer: count for layer, count in layers.items() if isinstance(layer, Mla | Attention)}
    latent = {layer: count for layer, count in layers.items() if isinstance(layer, Mla)}
    states = {layer: count for layer, count in layers.items() if isinstance(layer, _STATE_LAYERS)}
    experts = {layer: count for layer, count in layers.items() if isinstance(layer, Moe)}
    copied = sum(count * _copied_elements(layer) for layer, count in latent.items())
    return ServingDemand(
        hidden=architecture.hidden,
        mixers=sum(attention.values()) + sum(states.values()),
        mla_layers=sum(latent.values()),
        index_layers=sum(count for layer, count in latent.items() if layer.index_heads),
        state_layers=sum(states.values()),
        feed_forwards=sum(count for layer, count in layers.items() if isinstance(layer, Mlp | Moe)),
        mixer_elements=sum(count * _matrix_elements(layer) for layer, count in (attention | states).items()) - copied,
        copied_elements=copied,
        feed_forward_elements=sum(
            count * _matrix_elements(layer)
            for layer, count in layers.items()
            if isinstance(layer, Mlp | Moe | Linear) and not _is_head(layer)
        ),
        head_elements=sum(
            count * layer.in_features * layer.out_features
            for layer, count in layers.items()
            if isinstance(layer, Linear) and _is_head(layer)
        ),
        attention=tuple(group for layer, count in attention.items() for group in _attention(layer, count)),
        experts=tuple(_experts(layer, count) for layer, count in experts.items()),
        state_bytes=float(sum(count * layer_state_bytes(layer) for layer, count in states.items())),
        state_flops=sum(count * float(layer_core_flops_per_token(layer, 1.0)) for layer, count in states.items()),
    )


def _is_head(layer: Layer) -> bool:
    return isinstance(layer, Linear) and layer.name == "head"


def _matrix_elements(layer: Layer) -> float:
    """Matrices that every token passes; routed experts are counted apart."""
    parts = layer_parts(layer)
    return float(parts.get("matrix", 0) + parts.get("shared_expert", 0) + parts.get("router", 0))


def _copied_elements(layer: Mla) -> float:
    """Matrices of latent attention that tensor parallelism does not split."""
    index = (layer.q_rank or layer.hidden) * layer.index_heads * layer.index_dim + layer.hidden * (layer.index_dim + layer.index_heads)
    return float(layer.hidden * ((layer.q_rank or 0) + layer.kv_rank + layer.rope_dim) + (index if layer.index_heads else 0))


def _attention(layer: Mla | Attention, count: int) -> tuple[AttentionDemand, ...]:
    """One group, or two where far positions are merged and near ones kept in a window."""
    if isinstance(layer, Mla):
        latent = AttentionDemand(
            layers=count,
            prefill_flops_per_pair=2.0 * layer.heads * (layer.nope_dim + layer.rope_dim + layer.v_head_dim),
            decode_flops_per_pair=2.0 * layer.heads * (2 * layer.kv_rank + layer.rope_dim),
            cache_elements=layer_kv_elements(layer),
            cache_shards=1,
            reach=float(layer.index_top_k or math.inf),
            index_flops_per_pair=2.0 * layer.index_heads * layer.index_dim,
            index_elements=float(layer.index_dim),
        )
        return (latent,)
    flops = 2.0 * layer.heads * (layer.head_dim + (layer.v_head_dim or layer.head_dim))
    elements, shards, window = layer_kv_elements(layer), layer.kv_heads, float(layer.window or math.inf)
    near = AttentionDemand(count, flops, flops, elements, shards, window, 0.0, 0.0)
    if layer.kv_ratio == 1:
        return (near,)
    merged, top_k = 1.0 / layer.kv_ratio, float(layer.index_top_k or math.inf) * layer.kv_ratio
    far = AttentionDemand(count, flops * merged, flops * merged, elements * merged, shards, top_k, 0.0, 0.0)
    return (far, near) if layer.window else (far,)


def _experts(layer: Moe, count: int) -> ExpertDemand:
    each = layer_parts(layer)["expert"] / layer.experts
    return ExpertDemand(count, layer.experts, layer.top_k, each, layer.latent or layer.hidden)
