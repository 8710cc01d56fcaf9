"""What each pipeline stage of a model holds on one tensor-parallel rank, for every layout (tp, pp, virtual stages).

Candidates share few layouts and a stage has few distinct units of layers: costs are summed once a unit and degree, stages
once a layout, and candidates gather them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_db.architecture import Architecture, Linear, Moe
from planner.memory.activations import (
    LOG_SUM_EXP_BYTES,
    Activations,
    Kept,
    alternate_products,
    layer_activations,
    on_one_rank,
    unit_activations,
    unit_width,
)
from planner.memory.adapters import adapter_elements
from planner.memory.matrices import layer_matrices, layer_vectors
from planner.memory.pipeline import Unit, UnitChain, fullest_stages, is_layer, unit_chain
from planner.memory.recipe import TrainingRecipe
from planner.request import Training
from planner.search.columns import RECOMPUTES, FloatColumn, IntColumn

Recompute = Literal["none", "selective", "full"]
_RECOMPUTES: tuple[Recompute, ...] = ("none", "selective", "full")
_NOT_RECOMPUTED: tuple[Recompute, ...] = ("none", "none", "none")
assert _RECOMPUTES == RECOMPUTES  # noqa: S101 the table's columns follow the candidates' order


class UnitStates(NamedTuple):
    """Elements on one tensor-parallel rank before expert and data parallelism.

    factored fields are rows + columns of matrices, for optimizers that keep sums over them.
    """

    matrix: float = 0.0
    other: float = 0.0  # embedding, head, norms, routers, biases
    factored: float = 0.0
    frozen_matrix: float = 0.0
    frozen_other: float = 0.0
    expert: float = 0.0
    expert_factored: float = 0.0
    frozen_expert: float = 0.0

    @property
    def dense(self) -> float:
        """All but routed experts."""
        return self.matrix + self.other + self.frozen_matrix + self.frozen_other


class StageStates(NamedTuple):
    """`UnitStates` of whole stages, arrays of shape (stages, layouts)."""

    matrix: FloatColumn
    other: FloatColumn
    factored: FloatColumn
    frozen_matrix: FloatColumn
    frozen_other: FloatColumn
    expert: FloatColumn
    expert_factored: FloatColumn
    frozen_expert: FloatColumn

    def at(self, layout: NDArray[np.intp]) -> StageStates:
        """Of the layouts given."""
        return StageStates(*(column[:, layout] for column in self))

    @property
    def dense(self) -> FloatColumn:
        """All but routed experts."""
        return self.matrix + self.other + self.frozen_matrix + self.frozen_other

    @property
    def experts(self) -> FloatColumn:
        """Routed experts, trained or not."""
        return self.expert + self.frozen_expert


class StageLoads(NamedTuple):
    """Per sequence or in elements, arrays of shape (stages, layouts); of the stage's largest unit where it says unit."""

    logits: FloatColumn  # elements
    end_elements: FloatColumn  # weights of embedding and head
    unit_elements: FloatColumn  # weights of a layer without routed experts
    unit_experts: FloatColumn
    unit_matrix: FloatColumn  # elements of the largest matrix, undivided
    unit_input_bytes: FloatColumn  # what stages send each other
    unit_dispatch_bytes: FloatColumn  # copies of tokens sent to experts

    def at(self, layout: NDArray[np.intp]) -> StageLoads:
        """Of the layouts given."""
        return StageLoads(*(column[:, layout] for column in self))


@dataclass(frozen=True, slots=True)
class StageTable:
    """Stages that can be the fullest, one row a stage, one column a layout; layouts with fewer repeat their first.

    stage       index of the pipeline stage
    kept        (stages, layouts, RECOMPUTES, 3): `Kept` of one sequence
    working     (stages, layouts, RECOMPUTES): bytes of one sequence while the backward pass is in the largest unit
    """

    stage: NDArray[np.intp]
    states: StageStates
    loads: StageLoads
    kept: FloatColumn
    working: FloatColumn

    def pinned_bytes(self, recipe: TrainingRecipe) -> FloatColumn:
        """Host memory of each layout through which states pass to drives: two layers' master weights and moments (equation 2.4)."""
        unit = (self.loads.unit_elements + self.loads.unit_experts).max(axis=0)
        return np.asarray(2.0 * (recipe.master_bytes + 2.0 * recipe.moment_bytes) * unit)


@dataclass(frozen=True, slots=True)
class Task:
    """What of a training request the memory of a unit depends on."""

    sequence_tokens: int
    adapter_rank: int  # 0: all weights are trained
    predicted_tokens: int  # 1, and one more for each layer of multi-token prediction

    @classmethod
    def of(cls, training: Training, architecture: Architecture) -> Task:
        """The task that `training` sets for `architecture`."""
        chain = unit_chain(architecture)
        predictors = [index for index in chain.last if chain.units[index].role == "predictor" and is_layer(chain.units[index].layers)]
        return cls(training.sequence_tokens, training.lora_rank if training.method in {"lora", "qlora"} else 0, 1 + len(predictors))


@lru_cache(maxsize=32)
def stage_source(architecture: Architecture, task: Task, recipe: TrainingRecipe) -> StageSource:
    """The source of tables for one model and task; it remembers the layouts it was asked for."""
    return StageSource(unit_chain(architecture), task, recipe)


class _Stages(NamedTuple):
    """Stages of one layout that can be the fullest: their indices, and a row of figures for each."""

    stage: NDArray[np.intp]
    figures: FloatColumn


_FIGURES = (len(UnitStates._fields), 2, 5, 3 * len(_RECOMPUTES), len(_RECOMPUTES))  # states, added loads, unit loads, kept, working
_ENDS = np.cumsum(_FIGURES)


class StageSource:
    """Figures of stages for a chain of units, worked out once a layout."""

    def __init__(self, chain: UnitChain, task: Task, recipe: TrainingRecipe) -> None:
        self._chain, self._task, self._recipe = chain, task, recipe
        self._known: dict[tuple[int, int, int], _Stages] = {}

    def table(self, tp: IntColumn, pp: IntColumn, virtual_stages: IntColumn) -> StageTable:
        """The table for layouts (tp, pp, virtual_stages), one column each."""
        layouts = list(zip(tp.tolist(), pp.tolist(), virtual_stages.tolist(), strict=True))
        found = [self._known.get(layout) or self._add(layout) for layout in layouts]
        width = max(len(stages.stage) for stages in found)
        stage = np.empty((width, len(found)), dtype=np.intp)
        figures = np.empty((width, len(found), _ENDS[-1]))
        for column, stages in enumerate(found):
            rows = len(stages.stage)
            stage[:rows, column], figures[:rows, column] = stages.stage, stages.figures
            stage[rows:, column], figures[rows:, column] = stages.stage[0], stages.figures[0]
        states, added, largest, kept, working = np.split(figures, _ENDS[:-1], axis=2)
        return StageTable(
            stage=stage,
            states=StageStates(*np.moveaxis(states, 2, 0)),
            loads=StageLoads(*np.moveaxis(added, 2, 0), *np.moveaxis(largest, 2, 0)),
            kept=kept.reshape(*kept.shape[:2], len(_RECOMPUTES), 3),
            working=working,
        )

    def _add(self, layout: tuple[int, int, int]) -> _Stages:
        tp, pp, virtual_stages = layout
        fullest = fullest_stages(self._chain, pp, virtual_stages)
        units = [unit_costs(unit, self._task, self._recipe, tp) for unit in self._chain.units]
        added = fullest.units @ np.array([unit.added for unit in units])
        present = (fullest.units > 0.0)[:, :, None]
        largest = np.where(present, np.array([unit.largest for unit in units]), 0.0).max(axis=1)
        split = len(UnitStates._fields) + 2
        figures = np.concatenate([added[:, :split], largest[:, :5], added[:, split:], largest[:, 5:]], axis=1)
        self._known[layout] = stages = _without_dominated(fullest.stage, figures)
        return stages


def _without_dominated(stage: NDArray[np.intp], figures: FloatColumn) -> _Stages:
    """Leave out stages of which an earlier one, which holds no fewer micro-batches, has every figure at least as large."""
    kept = [row for row in range(len(stage)) if not any((figures[earlier] >= figures[row]).all() for earlier in range(row))]
    return _Stages(stage[kept], figures[kept])


class UnitCosts(NamedTuple):
    """Of one unit on one tensor-parallel rank: what adds up over the units of a stage, and of what the largest counts.

    added    states, logits, weights of embedding and head, `Kept` of each of RECOMPUTES
    largest  the unit fields of `StageLoads`, working bytes of each of RECOMPUTES
    """

    added: FloatColumn
    largest: FloatColumn


@lru_cache(maxsize=4096)
def unit_costs(unit: Unit, task: Task, recipe: TrainingRecipe, tp: int) -> UnitCosts:
    """Everything that the memory of a stage takes from one of its units."""
    idle = unit.role == "tower" and not recipe.trains_towers
    tokens = 0 if idle else unit.positions or task.sequence_tokens
    states = unit_states(unit, task, tp, frozen=idle)
    recomputes = _RECOMPUTES if unit.role in {"body", "predictor"} else _NOT_RECOMPUTED
    kept = [unit_kept(unit, recompute, tokens, recipe, tp) for recompute in recomputes]
    heads = sum(layer.out_features for layer in unit.layers if isinstance(layer, Linear) and layer.name == "head")
    logits = (
        heads * tokens * task.predicted_tokens / tp if unit.role != "predictor" else 0.0
    )  # its own head works in the place of the main one
    ends = states.dense if unit.role == "end" else 0.0

    in_body = unit.role == "body"
    passed = 2.0 * unit_width(unit.layers) * tokens * in_body  # from unit to unit
    gathers = recipe.sequence_parallel and tp > 1  # a layer's whole input, and its output before it is divided
    backward = max((_layer_bytes(layer_activations(layer), tokens, recipe, tp) for layer in unit.layers), default=0.0)
    again = [kept[0].sixteen_bit_bytes if recompute == "full" else 0.0 for recompute in recomputes]
    matrices = [matrix.rows * matrix.columns for layer in unit.layers for matrix in layer_matrices(layer) if matrix.projects]
    dispatched = [2.0 * layer.top_k * (layer.latent or layer.hidden) * tokens / tp for layer in unit.layers if isinstance(layer, Moe)]
    largest = [
        states.dense * in_body,
        states.expert + states.frozen_expert,
        max(matrices, default=0),
        passed / (tp if gathers else 1),
        max(dispatched, default=0.0),
        *(bytes_ + backward + 2.0 * passed * gathers for bytes_ in again),
    ]
    return UnitCosts(np.array([*states, logits, ends, *(part for each in kept for part in each)]), np.array(largest))


def unit_states(unit: Unit, task: Task, tp: int, *, frozen: bool) -> UnitStates:
    """Elements of a unit's states on one of `tp` ranks (equation 2.2)."""
    matrix = other = factored = expert = expert_factored = 0.0
    for layer in unit.layers:
        other += layer_vectors(layer)
        for item in layer_matrices(layer):
            share = 1 / item.tensor_ranks(tp)
            if item.placement == "expert":
                expert += item.elements
                expert_factored += item.count * (item.rows + item.columns)
            elif item.projects:
                matrix += item.elements * share
                factored += item.count * (item.rows + item.columns) * share
            else:
                other += item.elements * share
    if frozen:
        return UnitStates(frozen_other=matrix + other, frozen_expert=expert)
    if task.adapter_rank:
        adapters = adapter_elements(unit.layers, task.adapter_rank, tp)
        return UnitStates(matrix=adapters, frozen_matrix=matrix, frozen_other=other, frozen_expert=expert)
    return UnitStates(matrix, other, factored, expert=expert, expert_factored=expert_factored)


def unit_kept(unit: Unit, recompute: Recompute, tokens: int, recipe: TrainingRecipe, tp: int) -> Kept:
    """Activations that a unit keeps for one sequence on one of `tp` ranks (equation 2.3)."""
    kept = unit_activations(unit.layers, dropout=recipe.dropout)
    score_bytes = recipe.score_bytes * tokens if recipe.attention == "unfused" else LOG_SUM_EXP_BYTES
    match recompute:
        case "full":
            kept = Activations(sequence_bytes=2.0 * unit_width(unit.layers))
        case "selective" if recipe.selective == "alternate_products":
            kept = alternate_products(unit.layers, compiled=recipe.compiled)
        case "selective":
            score_bytes = 0.0
    return on_one_rank(kept, tokens, tp, sequence_parallel=recipe.sequence_parallel, score_bytes=score_bytes)


def _layer_bytes(kept: Activations, tokens: int, recipe: TrainingRecipe, tp: int) -> float:
    return on_one_rank(kept, tokens, tp, sequence_parallel=recipe.sequence_parallel).sixteen_bit_bytes


def most_experts(architecture: Architecture) -> int:
    """Routed experts of a layer; 1 for a dense model."""
    layers = (layer for stack in architecture.stacks for block in stack.blocks for layer in block.layers)
    return max((layer.experts for layer in layers if isinstance(layer, Moe)), default=1)
