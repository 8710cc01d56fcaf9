"""What one pass of a language model demands, reduced to a few numbers: the bridge from `Architecture` to step times.

Matrices are grouped by how they are split and quantised, attention and expert layers by shape. A model with hundreds of
layers becomes a handful of groups, so that a candidate costs a few array operations whatever the depth.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass

from model_db.architecture import (
    Architecture,
    Attention,
    Embedding,
    GatedDeltaNet,
    Layer,
    Linear,
    Mamba1,
    Mamba2,
    Mla,
    Mlp,
    Moe,
    State,
)


@dataclass(frozen=True, slots=True)
class AttentionDemand:
    """Attention layers of one shape. A pair is one query position against one key position, over all heads."""

    layers: int
    prefill_flops_per_pair: float  # 2 a (d_qk + d_v) (equation 1.2)
    decode_flops_per_pair: float  # the same; absorbed form for MLA
    cache_elements: float  # per cached position and layer, before sharding
    cache_shards: int  # tensor parallel ranks over which the cache splits; beyond that it is copied
    reach: float  # positions a query attends at most: window, top-k, or infinity
    index_flops_per_pair: float = 0.0  # sparse-attention indexer, which scores every position
    index_elements: float = 0.0  # its cache per position, one byte each


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
    vocab: int
    mixers: int  # attention and state layers: the depth of the model
    mla_layers: int
    state_layers: int
    feed_forwards: int  # dense and expert layers
    mixer_elements: float  # split over tensor parallel ranks
    copied_elements: float  # whole on each rank: MLA down-projections, indexers
    feed_forward_elements: float  # dense MLPs, shared experts, routers
    head_elements: float
    embedding_elements: float
    attention: tuple[AttentionDemand, ...]
    experts: tuple[ExpertDemand, ...]
    state_bytes: float  # of recurrent states, one sequence, all layers
    state_flops: float  # of recurrent mixers beside their matrices, a token

    @property
    def expert_layers(self) -> int:
        """Layers with routed experts."""
        return sum(group.layers for group in self.experts)


@functools.lru_cache(maxsize=512)
def serving_demand(architecture: Architecture) -> ServingDemand:
    """Demand of the stacks that run for every generated token; towers and unused prediction layers are left out."""
    layers: Counter[Layer] = Counter()
    for stack in architecture.stacks:
        if stack.tower or not stack.runs_in_serving:
            continue
        for block in stack.blocks:
            for layer in block.layers:
                layers[layer] += block.repeat
    hidden = architecture.hidden
    mixer = copied = feed_forward = head = embedding = state_bytes = state_flops = 0.0
    mixers = mla_layers = state_layers = feed_forwards = 0
    attention: Counter[tuple[float, float, float, int, float, float, float]] = Counter()
    experts: Counter[tuple[int, int, float, int]] = Counter()
    for layer, count in layers.items():
        match layer:
            case Attention() if layer.mask != "cross":
                mixers += count
                mixer += count * _attention_elements(layer)
                attention[_attention_key(layer)] += count
            case Mla():
                mixers += count
                mla_layers += count
                split, whole = _mla_elements(layer)
                mixer += count * split
                copied += count * whole
                attention[_mla_key(layer)] += count
            case Mamba1() | Mamba2() | GatedDeltaNet() | State():
                mixers += count
                state_layers += count
                elements, kept_bytes, flops = _state_demand(layer)
                mixer += count * elements
                state_bytes += count * kept_bytes
                state_flops += count * flops
            case Mlp():
                feed_forwards += count
                feed_forward += count * (3 if layer.gated else 2) * layer.hidden * layer.ffn
            case Moe():
                feed_forwards += count
                feed_forward += count * (layer.hidden * layer.experts + 3 * layer.hidden * layer.shared_ffn)
                width = layer.latent or layer.hidden
                if layer.latent:
                    feed_forward += count * 2 * layer.hidden * layer.latent
                experts[(layer.experts, layer.top_k, (3.0 if layer.gated else 2.0) * width * layer.expert_ffn, width)] += count
            case Linear():
                if architecture.vocab and layer.out_features >= architecture.vocab:
                    head += count * layer.in_features * layer.out_features
                else:
                    feed_forward += count * layer.in_features * layer.out_features
            case Embedding():
                embedding += count * layer.rows * layer.dim
            case _:
                pass
    return ServingDemand(
        hidden=hidden,
        vocab=architecture.vocab,
        mixers=mixers,
        mla_layers=mla_layers,
        state_layers=state_layers,
        feed_forwards=feed_forwards,
        mixer_elements=mixer,
        copied_elements=copied,
        feed_forward_elements=feed_forward,
        head_elements=head,
        embedding_elements=embedding,
        attention=tuple(AttentionDemand(count, *key) for key, count in attention.items()),
        experts=tuple(ExpertDemand(count, *key) for key, count in experts.items()),
        state_bytes=state_bytes,
        state_flops=state_flops,
    )


def _attention_elements(layer: Attention) -> float:
    if not layer.projections:
        return 0.0
    v_dim = layer.v_head_dim or layer.head_dim
    query = layer.heads * layer.head_dim * (2 if layer.output_gate else 1)
    kv = layer.kv_heads * (layer.head_dim + (0 if layer.shared_kv else v_dim))
    return float(layer.hidden * (query + kv + layer.heads * v_dim))


def _attention_key(layer: Attention) -> tuple[float, float, float, int, float, float, float]:
    v_dim = layer.v_head_dim or layer.head_dim
    flops = 2.0 * layer.heads * (layer.head_dim + v_dim)
    cache = layer.kv_heads * (layer.head_dim + (0 if layer.shared_kv else v_dim)) / layer.kv_ratio
    return flops, flops, cache, layer.kv_heads, float(layer.window or math.inf), 0.0, 0.0


def _mla_elements(layer: Mla) -> tuple[float, float]:
    """Elements split over tensor parallel ranks, and whole on each (equation 1.1)."""
    head = layer.nope_dim + layer.rope_dim
    query = (layer.q_rank or layer.hidden) * layer.heads * head
    split = query + layer.kv_rank * layer.heads * (layer.nope_dim + layer.v_head_dim) + layer.heads * layer.v_head_dim * layer.hidden
    whole = (layer.hidden * layer.q_rank if layer.q_rank else 0) + layer.hidden * (layer.kv_rank + layer.rope_dim)
    if layer.index_heads:
        whole += (layer.q_rank or layer.hidden) * layer.index_heads * layer.index_dim + layer.hidden * (layer.index_dim + layer.index_heads)
    return float(split), float(whole)


def _mla_key(layer: Mla) -> tuple[float, float, float, int, float, float, float]:
    prefill = 2.0 * layer.heads * (layer.nope_dim + layer.rope_dim + layer.v_head_dim)
    decode = 2.0 * layer.heads * (2 * layer.kv_rank + layer.rope_dim)
    reach = float(layer.index_top_k or math.inf)
    index_flops = 2.0 * layer.index_heads * layer.index_dim
    return prefill, decode, float(layer.kv_rank + layer.rope_dim), 1, reach, index_flops, float(layer.index_dim)


def _state_demand(layer: Mamba1 | Mamba2 | GatedDeltaNet | State) -> tuple[float, float, float]:
    """Matrix elements, bytes kept for a sequence (state in 32 bits, convolution inputs in 16), FLOP a token (1.2, 4.1)."""
    match layer:
        case Mamba2():
            inner = layer.heads * layer.head_dim
            width = inner + 2 * layer.groups * layer.state
            elements = layer.hidden * (inner + width + layer.heads) + inner * layer.hidden
            return float(elements), 4.0 * inner * layer.state + 2.0 * width * (layer.conv - 1), 7.0 * inner * layer.state
        case Mamba1():
            inner = layer.inner
            elements = layer.hidden * 2 * inner + inner * (layer.dt_rank + 2 * layer.state) + layer.dt_rank * inner + inner * layer.hidden
            return float(elements), 4.0 * inner * layer.state + 2.0 * inner * (layer.conv - 1), 9.0 * inner * layer.state
        case GatedDeltaNet():
            key, value = layer.key_heads * layer.key_dim, layer.value_heads * layer.value_dim
            elements = layer.hidden * (2 * key + 2 * value + 2 * layer.value_heads) + value * layer.hidden
            kept = 4.0 * layer.value_heads * layer.key_dim * layer.value_dim + 2.0 * (2 * key + value) * (layer.conv - 1)
            return float(elements), kept, 7.0 * layer.value_heads * layer.key_dim * layer.value_dim
        case State():
            return 0.0, 4.0 * layer.elements + 2.0 * layer.conv_elements, float(layer.flops_per_token)
