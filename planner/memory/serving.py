"""Memory of serving on the fullest device (equation 4.1): weights, KV cache, workspace, overhead, and the batch that fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from model_db.architecture import Architecture, Attention, Layer, Mla
from model_db.weight_formats import WeightFormat
from planner.counting.cache import layer_kv_elements, layer_state_bytes
from planner.memory.activations import layer_activations, on_one_rank
from planner.memory.engines import ServingRecipe, serving_recipe
from planner.memory.formats import cache_bytes, precision_of, usual_formats
from planner.memory.matrices import Matrix, layer_matrices, layer_vectors
from planner.memory.pipeline import Unit, fullest_stages, unit_chain
from planner.memory.stages import most_experts
from planner.memory.states import expert_share
from planner.request import Serving
from planner.search.columns import FloatColumn, IntColumn, ServingColumns
from planner.search.distinct import distinct

_SMALL_DEVICE_BYTES = 70 * 2**30  # where engines change their defaults (planner.memory.engines)
_MOST_SEQUENCES = np.iinfo(np.int32).max
_SIXTEEN_BIT_BYTES = 2.0


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
    beside: ServingMemory | None = None,
) -> ServingMemory:
    """Memory of every replica on its fullest device, and how many sequences it decodes together (equation 4.1).

    memory_bytes  nominal capacity of each candidate's device
    recipe        habits of the engine; None: those of `serving.engine`
    stored        format the weights are published in: candidates of its precision keep it; others use the usual format
    beside        a draft model whose weights and cache lie on the same devices, on every stage
    """
    recipe = recipe or serving_recipe(serving.engine)
    c = columns
    if not len(c):
        none = np.zeros(0)
        return ServingMemory(none, none, none, none, none, np.zeros(0, dtype=np.int32))
    rows, replica = distinct(c.tp, c.pp, c.ep, c.attention_dp, c.precision, c.kv_precision)
    kinds = c.take(rows)
    held = _stage_totals(architecture, ServedContext.of(serving, recipe), recipe, kinds.tp, kinds.pp)
    weights = _weights_bytes(held, most_experts(architecture), kinds, recipe, stored)
    kept = held.cache_elements * cache_bytes()[kinds.kv_precision][:, None] + held.cache_bytes

    small = memory_bytes < _SMALL_DEVICE_BYTES
    workspace = _workspace_bytes(architecture, kinds.tp, serving, recipe)[small.astype(np.intp), replica]
    overhead = recipe.runtime_bytes + np.where(kinds.devices > 1, recipe.collective_bytes, 0.0)[replica]
    draft_weights, draft_kept, draft_state = _held_beside(beside)
    free = recipe.utilisation * recipe.visible_share * memory_bytes - workspace - overhead - draft_weights
    per_sequence = np.maximum(kept + held.state_bytes, 1.0) / recipe.cache_share
    draft_per_sequence = (draft_kept + draft_state) / recipe.cache_share
    stages = range(weights.shape[1])
    sequences = np.stack([(free - weights[replica, s]) / (per_sequence[replica, s] + draft_per_sequence) for s in stages])
    fullest = sequences.argmin(axis=0)
    batch = np.floor(np.maximum(sequences.min(axis=0), 0.0)) * c.attention_dp
    return ServingMemory(
        weights_bytes=weights[replica, fullest] + draft_weights,
        kv_bytes_per_sequence=kept[replica, fullest] + draft_kept,
        state_bytes_per_sequence=held.state_bytes[replica, fullest] + draft_state,
        activation_bytes=workspace,
        overhead_bytes=overhead,
        max_batch=np.minimum(batch, _MOST_SEQUENCES).astype(np.int32),
    )


def _held_beside(beside: ServingMemory | None) -> tuple[FloatColumn | float, FloatColumn | float, FloatColumn | float]:
    """Weights, and cache and state of one sequence, of what lies beside the model."""
    return (beside.weights_bytes, beside.kv_bytes_per_sequence, beside.state_bytes_per_sequence) if beside else (0.0, 0.0, 0.0)


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

    matrices        elements of projections without routed experts; `matrix_outputs` their rows as they are stored
    whole           elements of embedding, head, routers, norms and biases
    experts         elements of routed experts; `padded_experts` with widths as kernels of narrow formats need them
    cache_elements  of one sequence, in the cache's format; `cache_bytes` what has a format of its own (index keys)
    """

    matrices: FloatColumn
    matrix_outputs: FloatColumn
    whole: FloatColumn
    experts: FloatColumn
    padded_experts: FloatColumn
    cache_elements: FloatColumn
    cache_bytes: FloatColumn
    state_bytes: FloatColumn


def _stage_totals(architecture: Architecture, context: ServedContext, recipe: ServingRecipe, tp: IntColumn, pp: IntColumn) -> Held:
    """Each field of shape (rows, stages that can be the fullest)."""
    chain = unit_chain(architecture)
    cuts, cut = np.unique(pp, return_inverse=True)
    stages = [fullest_stages(chain, int(p), 1) for p in cuts]
    width = max(len(found.stage) for found in stages)
    counts = np.stack([found.padded(width).units for found in stages])[cut]
    degrees, degree = np.unique(tp, return_inverse=True)
    units = np.array([[_unit_held(unit, context, recipe, int(t)) for unit in chain.units] for t in degrees])[degree]
    return Held(*np.moveaxis(counts @ units, -1, 0))


@lru_cache(maxsize=4096)
def _unit_held(unit: Unit, context: ServedContext, recipe: ServingRecipe, tp: int) -> tuple[float, ...]:
    """The fields of `Held` for one unit. Towers cache nothing; multi-token prediction is held by engines that speculate."""
    if unit.role == "predictor" and not recipe.prediction_layers:
        return (0.0,) * len(Held._fields)
    matrices = [matrix for layer in unit.layers for matrix in layer_matrices(layer)]
    experts = [matrix for matrix in matrices if matrix.placement == "expert"]
    projections = [matrix for matrix in matrices if matrix.projects and matrix.placement != "expert"]
    rest = sum(matrix.elements / matrix.tensor_ranks(tp) for matrix in matrices if not matrix.projects)
    caching = () if unit.role == "tower" else unit.layers
    return (
        sum(matrix.elements / matrix.tensor_ranks(tp) for matrix in projections),
        sum(matrix.count * matrix.columns / (1 if matrix.closes else matrix.tensor_ranks(tp)) for matrix in projections),
        rest + sum(layer_vectors(layer) for layer in unit.layers),
        sum(matrix.elements for matrix in experts),
        sum(_padded_elements(matrix, recipe) for matrix in experts),
        sum(layer_cache_elements(layer, context, tp) for layer in caching),
        sum(context.tokens * layer.index_dim for layer in caching if isinstance(layer, Attention | Mla)),
        sum(layer_state_bytes(layer) for layer in caching) / tp,
    )


def _padded_elements(matrix: Matrix, recipe: ServingRecipe) -> float:
    """Elements of experts' matrices with the model's width and the inner width padded to what narrow kernels need."""
    width, inner = (matrix.columns, matrix.rows) if matrix.closes else (matrix.rows, matrix.columns)
    width = -(-width // recipe.narrow_width_multiple) * recipe.narrow_width_multiple
    inner = -(-inner // recipe.narrow_inner_multiple) * recipe.narrow_inner_multiple
    return float(matrix.count * width * inner)


def layer_cache_elements(layer: Layer, context: ServedContext, tp: int) -> float:
    """Cache elements of one sequence in one layer on one tensor-parallel rank (equation 4.1).

    Key-value heads are divided over the ranks and copied where there are more ranks than heads; the latent of MLA, which
    is one head, is whole on each. Windowed layers hold their window; merged positions a share of the context beside it.
    """
    if isinstance(layer, Mla):
        return context.tokens * layer_kv_elements(layer)
    if not isinstance(layer, Attention) or layer.mask == "bidirectional":
        return 0.0
    ranks = min(tp, layer.kv_heads)
    if layer.mask == "cross":
        elements = layer.kv_heads * (layer.head_dim + (layer.v_head_dim or layer.head_dim))
        return (layer.kv_positions or context.other) * elements / ranks
    near = min(context.tokens, layer.window) if layer.window and context.windowed else context.tokens
    tokens = near if layer.kv_ratio == 1 else context.tokens / layer.kv_ratio + (near if layer.window else 0.0)
    return tokens * layer_kv_elements(layer) / ranks


def _weights_bytes(held: Held, experts: int, kinds: ServingColumns, recipe: ServingRecipe, stored: WeightFormat | None) -> FloatColumn:
    """Weights of each stage, shape (rows, stages): parts that a format leaves out stay at 16 bits (equations 4.1 and 8.1)."""
    formats = list(usual_formats())
    if stored is not None:
        formats[precision_of(stored)] = stored
    each = np.array([stored_.bytes_per_parameter for stored_ in formats])
    matrix = np.where([stored_.parts == "experts" for stored_ in formats], _SIXTEEN_BIT_BYTES, each)
    whole = np.where([stored_.parts == "all" for stored_ in formats], each, _SIXTEEN_BIT_BYTES)
    of_expert, of_matrix, of_whole = (bytes_[kinds.precision][:, None] for bytes_ in (each, matrix, whole))
    spread = expert_share(experts, kinds.tp * kinds.attention_dp, kinds.ep)[:, None]
    placed = np.where(of_expert < 1.0, held.padded_experts, held.experts) * spread
    rows = np.array([recipe.fp8_row_padding_bytes if stored_.id == "fp8" else 0.0 for stored_ in formats])[kinds.precision][:, None]
    return np.asarray(of_matrix * held.matrices + rows * held.matrix_outputs + of_whole * held.whole + of_expert * placed)


def _workspace_bytes(architecture: Architecture, tp: IntColumn, serving: Serving, recipe: ServingRecipe) -> FloatColumn:
    """Largest working set, shape (2, rows): of large and of small devices (equation 4.1).

    A forward pass works on its tokens' widest layer; the sampler, later, on the logits of all sequences, whole on each rank.
    """
    tokens = np.array([recipe.batched_tokens, recipe.batched_tokens_small], dtype=np.float64)
    if recipe.whole_prompts:
        tokens = np.maximum(tokens, serving.input_tokens)
    sequences = np.array([recipe.sequences, recipe.sequences_small], dtype=np.float64)
    sampler = sequences * architecture.vocab * recipe.logit_bytes
    degrees, degree = np.unique(tp, return_inverse=True)
    width = np.array([_widest_layer_bytes(architecture, int(t)) for t in degrees])[degree]
    return np.asarray(np.maximum(tokens[:, None] * width, sampler[:, None]))


@lru_cache(maxsize=4096)
def _widest_layer_bytes(architecture: Architecture, tp: int) -> float:
    """Bytes per token that the widest layer of a forward pass works on: its tensors, the residual and its output (equation 4.1)."""
    layers = {layer for stack in architecture.stacks if not stack.tower for block in stack.blocks for layer in block.layers}
    inner = (on_one_rank(layer_activations(layer), 1, tp, sequence_parallel=False).sixteen_bit_bytes for layer in layers)
    return 2 * _SIXTEEN_BIT_BYTES * architecture.hidden + max(inner, default=0.0)
