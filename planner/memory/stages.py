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
from planner.memory.pipeline import Unit, fullest_stages, unit_chain
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
    """`UnitStates` of whole stages, each of shape (layouts, stages)."""

    matrix: FloatColumn
    other: FloatColumn
    factored: FloatColumn
    frozen_matrix: FloatColumn
    frozen_other: FloatColumn
    expert: FloatColumn
    expert_factored: FloatColumn
    frozen_expert: FloatColumn


class StageLoads(NamedTuple):
    """Per sequence or element, each of shape (layouts, stages); the largest unit of the stage where it says unit."""

    logits: FloatColumn  # elements
    end_elements: FloatColumn  # weights of embedding and head
    unit_elements: FloatColumn  # weights of a layer without routed experts
    unit_experts: FloatColumn
    unit_matrix: FloatColumn  # elements of the largest matrix, undivided
    unit_input_bytes: FloatColumn  # what stages send each other
    unit_dispatch_bytes: FloatColumn  # copies of tokens sent to experts


@dataclass(frozen=True, slots=True)
class StageTable:
    """One row a layout, one column a stage that can be the fullest.

    stage       index of the pipeline stage
    kept        (layouts, stages, RECOMPUTES, 3): `Kept` of one sequence
    working     (layouts, stages, RECOMPUTES): bytes of one sequence while the backward pass is in the largest unit
    """

    stage: NDArray[np.intp]
    states: StageStates
    loads: StageLoads
    kept: FloatColumn
    working: FloatColumn


@dataclass(frozen=True, slots=True)
class Task:
    """What of a training request the memory of a unit depends on."""

    sequence_tokens: int
    adapter_rank: int  # 0: all weights are trained
    predicted_tokens: int  # 1, and one more for each layer of multi-token prediction

    @classmethod
    def of(cls, training: Training, architecture: Architecture) -> Task:
        """The task that `training` sets for `architecture`."""
        extra = sum(block.repeat for stack in architecture.stacks if not stack.runs_in_serving for block in stack.blocks)
        return cls(training.sequence_tokens, training.lora_rank if training.method in {"lora", "qlora"} else 0, 1 + extra)


def stage_table(
    architecture: Architecture, task: Task, recipe: TrainingRecipe, tp: IntColumn, pp: IntColumn, virtual_stages: IntColumn
) -> StageTable:
    """The table for layouts (tp, pp, virtual_stages), one row each."""
    chain = unit_chain(architecture)
    cuts, cut = np.unique(np.stack([pp, virtual_stages]), axis=1, return_inverse=True)
    stages = [fullest_stages(chain, int(p), int(v)) for p, v in cuts.T]
    width = max(len(found.stage) for found in stages)
    padded = [found.padded(width) for found in stages]
    counts = np.stack([found.units for found in padded])[cut]
    degrees, degree = np.unique(tp, return_inverse=True)
    costs = [[unit_costs(unit, task, recipe, int(t)) for unit in chain.units] for t in degrees]

    def summed(of_units: list[list[NDArray[np.float64]]]) -> FloatColumn:
        return np.asarray(np.einsum("lsu,lu...->ls...", counts, np.array(of_units)[degree]))

    def largest(of_units: list[list[NDArray[np.float64]]]) -> FloatColumn:
        each = np.array(of_units)[degree][:, None]
        present = (counts > 0).reshape(counts.shape + (1,) * (each.ndim - 3))
        return np.asarray(np.where(present, each, 0.0).max(axis=2))

    states = summed([[np.array(cost.states) for cost in row] for row in costs])
    added = summed([[np.array([cost.logits, cost.end_elements]) for cost in row] for row in costs])
    peaks = largest([[cost.peaks for cost in row] for row in costs])
    return StageTable(
        stage=np.stack([found.stage for found in padded])[cut],
        states=StageStates(*np.moveaxis(states, -1, 0)),
        loads=StageLoads(*np.moveaxis(np.concatenate([added, peaks], axis=-1), -1, 0)),
        kept=summed([[np.array(cost.kept) for cost in row] for row in costs]),
        working=largest([[cost.working for cost in row] for row in costs]),
    )


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """Of one unit on one tensor-parallel rank; `peaks` are the unit fields of `StageLoads`."""

    states: UnitStates
    kept: tuple[Kept, ...]  # of each of RECOMPUTES
    working: NDArray[np.float64]
    logits: float
    end_elements: float
    peaks: NDArray[np.float64]


@lru_cache(maxsize=4096)
def unit_costs(unit: Unit, task: Task, recipe: TrainingRecipe, tp: int) -> UnitCosts:
    """Everything that the memory of a stage takes from one of its units."""
    idle = unit.role == "tower" and not recipe.trains_towers
    tokens = 0 if idle else unit.positions or task.sequence_tokens
    states = unit_states(unit, task, tp, frozen=idle)
    recomputes = _RECOMPUTES if unit.role in {"body", "predictor"} else _NOT_RECOMPUTED
    kept = tuple(unit_kept(unit, recompute, tokens, recipe, tp) for recompute in recomputes)
    backward = max((_layer_bytes(layer_activations(layer), tokens, recipe, tp) for layer in unit.layers), default=0.0)
    again = [kept[0].sixteen_bit_bytes if recompute == "full" else 0.0 for recompute in recomputes]
    passed = 2.0 * unit_width(unit.layers) * tokens if unit.role == "body" else 0.0  # from unit to unit
    heads = [layer.out_features for layer in unit.layers if isinstance(layer, Linear) and layer.name == "head"]
    experts = [layer for layer in unit.layers if isinstance(layer, Moe)]
    matrices = [matrix for layer in unit.layers for matrix in layer_matrices(layer) if matrix.projects]
    gathers = recipe.sequence_parallel and tp > 1  # a layer's whole input, and its output before it is divided
    return UnitCosts(
        states=states,
        kept=kept,
        working=np.array(again) + backward + 2.0 * passed * gathers,
        logits=float(sum(heads) * tokens * task.predicted_tokens) / tp,
        end_elements=states.dense if unit.role == "end" else 0.0,
        peaks=np.array(
            [
                states.dense if unit.role == "body" else 0.0,
                states.expert + states.frozen_expert,
                max((matrix.rows * matrix.columns for matrix in matrices), default=0),
                passed / (tp if gathers else 1),
                max((2.0 * layer.top_k * (layer.latent or layer.hidden) for layer in experts), default=0.0) * tokens / tp,
            ]
        ),
    )


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
    kept, score_bytes = unit_activations(unit.layers, dropout=recipe.dropout), 0.0
    match recompute:
        case "full":
            kept = Activations(sequence_bytes=2.0 * unit_width(unit.layers))
        case "selective" if recipe.selective == "alternate_products":
            kept = alternate_products(unit.layers, compiled=recipe.compiled)
        case "none":
            score_bytes = recipe.score_bytes
    return on_one_rank(kept, tokens, tp, sequence_parallel=recipe.sequence_parallel, score_bytes=score_bytes)


def _layer_bytes(kept: Activations, tokens: int, recipe: TrainingRecipe, tp: int) -> float:
    return on_one_rank(kept, tokens, tp, sequence_parallel=recipe.sequence_parallel).sixteen_bit_bytes


def most_experts(architecture: Architecture) -> int:
    """Routed experts of a layer; 1 for a dense model."""
    layers = (layer for stack in architecture.stacks for block in stack.blocks for layer in block.layers)
    return max((layer.experts for layer in layers if isinstance(layer, Moe)), default=1)
