"""What moves through a device in a training step: activations, logits, buffers (equations 2.3 and 2.4)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from planner.memory.formats import NARROW, product_bytes
from planner.memory.pipeline import most_in_flight
from planner.memory.recipe import TrainingRecipe
from planner.memory.stages import StageTable
from planner.memory.states import Own, added
from planner.request import Training
from planner.search.columns import SCHEDULES, FloatColumn, TrainingColumns

_INTERLEAVED = SCHEDULES.index("interleaved")


class MovingBytes(NamedTuple):
    """Bytes = sequences * (each + held * per_held + rounds * per_round), arrays of one shape; None is nought; see `Own`.

    `held` are micro-batches in flight.
    """

    each: FloatColumn | None = None
    per_held: FloatColumn | None = None
    per_round: FloatColumn | None = None

    def plus(self, other: MovingBytes) -> MovingBytes:
        """Part by part."""
        return MovingBytes(*map(added, self, other))

    def scaled(self, factor: float) -> MovingBytes:
        """All parts times `factor`."""
        return MovingBytes(*(None if part is None else part * factor for part in self))

    def of(self, row: NDArray[np.intp], own: Own, held: FloatColumn) -> FloatColumn:
        """Bytes of candidates, each of the kind at `row` of the flattened arrays."""
        bytes_ = np.zeros(len(row)) if self.per_held is None else self.per_held.take(row)
        bytes_ *= held
        if self.each is not None:
            bytes_ += self.each.take(row)
        if self.per_round is not None:
            bytes_ += self.per_round.take(row) * own.rounds
        bytes_ *= own.sequences
        return bytes_


class Moving(NamedTuple):
    """Of each stage and kind, arrays of shape (stages, kinds).

    passing    what the backward pass of a layer works on beyond the logits' room, and tensors between stages
    most_held  micro-batches in flight, however many a step has
    """

    activations: MovingBytes
    logits: MovingBytes
    passing: MovingBytes
    offloaded: MovingBytes
    most_held: FloatColumn


def moving(table: StageTable, layout: NDArray[np.intp], c: TrainingColumns, recipe: TrainingRecipe) -> Moving:
    """Of the kinds `c`, of which recomputation, schedule and precision count, with layouts `layout` (equation 2.3)."""
    loads = table.loads.at(layout)
    held_bytes, inputs, input_copies = np.moveaxis(table.kept[:, layout, c.recompute], -1, 0)
    narrow, element = NARROW[c.precision] & recipe.quantised_inputs, product_bytes()[c.precision]
    kept = held_bytes + np.where(narrow, element, 2.0) * inputs + np.where(narrow, element, 0.0) * input_copies

    at_loss = loads.logits * np.where(c.tp > 1, recipe.divided_logit_bytes, recipe.logit_bytes) / recipe.loss_chunks
    backward = np.maximum(0.0, table.working[:, layout, c.recompute] - at_loss)  # by then the logits are gone
    between = np.where(c.pp > 1, loads.unit_input_bytes, 0.0)
    if recipe.keeps_pipeline_tensors:
        logits = MovingBytes(each=at_loss, per_round=np.where(c.pp > 1, 2.0 * loads.logits, 0.0))
        passing = MovingBytes(each=backward, per_held=between, per_round=2.0 * between)
    else:
        logits, passing = MovingBytes(each=at_loss), MovingBytes(each=backward + 2.0 * between)
    return Moving(
        MovingBytes(per_held=kept * (1.0 - recipe.offloaded_activations)),
        logits,
        passing,
        MovingBytes(per_held=kept * recipe.offloaded_activations),
        most_in_flight(c.schedule, c.pp, c.virtual_stages, table.stage[:, layout]),
    )


class BufferBytes(NamedTuple):
    """Bytes = fixed + gathers * (gathered + gathered_experts * spread) + dispatches * dispatched * sequences; see `Own`.

    Arrays of one shape; the last two are None for models without routed experts.
    """

    fixed: FloatColumn
    gathered: FloatColumn
    gathered_experts: FloatColumn | None
    dispatched: FloatColumn | None

    def scaled(self, factor: float) -> BufferBytes:
        """All parts times `factor`."""
        experts, dispatched = (None if part is None else part * factor for part in (self.gathered_experts, self.dispatched))
        return BufferBytes(self.fixed * factor, self.gathered * factor, experts, dispatched)

    def of(self, row: NDArray[np.intp], own: Own) -> FloatColumn:
        """Bytes of candidates, each of the kind at `row` of the flattened arrays."""
        bytes_ = self.gathered.take(row)
        if self.gathered_experts is not None:
            bytes_ += self.gathered_experts.take(row) * own.spread
        bytes_ *= own.gathers
        bytes_ += self.fixed.take(row)
        if self.dispatched is not None:
            bytes_ += self.dispatched.take(row) * (own.dispatches * own.sequences)
        return bytes_


def buffers(
    table: StageTable,
    layout: NDArray[np.intp],
    c: TrainingColumns,
    one_round: NDArray[np.bool_],
    training: Training,
    recipe: TrainingRecipe,
) -> BufferBytes:
    """Gradients in reduction; weights gathered by ZeRO-3; the matrix that Muon gathers or QLoRA unpacks; tokens on their way
    to experts and back (equations 2.2 and 2.3). Of the kinds `c`, with layouts `layout`, the schedule counts.

    one_round  a step has no more micro-batches than the pipeline has stages
    """
    loads, states = table.loads.at(layout), table.states.at(layout)
    gradient_bytes = 0.0 if training.method in {"lora", "qlora"} else recipe.gradient_bytes
    layer = 2.0 * 2.0 + (2.0 + gradient_bytes if gradient_bytes else 0.0)  # two in 16 bits, and gradients before and after
    gathered, experts = 2.0 * loads.end_elements + layer * loads.unit_elements, layer * loads.unit_experts
    if recipe.keeps_gathered_weights:
        # with interleaving and one round a chunk's gradients are reduced before the next chunk has any
        whole = 2.0 + gradient_bytes * np.where((c.schedule == _INTERLEAVED) & one_round, 1.0 / c.virtual_stages, 1.0)
        gathered = np.where(c.pp > 1, whole * states.dense, gathered)
        experts = np.where(c.pp > 1, whole * states.experts, experts)
    whole_matrix = 2.0 * (training.method == "qlora") + 4.0 * (training.optimizer == "muon")
    has_experts = bool(states.experts.any())
    return BufferBytes(
        fixed=recipe.bucket_bytes + whole_matrix * loads.unit_matrix,
        gathered=gathered - recipe.bucket_bytes,  # in its place
        gathered_experts=experts if has_experts else None,
        dispatched=2.0 * loads.unit_dispatch_bytes if has_experts else None,
    )
