"""What one pipeline stage holds, for every layout (tp, pp, virtual stages) of a model: the table that candidates gather from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_db.architecture import Architecture, Linear, Moe
from planner.memory.activations import Activations, layer_activations, unit_activations, unit_width
from planner.memory.adapters import adapter_elements
from planner.memory.matrices import layer_matrices, layer_vectors
from planner.memory.pipeline import Unit, UnitChain, candidate_stages, unit_chain
from planner.memory.recipe import TrainingRecipe
from planner.request import Training
from planner.search.columns import RECOMPUTES, FloatColumn, IntColumn

# Columns of the table that add up over the units of a stage. Parameters are those of one tensor-parallel rank.
SUMS = (
    "matrix",  # trained, divided as its matrices are
    "other",  # trained: tables, heads, norms, biases
    "factored",  # rows + columns of trained matrices
    "frozen_quantisable",
    "frozen_16_bit",
    "expert_matrix",  # routed experts, before expert parallelism
    "expert_factored",
    "expert_frozen",
    *(f"saved_16_bit_{name}" for name in RECOMPUTES),  # bytes per sequence
    *(f"saved_inputs_{name}" for name in RECOMPUTES),  # elements per sequence
    "logits",  # per sequence
)
# Columns of which the largest unit counts.
LARGEST = (*(f"working_{name}" for name in RECOMPUTES), "unit_elements", "expert_unit_elements", "matrix_elements", "boundary")


@dataclass(frozen=True, slots=True)
class StageTable:
    """Stages that may be the fullest, shape (layouts, stages); rows with fewer stages repeat their first one."""

    stage: NDArray[np.intp]
    values: dict[str, FloatColumn]


def stage_table(
    architecture: Architecture, training: Training, recipe: TrainingRecipe, tp: IntColumn, pp: IntColumn, virtual_stages: IntColumn
) -> StageTable:
    """The table of the layouts (tp, pp, virtual_stages), one row a layout."""
    chain = unit_chain(architecture)
    picked = [candidate_stages(chain, int(p), int(v)) for p, v in zip(pp, virtual_stages, strict=True)]
    width = max(len(stages) for stages, _ in picked)
    stage = np.stack([np.pad(stages, (0, width - len(stages)), mode="constant", constant_values=stages[0]) for stages, _ in picked])
    counts = np.stack([np.concatenate([units, np.repeat(units[:1], width - len(units), axis=0)]) for _, units in picked])
    degrees, which = np.unique(tp, return_inverse=True)
    sums = np.array([[_unit_sums(chain, unit, training, recipe, int(t)) for unit in range(len(chain.units))] for t in degrees])
    peaks = np.array([[_unit_peaks(chain, unit, training, recipe, int(t)) for unit in range(len(chain.units))] for t in degrees])
    added = counts @ sums[which]
    largest = np.stack([np.where(counts > 0, column[:, None, :], 0.0).max(axis=2) for column in np.moveaxis(peaks[which], 2, 0)], axis=2)
    values = {name: added[:, :, i] for i, name in enumerate(SUMS)} | {name: largest[:, :, i] for i, name in enumerate(LARGEST)}
    return StageTable(stage, values)


def _tokens(unit: Unit, training: Training) -> int:
    return unit.positions or training.sequence_tokens


def _unit_sums(chain: UnitChain, index: int, training: Training, recipe: TrainingRecipe, t: int) -> list[float]:
    unit = chain.units[index]
    in_pipeline = index in chain.order
    saved = [_saved(unit, training, recipe, name if in_pipeline else "none", t) for name in RECOMPUTES]
    heads = sum(layer.out_features for layer in unit.layers if isinstance(layer, Linear) and layer.name == "head")
    mtp = sum(1 for other in chain.last if chain.units[other] != unit and len(chain.units[other].layers) > 4)
    logits = heads / t * _tokens(unit, training) * (1 + mtp)
    return [*_unit_states(unit, training, recipe, t), *(s[0] for s in saved), *(s[1] for s in saved), logits]


def _unit_states(unit: Unit, training: Training, recipe: TrainingRecipe, t: int) -> list[float]:
    matrix = other = factored = expert = expert_factored = 0.0
    for layer in unit.layers:
        other += layer_vectors(layer)
        for item in layer_matrices(layer):
            share = {"divided": t, "grouped": min(t, item.ways), "copied": 1, "expert": 1}[item.placement]
            if item.placement == "expert":
                expert += item.elements
                expert_factored += item.count * (item.rows + item.columns)
            elif not item.adapted:
                other += item.elements / share
            else:
                matrix += item.elements / share
                factored += item.count * (item.rows + item.columns) / share
    if unit.tower and not recipe.train_towers:
        return [0.0, 0.0, 0.0, 0.0, matrix + other, 0.0, 0.0, expert]
    if training.method in {"lora", "qlora"}:
        adapters, expert_adapters = adapter_elements(unit.layers, training.lora_rank, t)
        return [adapters, 0.0, 0.0, matrix, other, expert_adapters, 0.0, expert]
    return [matrix, other, factored, 0.0, 0.0, expert, expert_factored, 0.0]


def _saved(unit: Unit, training: Training, recipe: TrainingRecipe, recompute: str, t: int) -> tuple[float, float]:
    """(bytes in 16 or 32 bits, elements kept as inputs of matrix products) of one sequence on one rank (section 2.3)."""
    if unit.tower and not recipe.train_towers:
        return 0.0, 0.0
    sequence = t if recipe.sequence_parallel else 1
    tokens = _tokens(unit, training)
    if recompute == "full":
        return 2.0 * unit_width(unit.layers) * tokens / sequence, 0.0
    kept = unit_activations(unit.layers, dropout=recipe.dropout)
    scores = 0.0
    if recipe.attention == "unfused" and recompute == "none":
        scores = (5.0 if recipe.dropout else 2.0) * kept.score_heads * tokens / t
    held = kept.sequence_bytes / sequence + kept.divided_bytes / t + scores
    return held * tokens + kept.sample_bytes, (kept.sequence_inputs / sequence + kept.divided_inputs / t) * tokens


def _unit_peaks(chain: UnitChain, index: int, training: Training, recipe: TrainingRecipe, t: int) -> list[float]:
    unit = chain.units[index]
    held, inputs = _saved(unit, training, recipe, "none", t)
    whole = held + 2.0 * inputs
    gradients = max((_layer_bytes(layer_activations(layer), recipe, t) for layer in unit.layers), default=0.0) * _tokens(unit, training)
    if unit.tower and not recipe.train_towers:
        whole = gradients = 0.0
    states = _unit_states(unit, training, recipe, t)
    dense, expert = sum(states[:2]) + sum(states[3:5]), states[5] + states[7]
    matrix = max((item.rows * item.columns for layer in unit.layers for item in layer_matrices(layer) if item.adapted), default=0)
    full = whole + gradients if index in chain.order else gradients
    boundary = 2.0 * unit_width(unit.layers) * _tokens(unit, training) / (t if recipe.sequence_parallel else 1)
    return [gradients, gradients, full, dense, expert, float(matrix), boundary]


def _layer_bytes(kept: Activations, recipe: TrainingRecipe, t: int) -> float:
    sequence = t if recipe.sequence_parallel else 1
    return (kept.sequence_bytes + 2 * kept.sequence_inputs) / sequence + (kept.divided_bytes + 2 * kept.divided_inputs) / t


def most_experts(architecture: Architecture) -> int:
    """Routed experts of a layer; 1 for a dense model."""
    layers = (layer for stack in architecture.stacks for block in stack.blocks for layer in block.layers)
    return max((layer.experts for layer in layers if isinstance(layer, Moe)), default=1)
