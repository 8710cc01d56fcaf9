"""Weights, gradients and optimizer states of one device (equations 2.1, 2.2 and 2.4)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_db.weight_formats import weight_format
from planner.memory.formats import NARROW, product_bytes
from planner.memory.recipe import TrainingRecipe
from planner.memory.stages import StageTable
from planner.request import Training
from planner.search.columns import FloatColumn, IntColumn, TrainingColumns

Optimizer = Literal["adamw", "adamw8bit", "adafactor", "sgd", "muon"]
_SCALE_BLOCK = 256  # moments that share a 32-bit scale in 8-bit optimizers (arXiv:2110.02861)


class OptimizerBytes(NamedTuple):
    """Master copy and moments: per element of a projection, per other element, per row and column of a projection."""

    matrix: float
    other: float
    factored: float


def optimizer_bytes(optimizer: Optimizer, recipe: TrainingRecipe) -> OptimizerBytes:
    """Bytes that an optimizer keeps (equation 2.1).

    AdamW two moments; in 8 bits one byte each and the share of a scale (arXiv:2110.02861); Adafactor sums over rows and
    columns of matrices instead of a second moment, no first (arXiv:1804.04235); SGD one momentum; Muon one for
    projections, and AdamW for embeddings, head and norms (kellerjordan.github.io/posts/muon).
    """
    master, moment = recipe.master_bytes, recipe.moment_bytes
    match optimizer:
        case "adamw":
            return OptimizerBytes(master + 2 * moment, master + 2 * moment, 0.0)
        case "adamw8bit":
            both = 2 * (1 + 4 / _SCALE_BLOCK)
            return OptimizerBytes(master + both, master + both, 0.0)
        case "adafactor":
            return OptimizerBytes(master, master + moment, moment)
        case "sgd":
            return OptimizerBytes(master + moment, master + moment, 0.0)
        case "muon":
            return OptimizerBytes(master + moment, master + 2 * moment, 0.0)


def expert_tensor_parallel(tp: IntColumn, ep: IntColumn) -> IntColumn:
    """Devices that divide each routed expert further: where experts are spread over fewer devices than a tensor-parallel
    group has, the group divides them, so that none is held twice in it (equation 2.2).
    """
    return np.asarray(np.maximum(1, tp // ep))


def expert_share(experts: int, tp: IntColumn, ep: IntColumn) -> FloatColumn:
    """Share of a layer's routed experts that the fullest device holds (equation 2.2)."""
    return np.asarray(np.ceil(experts / ep) / experts / expert_tensor_parallel(tp, ep))


class Own(NamedTuple):
    """What is a candidate's own beside its kind, one entry a candidate.

    share         of a dense state that each device of the shard group holds
    expert_share  the same of an expert's state
    spread        share of a layer's routed experts on the fullest device
    gathers       1 where ZeRO-3 gathers weights, else 0
    dispatches    1 where tokens are sent to experts elsewhere, else 0
    sequences     of a micro-batch on one context-parallel rank
    rounds        micro-batches of a step
    """

    share: FloatColumn
    expert_share: FloatColumn
    spread: FloatColumn
    gathers: FloatColumn
    dispatches: FloatColumn
    sequences: FloatColumn
    rounds: FloatColumn

    def at(self, rows: slice) -> Own:
        """Of the candidates `rows`."""
        return Own(*(part[rows] for part in self))

    @classmethod
    def of(cls, c: TrainingColumns, experts: int) -> Own:
        """The numbers of the candidates `c` of a model with `experts` routed experts a layer (equation 2.2)."""
        share = 1.0 / np.maximum(c.shard_group, 1)
        if experts > 1:
            ep = np.minimum(c.ep, experts)
            copies = c.tp / (ep * expert_tensor_parallel(c.tp, ep))  # of an expert, for each device of the shard group
            expert_share_, spread = np.minimum(1.0, share / copies), expert_share(experts, c.tp, ep)
        else:
            expert_share_, spread = share, np.ones(len(c))
        return cls(
            share,
            expert_share_,
            spread,
            gathers=(c.zero_stage == 3).astype(np.float64),
            dispatches=(c.ep > 1).astype(np.float64),
            sequences=c.micro_batch / c.cp,
            rounds=np.floor(c.global_batch / (c.dp * c.micro_batch.astype(np.float64))),  # exact for 32-bit integers
        )


class StateBytes(NamedTuple):
    """Bytes = whole + dense * share + (expert_whole + expert * expert_share) * spread, arrays of one shape; see `Own`.

    The last two are None for models without routed experts.
    """

    whole: FloatColumn
    dense: FloatColumn
    expert_whole: FloatColumn | None
    expert: FloatColumn | None

    def plus(self, other: StateBytes) -> StateBytes:
        """Part by part."""
        experts = added(self.expert_whole, other.expert_whole), added(self.expert, other.expert)
        return StateBytes(self.whole + other.whole, self.dense + other.dense, *experts)

    def scaled(self, factor: FloatColumn) -> StateBytes:
        """All parts times `factor`."""
        expert_whole, expert = (None if part is None else part * factor for part in (self.expert_whole, self.expert))
        return StateBytes(self.whole * factor, self.dense * factor, expert_whole, expert)

    def of(self, row: NDArray[np.intp], own: Own) -> FloatColumn:
        """Bytes of candidates, each of the kind at `row` of the flattened arrays."""
        bytes_ = self.dense.take(row)
        bytes_ *= own.share
        bytes_ += self.whole.take(row)
        if self.expert_whole is not None and self.expert is not None:
            experts = self.expert.take(row)
            experts *= own.expert_share
            experts += self.expert_whole.take(row)
            experts *= own.spread
            bytes_ += experts
        return bytes_


def added(mine: FloatColumn | None, theirs: FloatColumn | None) -> FloatColumn | None:
    """Sum of terms, of which None is nought."""
    return theirs if mine is None else mine if theirs is None else mine + theirs


class ModelStates(NamedTuple):
    """Of each stage and kind, arrays of shape (stages, kinds); `offloaded` is what of them the device does not hold."""

    weights: StateBytes
    gradients: StateBytes
    optimizer: StateBytes
    offloaded: StateBytes


def model_states(
    table: StageTable, layout: NDArray[np.intp], c: TrainingColumns, training: Training, recipe: TrainingRecipe
) -> ModelStates:
    """States of the kinds `c`, of which ZeRO stage and precision count, with layouts `layout` (equations 2.1 and 2.2)."""
    s = table.states.at(layout)
    has_experts = bool(s.experts.any())

    def sharded(dense: FloatColumn, expert: FloatColumn, from_stage: int) -> StateBytes:
        divides = c.zero_stage >= from_stage
        experts = (np.where(divides, 0.0, expert), np.where(divides, expert, 0.0)) if has_experts else (None, None)
        return StateBytes(np.where(divides, 0.0, dense), np.where(divides, dense, 0.0), *experts)

    narrow = NARROW[c.precision]
    copies = np.where(narrow & (c.zero_stage < 3), recipe.quantised_copies * product_bytes()[c.precision], 0.0)
    base = np.where(narrow, product_bytes()[c.precision], recipe.frozen_bytes)
    if training.method == "qlora":
        base = np.full(len(c), weight_format("nf4").bytes_per_parameter)
    weights = sharded(
        recipe.weight_bytes * (s.matrix + s.other) + copies * s.matrix + base * s.frozen_matrix + recipe.frozen_bytes * s.frozen_other,
        (recipe.weight_bytes + copies) * s.expert + base * s.frozen_expert,
        from_stage=3,
    )
    gradients = sharded(recipe.gradient_bytes * (s.matrix + s.other), recipe.gradient_bytes * s.expert, from_stage=2)
    per = optimizer_bytes(training.optimizer, recipe)
    optimizer = sharded(
        per.matrix * s.matrix + per.other * s.other + per.factored * s.factored,
        per.matrix * s.expert + per.factored * s.expert_factored,
        from_stage=1,
    )
    off_weights = np.where(c.zero_stage >= 3, recipe.offloaded_weights, 0.0)
    off_gradients = np.where(c.zero_stage >= 2, recipe.offloaded_optimizer, 0.0)
    off_optimizer = np.full(len(c), recipe.offloaded_optimizer)
    return ModelStates(
        weights.scaled(1.0 - off_weights),
        gradients.scaled(1.0 - off_gradients),
        optimizer.scaled(1.0 - off_optimizer),
        weights.scaled(off_weights).plus(gradients.scaled(off_gradients)).plus(optimizer.scaled(off_optimizer)),
    )
