"""Memory of training on the fullest device (equations 2.1 to 2.4): states, activations, logits, buffers, overhead.

Two tables hold what candidates share: states by (layout, ep, ZeRO stage, shard group, format), and what moves through a
stage by (layout, cp, ep, micro-batch, recomputation, schedule, ...). A candidate is the sum of a row of each; the stage
with the largest sum is its fullest one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_db.architecture import Architecture
from model_db.weight_formats import weight_format
from planner.memory.distinct import distinct
from planner.memory.formats import NARROW, product_bytes
from planner.memory.pipeline import micro_batches_in_flight
from planner.memory.recipe import TrainingRecipe, training_recipe
from planner.memory.stages import StageLoads, StageStates, StageTable, Task, most_experts, stage_table
from planner.memory.states import Shards, expert_share, optimizer_bytes
from planner.request import Training
from planner.search.columns import SCHEDULES, FloatColumn, IntColumn, TrainingColumns

_GPIPE, _INTERLEAVED = SCHEDULES.index("gpipe"), SCHEDULES.index("interleaved")


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """Bytes per device on the fullest pipeline stage, one row a candidate; the parts up to overhead add up to the total.

    activations_bytes  kept for the backward pass
    buffers_bytes      gathered weights, gradients in reduction, tensors between stages and to experts, and what the backward
                       pass of one layer works on beyond the room that the logits leave
    overhead_bytes     runtime of driver and libraries, and allocator loss
    host_bytes         memory of the host that offloading takes, for each device
    nvme_bytes         the same on drives
    """

    weights_bytes: FloatColumn
    gradients_bytes: FloatColumn
    optimizer_bytes: FloatColumn
    activations_bytes: FloatColumn
    logits_bytes: FloatColumn
    buffers_bytes: FloatColumn
    overhead_bytes: FloatColumn
    total_bytes: FloatColumn
    host_bytes: FloatColumn
    nvme_bytes: FloatColumn


class _States(NamedTuple):
    """Bytes of each stage, shape (rows, stages)."""

    weights: FloatColumn
    gradients: FloatColumn
    optimizer: FloatColumn
    offloaded: FloatColumn


class _Moving(NamedTuple):
    """Bytes of each stage, shape (rows, stages)."""

    activations: FloatColumn
    logits: FloatColumn
    buffers: FloatColumn
    overhead: FloatColumn
    offloaded: FloatColumn


def training_memory(
    architecture: Architecture, training: Training, columns: TrainingColumns, recipe: TrainingRecipe | None = None
) -> TrainingMemory:
    """Memory of every candidate on its fullest device. `recipe`: habits of the software; None: Megatron-LM's."""
    recipe = recipe or training_recipe()
    experts = most_experts(architecture)
    c = columns
    if not len(c):
        none = np.zeros(0)
        return TrainingMemory(none, none, none, none, none, none, none, none, none, none)
    rows, layout = distinct(c.tp, c.pp, c.virtual_stages)
    table = stage_table(architecture, Task.of(training, architecture), recipe, c.tp[rows], c.pp[rows], c.virtual_stages[rows])

    rows, states_row = distinct(layout, c.ep, c.zero_stage, c.shard_group, c.precision)
    states = _states(table, layout[rows], c.take(rows), training, experts, recipe)

    micro_batches = np.where(c.schedule == _GPIPE, c.micro_batches, np.minimum(c.micro_batches, 2 * c.pp))  # beyond, none is held
    gathered = c.zero_stage == 3
    rows, moving_row = distinct(
        layout, c.cp, c.ep, c.micro_batch, c.recompute, c.schedule, c.precision, micro_batches, gathered.astype(np.int8)
    )
    moving = _moving(table, layout[rows], c.take(rows), micro_batches[rows], training, experts, recipe)

    held = states.weights + states.gradients + states.optimizer
    moved = moving.activations + moving.logits + moving.buffers + moving.overhead
    fullest = _fullest(held, moved, states_row, moving_row)
    stages = held.shape[1]
    in_states, in_moving = states_row * stages + fullest, moving_row * stages + fullest
    offloaded = states.offloaded.ravel()[in_states] + moving.offloaded.ravel()[in_moving]
    pinned = _pinned_bytes(table, recipe)[layout]
    on_drives = recipe.offloads_to == "nvme"
    return TrainingMemory(
        weights_bytes=states.weights.ravel()[in_states],
        gradients_bytes=states.gradients.ravel()[in_states],
        optimizer_bytes=states.optimizer.ravel()[in_states],
        activations_bytes=moving.activations.ravel()[in_moving],
        logits_bytes=moving.logits.ravel()[in_moving],
        buffers_bytes=moving.buffers.ravel()[in_moving],
        overhead_bytes=moving.overhead.ravel()[in_moving],
        total_bytes=held.ravel()[in_states] + moved.ravel()[in_moving],
        host_bytes=np.where(offloaded > 0, pinned, 0.0) if on_drives else offloaded,
        nvme_bytes=offloaded if on_drives else np.zeros(len(c)),
    )


def _fullest(held: FloatColumn, moved: FloatColumn, states_row: NDArray[np.intp], moving_row: NDArray[np.intp]) -> NDArray[np.intp]:
    """Stage with the largest sum, a row a candidate."""
    best = np.zeros(len(states_row), dtype=np.intp)
    most = held[:, 0][states_row] + moved[:, 0][moving_row]
    for stage in range(1, held.shape[1]):
        bytes_ = held[:, stage][states_row] + moved[:, stage][moving_row]
        fuller = bytes_ > most
        best[fuller] = stage
        np.maximum(most, bytes_, out=most)
    return best


def _states(
    table: StageTable, layout: NDArray[np.intp], c: TrainingColumns, training: Training, experts: int, recipe: TrainingRecipe
) -> _States:
    """Weights, gradients and optimizer states of each stage (equations 2.1 and 2.2)."""
    s = StageStates(*(column[layout] for column in table.states))
    share = expert_share(experts, c.tp, c.ep)
    shards = Shards.of(c.tp, c.ep, c.shard_group)
    whole_weights, whole_gradients, whole_optimizer = (shards.where(c.zero_stage >= stage) for stage in (3, 2, 1))

    def divided(dense: FloatColumn, expert: FloatColumn, by: Shards) -> FloatColumn:
        return dense / by.dense[:, None] + expert * (share / by.expert)[:, None]

    copies = np.where(NARROW[c.precision] & (c.zero_stage < 3), recipe.quantised_copies * product_bytes()[c.precision], 0.0)[:, None]
    base = weight_format("nf4").bytes_per_parameter if training.method == "qlora" else product_bytes()[c.precision]
    base = np.where(NARROW[c.precision] | (training.method == "qlora"), base, recipe.frozen_bytes)[:, None]
    weights = divided(
        recipe.weight_bytes * (s.matrix + s.other) + copies * s.matrix + base * s.frozen_matrix + recipe.frozen_bytes * s.frozen_other,
        (recipe.weight_bytes + copies) * s.expert + base * s.frozen_expert,
        whole_weights,
    )
    gradients = divided(recipe.gradient_bytes * (s.matrix + s.other), recipe.gradient_bytes * s.expert, whole_gradients)
    per = optimizer_bytes(training.optimizer, recipe)
    optimizer = divided(
        per.matrix * s.matrix + per.other * s.other + per.factored * s.factored,
        per.matrix * s.expert + per.factored * s.expert_factored,
        whole_optimizer,
    )
    off_weights = np.where(c.zero_stage >= 3, recipe.offloaded_weights, 0.0)[:, None]
    off_gradients = np.where(c.zero_stage >= 2, recipe.offloaded_optimizer, 0.0)[:, None]
    offloaded = weights * off_weights + gradients * off_gradients + optimizer * recipe.offloaded_optimizer
    return _States(weights * (1 - off_weights), gradients * (1 - off_gradients), optimizer * (1 - recipe.offloaded_optimizer), offloaded)


def _moving(
    table: StageTable,
    layout: NDArray[np.intp],
    c: TrainingColumns,
    micro_batches: IntColumn,
    training: Training,
    experts: int,
    recipe: TrainingRecipe,
) -> _Moving:
    """Activations, logits, buffers and overhead of each stage (equations 2.3 and 2.4)."""
    loads = StageLoads(*(column[layout] for column in table.loads))
    sequences = (c.micro_batch / c.cp)[:, None]  # of a micro-batch, on one context-parallel rank
    in_flight = micro_batches_in_flight(
        c.schedule[:, None], c.pp[:, None], c.virtual_stages[:, None], micro_batches[:, None], table.stage[layout]
    )
    held_bytes, inputs, input_copies = np.moveaxis(table.kept[layout, :, c.recompute], -1, 0)
    narrow = NARROW[c.precision][:, None] & recipe.quantised_inputs
    element = product_bytes()[c.precision][:, None]
    kept = (held_bytes + np.where(narrow, element, 2.0) * inputs + np.where(narrow, element, 0.0) * input_copies) * sequences * in_flight
    off_device = kept * recipe.offloaded_activations

    logit_bytes = np.where(c.tp > 1, recipe.divided_logit_bytes, recipe.logit_bytes)[:, None]
    stored = np.where(recipe.keeps_pipeline_tensors & (c.pp > 1), 2.0 * micro_batches, 0.0)[:, None]
    logits = loads.logits * (logit_bytes / recipe.loss_chunks + stored) * sequences
    backward = np.maximum(0.0, table.working[layout, :, c.recompute] * sequences - logits)  # by then the logits are gone

    buffers = backward + _tensor_buffers(loads, c, micro_batches, in_flight, recipe)
    buffers += _weight_buffers(table, layout, loads, c, micro_batches, training, experts, recipe)
    overhead = recipe.runtime_bytes + recipe.fragmentation * (kept - off_device + logits + buffers)
    return _Moving(kept - off_device, logits, buffers, overhead, off_device)


def _weight_buffers(
    table: StageTable,
    layout: NDArray[np.intp],
    loads: StageLoads,
    c: TrainingColumns,
    micro_batches: IntColumn,
    training: Training,
    experts: int,
    recipe: TrainingRecipe,
) -> FloatColumn:
    """Weights gathered by ZeRO-3, gradients in reduction, matrices that the optimizer or the base needs whole (equation 2.2)."""
    share = expert_share(experts, c.tp, c.ep)[:, None]
    adapts = training.method in {"lora", "qlora"}
    unit = loads.unit_elements + loads.unit_experts * share
    reduced = 0.0 if adapts else 2.0 + recipe.gradient_bytes
    gathered = 2.0 * (loads.end_elements + 2.0 * unit) + reduced * unit
    if recipe.keeps_gathered_weights:
        s = StageStates(*(column[layout] for column in table.states))
        stage = s.matrix + s.other + s.frozen_matrix + s.frozen_other + (s.expert + s.frozen_expert) * share
        one_round = (c.schedule == _INTERLEAVED) & (micro_batches <= c.pp)  # a chunk's gradients are reduced before the next one's
        whole = np.where(one_round, 1.0 / c.virtual_stages, 1.0)[:, None]
        kept = (2.0 + (0.0 if adapts else recipe.gradient_bytes) * whole) * stage
        gathered = np.where((c.pp > 1)[:, None], kept, gathered)
    whole_matrix = 2.0 * training.method.startswith("qlora") + 4.0 * (training.optimizer == "muon")
    buffers = np.where((c.zero_stage == 3)[:, None], gathered, recipe.bucket_bytes) + whole_matrix * loads.unit_matrix
    return np.asarray(buffers)


def _tensor_buffers(
    loads: StageLoads, c: TrainingColumns, micro_batches: IntColumn, in_flight: FloatColumn, recipe: TrainingRecipe
) -> FloatColumn:
    """What stages send and receive, and copies of tokens on their way to experts and back (equation 2.3)."""
    sequences = (c.micro_batch / c.cp)[:, None]
    between = 2.0 * micro_batches[:, None] + in_flight if recipe.keeps_pipeline_tensors else np.full(in_flight.shape, 2.0)
    dispatched = np.where(c.ep > 1, 2.0, 0.0)[:, None] * loads.unit_dispatch_bytes
    return np.asarray((np.where((c.pp > 1)[:, None], between, 0.0) * loads.unit_input_bytes + dispatched) * sequences)


def _pinned_bytes(table: StageTable, recipe: TrainingRecipe) -> FloatColumn:
    """Host memory of each layout through which states pass to drives: two layers' master weights and moments (equation 2.4)."""
    unit = (table.loads.unit_elements + table.loads.unit_experts).max(axis=1)
    return np.asarray(2.0 * (recipe.master_bytes + 2.0 * recipe.moment_bytes) * unit)
