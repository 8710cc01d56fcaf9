"""Memory of training on the fullest device (sections 2 and 3.8): states, activations, logits, buffers, overhead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_db.architecture import Architecture
from planner.memory.distinct import distinct
from planner.memory.pipeline import micro_batches_in_flight
from planner.memory.recipe import TrainingRecipe, training_recipe
from planner.memory.stages import StageTable, most_experts, stage_table
from planner.memory.states import state_bytes_per_parameter
from planner.request import Training
from planner.search.columns import PRECISIONS, RECOMPUTES, SCHEDULES, FloatColumn, TrainingColumns

_FORMAT_BYTES = np.array([2.0, 2.0, 1.0, 1.0, 0.5625, 0.5195])  # of PRECISIONS, scales included (section 8.1)
_QUANTISED = np.array([name not in {"bf16", "fp16"} for name in PRECISIONS])
_GPIPE = SCHEDULES.index("gpipe")


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """Bytes per device on the fullest pipeline stage, one row a candidate; the parts add up to `total_bytes`."""

    weights_bytes: FloatColumn
    gradients_bytes: FloatColumn
    optimizer_bytes: FloatColumn
    activations_bytes: FloatColumn
    logits_bytes: FloatColumn
    buffers_bytes: FloatColumn
    overhead_bytes: FloatColumn
    total_bytes: FloatColumn


def training_memory(
    architecture: Architecture, training: Training, columns: TrainingColumns, recipe: TrainingRecipe | None = None
) -> TrainingMemory:
    """Memory of every candidate on its fullest device (section 2)."""
    recipe = recipe or training_recipe()
    c = columns
    rows, layout = distinct(c.tp, c.pp, c.virtual_stages)
    table = stage_table(architecture, training, recipe, c.tp[rows], c.pp[rows], c.virtual_stages[rows])
    layout = layout.astype(np.int32)

    static_rows, static_of = distinct(layout, c.ep, c.zero_stage, c.shard_group, c.precision)
    static = _states(table, layout[static_rows], most_experts(architecture), training, recipe, c.take(static_rows))

    held_micro_batches = np.where(c.schedule == _GPIPE, c.micro_batches, np.minimum(c.micro_batches, 2 * c.pp)).astype(np.int32)
    sharded = (c.zero_stage == 3).astype(np.int32)
    keys = (layout, c.cp, c.ep, c.micro_batch, c.recompute, c.schedule, c.precision, held_micro_batches, sharded)
    moving_rows, moving_of = distinct(*keys)
    moving = _moving(
        table, layout[moving_rows], held_micro_batches[moving_rows], most_experts(architecture), training, recipe, c.take(moving_rows)
    )

    static_sum = sum(static)
    moving_sum = sum(moving)
    totals = static_sum[static_of] + moving_sum[moving_of]
    fullest = totals.argmax(axis=1)
    parts = [part[static_of, fullest] for part in static] + [part[moving_of, fullest] for part in moving]
    return TrainingMemory(*parts, total_bytes=sum(parts))


def _states(
    table: StageTable, layout: np.ndarray, experts: int, training: Training, recipe: TrainingRecipe, c: TrainingColumns
) -> tuple[FloatColumn, FloatColumn, FloatColumn]:
    """(weights, gradients, optimizer states) of each stage, shape (rows, stages) (equations 2.1 and 2.2)."""
    value = {name: column[layout] for name, column in table.values.items()}
    expert_tp = np.where(c.ep == 1, c.tp, 1)  # experts are divided over tensor-parallel ranks only if not spread
    expert_share = np.ceil(experts / c.ep) / experts / expert_tp
    shards = np.maximum(c.shard_group, 1)
    expert_shards = np.maximum(1.0, shards * c.tp / (c.ep * expert_tp))

    def sharded(stage: int) -> tuple[FloatColumn, FloatColumn]:
        on = c.zero_stage >= stage
        return np.where(on, 1.0 / shards, 1.0)[:, None], (np.where(on, 1.0 / expert_shards, 1.0) * expert_share)[:, None]

    per = state_bytes_per_parameter(training.optimizer, recipe)
    dense_3, expert_3 = sharded(3)
    trained = value["matrix"] + value["other"]
    copies = np.where(_QUANTISED[c.precision] & (c.zero_stage < 3), recipe.quantised_copies * _FORMAT_BYTES[c.precision], 0.0)[:, None]
    frozen = np.where(training.method == "qlora", 0.516, _FORMAT_BYTES[c.precision])[:, None]
    weights = (
        recipe.weight_bytes * trained + copies * value["matrix"] + frozen * value["frozen_quantisable"] + 2.0 * value["frozen_16_bit"]
    ) * dense_3
    weights = weights + ((recipe.weight_bytes + copies) * value["expert_matrix"] + frozen * value["expert_frozen"]) * expert_3
    dense_2, expert_2 = sharded(2)
    gradients = recipe.gradient_bytes * (trained * dense_2 + value["expert_matrix"] * expert_2)
    dense_1, expert_1 = sharded(1)
    optimizer = (per.matrix * value["matrix"] + per.other * value["other"] + per.factored * value["factored"]) * dense_1
    optimizer = optimizer + (per.matrix * value["expert_matrix"] + per.factored * value["expert_factored"]) * expert_1
    return weights, gradients, optimizer


def _moving(
    table: StageTable,
    layout: np.ndarray,
    micro_batches: np.ndarray,
    experts: int,
    training: Training,
    recipe: TrainingRecipe,
    c: TrainingColumns,
) -> tuple[FloatColumn, FloatColumn, FloatColumn, FloatColumn]:
    """(activations, logits, buffers, overhead) of each stage, shape (rows, stages) (section 2.3)."""
    value = {name: column[layout] for name, column in table.values.items()}
    per_rank = (c.micro_batch / c.cp)[:, None]
    input_bytes = np.where(recipe.quantised_inputs & _QUANTISED[c.precision], _FORMAT_BYTES[c.precision], 2.0)[:, None]

    def chosen(prefix: str) -> FloatColumn:
        return np.choose(c.recompute[:, None], [value[f"{prefix}_{name}"] for name in RECOMPUTES])

    in_flight = micro_batches_in_flight(
        c.schedule[:, None], c.pp[:, None], c.virtual_stages[:, None], micro_batches[:, None], table.stage[layout]
    )
    saved = (chosen("saved_16_bit") + input_bytes * chosen("saved_inputs")) * in_flight * per_rank
    logit_bytes = np.where(c.tp > 1, recipe.vocab_parallel_logit_bytes, recipe.logit_bytes)[:, None] / recipe.loss_chunks
    logits = value["logits"] * logit_bytes * per_rank
    activations = saved + np.maximum(0.0, chosen("working") * per_rank - logits)

    expert_share = np.ceil(experts / c.ep) / experts / np.where(c.ep == 1, c.tp, 1)
    unit = value["unit_elements"] + value["expert_unit_elements"] * expert_share[:, None]
    gathered = np.where((c.zero_stage == 3)[:, None], (2.0 * 2 + 2.0 + recipe.gradient_bytes) * unit, recipe.bucket_bytes)
    sends = np.where(c.pp > 1, 2.0, 0.0)[:, None] * value["boundary"] * per_rank
    buffers = gathered + sends
    overhead = recipe.runtime_bytes + recipe.fragmentation * (activations + logits + buffers)
    return activations, logits, buffers, overhead
