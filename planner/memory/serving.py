"""Memory of serving on the fullest device (equation 4.1): weights, KV cache, workspace, overhead, and the batch that fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict

from model_db.architecture import Architecture, Attention, Layer, Linear, Mla, Mlp, Moe
from planner.counting.cache import layer_kv_elements, layer_state_bytes
from planner.memory.distinct import distinct
from planner.memory.matrices import layer_matrices, layer_vectors
from planner.memory.pipeline import UnitChain, Unit, candidate_stages, unit_chain
from planner.memory.stages import most_experts
from planner.request import Serving
from planner.search.columns import FloatColumn, IntColumn, ServingColumns

_WEIGHT_BYTES = np.array([2.0, 2.0, 1.0, 1.0, 0.5625, 0.5195])  # of PRECISIONS, scales included (section 8.1)
_CACHE_BYTES = np.array([2.0, 1.0, 0.5625])  # of KV_PRECISIONS
_GIB = 2.0**30


class ServingRecipe(BaseModel):
    """utilisation             share of the device's memory the engine may take
    batched_tokens          tokens of one forward pass at most
    sequences               sequences decoded together at most, which the sampler has room for; fewer on devices below 70 GiB
    logit_bytes             bytes the sampler needs per sequence and vocabulary entry
    runtime_bytes           driver context, communication libraries, graphs
    block_tokens            the KV cache is handed out in blocks of this many tokens
    windowed_cache          windowed layers keep their window alone
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    utilisation: float
    batched_tokens: int
    sequences: int
    sequences_below_70_gib: int
    logit_bytes: float
    runtime_bytes: float
    block_tokens: int
    windowed_cache: bool


@cache
def serving_recipe(engine: str = "vllm") -> ServingRecipe:
    """The packaged recipe of an engine."""
    table = yaml.safe_load(resources.files("planner.memory").joinpath("serving_engines.yaml").read_text(encoding="utf-8"))
    return ServingRecipe.model_validate({**table["defaults"], **table["engines"][engine]})


@dataclass(frozen=True, slots=True)
class ServingMemory:
    """Per device on the fullest pipeline stage, one row a candidate.

    kv_bytes_per_sequence      KV cache of one sequence at its mean context, whole blocks
    state_bytes_per_sequence   recurrent state of one sequence
    max_batch                  sequences of the whole replica that fit; 0: not even one, or not the weights
    """

    weights_bytes: FloatColumn
    kv_bytes_per_sequence: FloatColumn
    state_bytes_per_sequence: FloatColumn
    activation_bytes: FloatColumn
    overhead_bytes: FloatColumn
    max_batch: IntColumn


def serving_memory(
    architecture: Architecture,
    serving: Serving,
    columns: ServingColumns,
    memory_bytes: FloatColumn,
    recipe: ServingRecipe | None = None,
) -> ServingMemory:
    """Memory of every candidate replica on its fullest device. `memory_bytes`: capacity of each candidate's device."""
    recipe = recipe or serving_recipe(serving.engine)
    c = columns
    rows, key = distinct(c.tp, c.pp, c.ep, c.attention_dp, c.precision, c.kv_precision)
    weights, cache_bytes, state = _held(architecture, serving, recipe, c.take(rows))
    width = _working_bytes_per_token(architecture, c.tp[rows])
    sequences = np.where(memory_bytes < 70 * _GIB, recipe.sequences_below_70_gib, recipe.sequences)
    activation = np.maximum(recipe.batched_tokens * width[key], sequences * architecture.vocab * recipe.logit_bytes)
    overhead = np.full(len(c), recipe.runtime_bytes)
    free = recipe.utilisation * memory_bytes - activation - overhead
    per_sequence = cache_bytes + state
    fits = (free[:, None] - weights[key]) / np.maximum(per_sequence, 1.0)[key]
    fullest = fits.argmin(axis=1)
    batch = np.maximum(0, np.floor(fits[np.arange(len(c)), fullest])) * c.attention_dp
    return ServingMemory(
        weights_bytes=weights[key, fullest],
        kv_bytes_per_sequence=cache_bytes[key, fullest],
        state_bytes_per_sequence=state[key, fullest],
        activation_bytes=activation,
        overhead_bytes=overhead,
        max_batch=np.minimum(batch, np.iinfo(np.int32).max).astype(np.int32),
    )


def _held(
    architecture: Architecture, serving: Serving, recipe: ServingRecipe, c: ServingColumns
) -> tuple[FloatColumn, FloatColumn, FloatColumn]:
    """(weights, cache, recurrent state of one sequence) of each stage, shape (rows, stages)."""
    chain = unit_chain(architecture)
    experts = most_experts(architecture)
    context = serving.input_tokens + serving.output_tokens / 2
    context = np.ceil(context / recipe.block_tokens) * recipe.block_tokens
    picked = [candidate_stages(chain, int(pp), 1)[1] for pp in c.pp]
    width = max(len(units) for units in picked)
    shape = (len(c), width)
    weights, kept, state = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for row, units in enumerate(picked):
        t, ep, dp = int(c.tp[row]), int(c.ep[row]), int(c.attention_dp[row])
        beta, beta_kv = float(_WEIGHT_BYTES[c.precision[row]]), float(_CACHE_BYTES[c.kv_precision[row]])
        share = float(np.ceil(experts / ep) / experts) / max(1, t * dp // ep)
        per_unit = np.array([_unit(unit, t, share, beta, beta_kv, context, recipe) for unit in chain.units])
        held = units @ per_unit
        held = np.concatenate([held, np.repeat(held[:1], width - len(held), axis=0)])
        weights[row], kept[row], state[row] = held.T
    return weights, kept, state


def _unit(unit: Unit, t: int, expert_share: float, beta: float, beta_kv: float, context: float, recipe: ServingRecipe) -> tuple[float, float, float]:
    weights = kept = state = 0.0
    for layer in unit.layers:
        weights += 2.0 * layer_vectors(layer)
        for item in layer_matrices(layer):
            share = {"divided": 1 / t, "grouped": 1 / min(t, item.ways), "copied": 1.0, "expert": expert_share}[item.placement]
            weights += (beta if item.adapted else 2.0) * item.elements * share
        if not unit.tower:
            kept += layer_cache_bytes(layer, context, t, beta_kv, windowed=recipe.windowed_cache)
            state += layer_state_bytes(layer) / t
    return weights, kept, state


def layer_cache_bytes(layer: Layer, context: float, tp: int, element_bytes: float, *, windowed: bool = True) -> float:
    """KV cache of one sequence of `context` tokens in one layer on one tensor-parallel rank (equation 4.1)."""
    elements = layer_kv_elements(layer)
    if isinstance(layer, Mla):
        return context * (elements * element_bytes + layer.index_dim)
    if not isinstance(layer, Attention):
        return 0.0
    near = min(context, layer.window) if layer.window and windowed else context
    tokens = near if layer.kv_ratio == 1 else context / layer.kv_ratio + (near if layer.window else 0)
    return tokens * elements * element_bytes / min(tp, layer.kv_heads)


def _working_bytes_per_token(architecture: Architecture, tp: IntColumn) -> FloatColumn:
    """Largest working set of a layer per token of a forward pass: its input, residual and widest intermediate, 16 bits."""
    layers = {layer for stack in architecture.stacks if not stack.tower for block in stack.blocks for layer in block.layers}
    widest = np.zeros(len(tp))
    for layer in layers:
        match layer:
            case Mlp():
                inner = layer.ffn * (3 if layer.gated else 2) / tp
            case Moe():
                inner = (layer.top_k * layer.expert_ffn + layer.shared_ffn) * (3 if layer.gated else 2) / tp + 2 * layer.top_k * layer.hidden
            case Attention():
                inner = (2 * layer.heads * layer.head_dim + 2 * layer.kv_heads * layer.head_dim) / tp
            case Mla():
                inner = 2 * layer.heads * (layer.nope_dim + layer.rope_dim + layer.v_head_dim) / tp
            case _:
                continue
        widest = np.maximum(widest, 2.0 * (3 * architecture.hidden + inner))
    return widest
