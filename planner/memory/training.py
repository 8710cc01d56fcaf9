"""Memory of training on the fullest device (equations 2.1 to 2.4): states, activations, logits, buffers, overhead.

Candidates share few kinds of states (layout, ZeRO stage, precision), of what moves through a stage (layout, recomputation,
schedule, precision) and of buffers (layout, schedule). Each is tabled once a kind, as terms that are linear in what is a
candidate's own (`Own`): shares of its groups, its micro-batch, its micro-batches in flight. The stage with the largest sum is
its fullest one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_db.architecture import Architecture
from planner.memory.moving import BufferBytes, Moving, MovingBytes, buffers, moving
from planner.memory.recipe import TrainingRecipe, planned_recipe
from planner.memory.stages import StageTable, Task, most_experts, stage_source
from planner.memory.states import ModelStates, Own, StateBytes, model_states
from planner.request import Training
from planner.search.columns import FloatColumn, TrainingColumns, chunks
from planner.search.distinct import distinct


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


def training_memory(
    architecture: Architecture, training: Training, columns: TrainingColumns, recipe: TrainingRecipe | None = None
) -> TrainingMemory:
    """Memory of every candidate on its fullest device. `recipe`: habits of the software; None: the planned one."""
    recipe = recipe or planned_recipe(training)
    memory = TrainingMemory(**{field.name: np.zeros(len(columns)) for field in fields(TrainingMemory)})
    if not len(columns):
        return memory
    (kinds, rows), own = _kinds(architecture, training, columns, recipe), Own.of(columns, most_experts(architecture))
    for place in chunks(len(columns)):
        kinds.fill(memory, place, rows.at(place), own.at(place))
    if recipe.offloads_to == "nvme":
        first, layout = distinct(columns.tp, columns.pp, columns.virtual_stages)
        pinned_bytes = _stages(architecture, training, columns.take(first), recipe).pinned_bytes(recipe)
        np.copyto(memory.nvme_bytes, memory.host_bytes)
        np.copyto(memory.host_bytes, np.where(memory.nvme_bytes > 0.0, pinned_bytes[layout], 0.0))
    return memory


def training_memory_bytes(
    architecture: Architecture, training: Training, columns: TrainingColumns, recipe: TrainingRecipe | None = None
) -> FloatColumn:
    """Bytes of every candidate on its fullest device: `total_bytes` of `training_memory`, which is all that a search asks for."""
    return MemoryByRanks.of(architecture, training, columns, recipe).total_bytes(columns)


@dataclass(frozen=True, slots=True)
class MemoryByRanks:
    """Memory of candidates whatever their ranks and batches: what does not depend on these is tabled once."""

    kinds: _Kinds | None  # None: no candidates
    rows: _Rows
    experts: int

    @classmethod
    def of(
        cls, architecture: Architecture, training: Training, columns: TrainingColumns, recipe: TrainingRecipe | None = None
    ) -> MemoryByRanks:
        """Of `columns`; software that keeps gathered weights is known for their own ranks and batches only."""
        if not len(columns):
            none = np.zeros(0, dtype=np.intp)
            return cls(None, _Rows(none, none, none), 1)
        kinds, rows = _kinds(architecture, training, columns, recipe or planned_recipe(training))
        return cls(kinds, rows, most_experts(architecture))

    def total_bytes(self, columns: TrainingColumns) -> FloatColumn:
        """Bytes on the fullest device of the same candidates with the ranks and batches of `columns`."""
        total_bytes = np.zeros(len(columns))
        if self.kinds is not None:
            own = Own.of(columns, self.experts)
            for place in chunks(len(columns)):
                total_bytes[place] = self.kinds.fullest(self.rows.at(place), own.at(place))[0] + self.kinds.recipe.runtime_bytes
        return total_bytes


def _stages(architecture: Architecture, training: Training, layouts: TrainingColumns, recipe: TrainingRecipe) -> StageTable:
    source = stage_source(architecture, Task.of(training, architecture), recipe)
    return source.table(layouts.tp, layouts.pp, layouts.virtual_stages)


def _kinds(architecture: Architecture, training: Training, c: TrainingColumns, recipe: TrainingRecipe) -> tuple[_Kinds, _Rows]:
    """Tables of what depends on few columns, and the rows of each candidate in them."""
    first, layout = distinct(c.tp, c.pp, c.virtual_stages)
    table = _stages(architecture, training, c.take(first), recipe)
    first, of_states = distinct(layout, c.zero_stage, c.precision)
    states = model_states(table, layout[first], c.take(first), training, recipe)
    first, of_moving = distinct(layout, c.recompute, c.schedule, c.precision)
    moves = moving(table, layout[first], c.take(first), recipe)
    one_round = np.zeros(len(c), dtype=np.bool_)  # counts only where gathered weights stay
    if recipe.keeps_gathered_weights:
        one_round = c.global_batch <= c.dp.astype(np.int64) * c.micro_batch * c.pp
    first, of_buffers = distinct(layout, c.schedule, one_round.astype(np.int8))
    held = buffers(table, layout[first], c.take(first), one_round[first], training, recipe)
    return _Kinds.of(states, moves, held, recipe), _Rows(of_states, of_moving, of_buffers)


class _Rows(NamedTuple):
    """Kinds of candidates: their rows in the tables."""

    states: NDArray[np.intp]
    moves: NDArray[np.intp]
    buffers: NDArray[np.intp]

    def at(self, place: slice) -> _Rows:
        """Those of the candidates at `place`."""
        return _Rows(*(rows[place] for rows in self))


@dataclass(frozen=True, slots=True)
class _Kinds:
    """The tables, of shape (stages, kinds), and the sums by which the fullest stage is found."""

    states: ModelStates
    moves: Moving
    buffers: BufferBytes
    all_states: StateBytes
    all_moves: MovingBytes  # with allocator loss
    all_buffers: BufferBytes  # with allocator loss
    recipe: TrainingRecipe

    @classmethod
    def of(cls, states: ModelStates, moves: Moving, held: BufferBytes, recipe: TrainingRecipe) -> _Kinds:
        """The tables with their sums."""
        loss = 1.0 + recipe.fragmentation
        all_states = states.weights.plus(states.gradients).plus(states.optimizer)
        all_moves = moves.activations.plus(moves.logits).plus(moves.passing).scaled(loss)
        return cls(states, moves, held, all_states, all_moves, held.scaled(loss), recipe)

    def at_stage(self, rows: _Rows, stage: NDArray[np.intp] | int) -> _Rows:
        """Rows of the flattened tables at a stage."""
        sizes = (self.states.weights.whole.shape[1], self.moves.most_held.shape[1], self.buffers.fixed.shape[1])
        return _Rows(*(row + stage * size for row, size in zip(rows, sizes, strict=True)))

    def total_bytes(self, rows: _Rows, own: Own, stage: int) -> FloatColumn:
        """All bytes of one stage but the runtime's."""
        at = self.at_stage(rows, stage)
        bytes_ = self.all_moves.of(at.moves, own, np.minimum(own.rounds, self.moves.most_held.take(at.moves)))
        bytes_ += self.all_states.of(at.states, own)
        bytes_ += self.all_buffers.of(at.buffers, own)
        return bytes_

    def fullest(self, rows: _Rows, own: Own) -> tuple[FloatColumn, NDArray[np.intp]]:
        """All bytes of the fullest stage but the runtime's, and which stage it is."""
        most, fullest = self.total_bytes(rows, own, 0), np.zeros(len(rows.states), dtype=np.intp)
        for stage in range(1, len(self.moves.most_held)):
            other = self.total_bytes(rows, own, stage)
            np.copyto(fullest, stage, where=other > most)
            np.maximum(most, other, out=most)
        return most, fullest

    def fill(self, memory: TrainingMemory, place: slice, rows: _Rows, own: Own) -> None:
        """Write the memory of candidates of the kinds `rows` into `memory` at `place`."""
        most, fullest = self.fullest(rows, own)
        at = self.at_stage(rows, fullest)
        held = np.minimum(own.rounds, self.moves.most_held.take(at.moves))
        memory.weights_bytes[place] = self.states.weights.of(at.states, own)
        memory.gradients_bytes[place] = self.states.gradients.of(at.states, own)
        memory.optimizer_bytes[place] = self.states.optimizer.of(at.states, own)
        activations = memory.activations_bytes[place] = self.moves.activations.of(at.moves, own, held)
        logits = memory.logits_bytes[place] = self.moves.logits.of(at.moves, own, held)
        buffered = self.moves.passing.of(at.moves, own, held) + self.buffers.of(at.buffers, own)
        memory.buffers_bytes[place] = buffered
        memory.overhead_bytes[place] = self.recipe.runtime_bytes + self.recipe.fragmentation * (activations + logits + buffered)
        memory.total_bytes[place] = most + self.recipe.runtime_bytes
        if self.recipe.offloads:
            memory.host_bytes[place] = self.states.offloaded.of(at.states, own) + self.moves.offloaded.of(at.moves, own, held)
