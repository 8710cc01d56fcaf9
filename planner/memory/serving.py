"""Memory of serving on the fullest device (equation 4.1): weights, KV cache, workspace, overhead, and the batch that fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_db.architecture import Architecture, Attention, GatedDeltaNet, Layer, Mamba1, Mamba2, Mla, Mlp, Moe
from model_db.weight_formats import WeightFormat
from planner.counting.cache import layer_kv_elements, layer_state_bytes
from planner.memory.distinct import distinct
from planner.memory.engines import ServingRecipe, serving_recipe
from planner.memory.formats import cache_bytes, precision_of, usual_formats
from planner.memory.matrices import Matrix, layer_matrices, layer_vectors
from planner.memory.pipeline import Unit, fullest_stages, unit_chain
from planner.memory.stages import most_experts
from planner.memory.states import expert_share
from planner.request import Serving
from planner.search.columns import FloatColumn, IntColumn, ServingColumns

_SMALL_DEVICE_BYTES = 70 * 2**30  # where engines change their defaults (planner.memory.engines)
_MOST_SEQUENCES = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True)
class ServingMemory:
    """Per device on the fullest pipeline stage, one row a candidate.

    kv_bytes_per_sequence      cache of one sequence at the mean context of its answer, in whole blocks
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
    stored: WeightFormat | None = None,
) -> ServingMemory:
    """Memory of every replica on its fullest device, and how many sequences it decodes together (equation 4.1).

    memory_bytes  capacity of each candidate's device, as the driver shows it
    recipe        habits of the engine; None: those of `serving.engine`
    stored        format the weights are published in: candidates of its precision keep it; others use the usual format
    """
    recipe = recipe or serving_recipe(serving.engine)
    c = columns
    if not len(c):
        return ServingMemory(*[np.zeros(0)] * 5, max_batch=np.zeros(0, dtype=np.int32))
    rows, replica = distinct(c.tp, c.pp, c.ep, c.attention_dp, c.precision, c.kv_precision)
    kinds = c.take(rows)
    contexts = ServedContext.of(serving, recipe)
    held = _stage_totals(architecture, contexts, kinds.tp, kinds.pp)
    weights = weights_bytes(held, most_experts(architecture), kinds, recipe, stored)
    element = cache_bytes()[kinds.kv_precision][:, None]
    kept = held.cache_elements * element + held.cache_bytes
    state = held.state_bytes

    workspace = workspace_bytes(architecture, kinds, memory_bytes < _SMALL_DEVICE_BYTES, replica, recipe, serving.input_tokens)
    overhead = recipe.runtime_bytes + np.where(kinds.devices > 1, recipe.collective_bytes, 0.0)[replica]
    free = recipe.utilisation * memory_bytes - workspace - overhead
    per_sequence = np.maximum(kept + state, 1.0)
    sequences = np.stack([(free - weights[replica, s]) / per_sequence[replica, s] for s in range(weights.shape[1])])
    fullest = sequences.argmin(axis=0)
    batch = np.floor(np.maximum(sequences.min(axis=0), 0.0)) * c.attention_dp
    return ServingMemory(
        weights_bytes=weights[replica, fullest],
        kv_bytes_per_sequence=kept[replica, fullest],
        state_bytes_per_sequence=state[replica, fullest],
        activation_bytes=workspace,
        overhead_bytes=overhead,
        max_batch=np.minimum(batch, _MOST_SEQUENCES).astype(np.int32),
    )


class ServedContext(NamedTuple):
    """Positions cached for a sequence on average while its answer is generated.

    tokens   of the sequence itself, and half a block that is handed out and not filled
    other    of the sequence that cross-attention looks at
    windowed windowed layers keep their window alone
    """

    tokens: float
    other: float
    windowed: bool

    @classmethod
    def of(cls, serving: Serving, recipe: ServingRecipe) -> ServedContext:
        """Half of the answer is there on average (equation 4.1)."""
        tokens = serving.input_tokens + serving.output_tokens / 2 + (recipe.block_tokens - 1) / 2
        return cls(tokens, float(serving.input_tokens), recipe.windowed_cache)


class Held(NamedTuple):
    """What a unit, or a whole stage, holds on one tensor-parallel rank, experts before they are spread.

    matrices        elements of projections; their outputs (rows as stored); experts apart
    whole           elements of what formats of projections leave in 16 bits: embedding, head, routers, norms, biases
    padded_experts  elements of experts with widths padded for kernels of narrow formats
    cache_elements  of one sequence, in the cache's format; `cache_bytes` in a format of their own (index keys)
    """

    matrices: FloatColumn
    matrix_outputs: FloatColumn
    whole: FloatColumn
    experts: FloatColumn
    padded_experts: FloatColumn
    cache_elements: FloatColumn
    cache_bytes: FloatColumn
    state_bytes: FloatColumn


def _stage_totals(architecture: Architecture, contexts: ServedContext, tp: IntColumn, pp: IntColumn) -> Held:
    """Each field of shape (rows, stages that can be the fullest)."""
    chain = unit_chain(architecture)
    cuts, cut = np.unique(pp, return_inverse=True)
    stages = [fullest_stages(chain, int(p), 1) for p in cuts]
    width = max(len(found.stage) for found in stages)
    counts = np.stack([found.padded(width).units for found in stages])[cut]
    degrees, degree = np.unique(tp, return_inverse=True)
    units = np.array([[_unit_held(unit, contexts, int(t)) for unit in chain.units] for t in degrees])[degree]
    return Held(*np.moveaxis(np.einsum("rsu,ruh->rsh", counts, units), -1, 0))


@lru_cache(maxsize=4096)
def _unit_held(unit: Unit, contexts: ServedContext, tp: int) -> tuple[float, ...]:
    """The fields of `Held` for one unit. Multi-token prediction is not loaded; towers cache nothing."""
    matrices = outputs = whole = experts = padded = elements = other_bytes = state = 0.0
    if unit.role == "predictor":
        return (0.0,) * len(Held._fields)
    for layer in unit.layers:
        whole += layer_vectors(layer)
        for item in layer_matrices(layer):
            ranks = item.tensor_ranks(tp)
            if item.placement == "expert":
                experts += item.elements
                padded += _padded_elements(item)
            elif item.projects:
                matrices += item.elements / ranks
                outputs += item.count * item.columns / (1 if item.closes else ranks)
            else:
                whole += item.elements / ranks
        if unit.role != "tower":
            elements += layer_cache_elements(layer, contexts, tp)
            other_bytes += contexts.tokens * getattr(layer, "index_dim", 0)
            state += layer_state_bytes(layer) / tp
    return matrices, outputs, whole, experts, padded, elements, other_bytes, state
