"""Bytes of optimizer states per parameter (equation 2.1)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from planner.memory.recipe import TrainingRecipe

Optimizer = Literal["adamw", "adamw8bit", "adafactor", "sgd", "muon"]


class StateBytes(NamedTuple):
    """Bytes of master weights and moments: per element of hidden matrices, per other element, per row and column of a matrix."""

    matrix: float
    other: float
    factored: float


def state_bytes_per_parameter(optimizer: Optimizer, recipe: TrainingRecipe) -> StateBytes:
    """Master copy plus moments (equation 2.1).

    AdamW keeps two moments; in 8 bits each costs 1 byte and a 32-bit scale per block of 256 (arXiv:2110.02861);
    Adafactor keeps row and column sums of matrices (arXiv:1804.04235); SGD one momentum; Muon one momentum for
    matrices and AdamW for tables, heads and norms.
    """
    master, moment = recipe.master_bytes, recipe.moment_bytes
    match optimizer:
        case "adamw":
            return StateBytes(master + 2 * moment, master + 2 * moment, 0.0)
        case "adamw8bit":
            quantised = 2 * (1 + 4 / 256)
            return StateBytes(master + quantised, master + quantised, 0.0)
        case "adafactor":
            return StateBytes(master, master + moment, moment)
        case "sgd":
            return StateBytes(master + moment, master + moment, 0.0)
        case "muon":
            return StateBytes(master + moment, master + 2 * moment, 0.0)
