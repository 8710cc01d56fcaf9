"""Weights, gradients and optimizer states of one device (equations 2.1 and 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from planner.memory.recipe import TrainingRecipe
from planner.search.columns import FloatColumn, IntColumn

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


@dataclass(frozen=True, slots=True)
class Shards:
    """Into how many parts states are divided over data-parallel ranks, dense and expert (equation 2.2).

    The group that shares a dense state holds tp / (ep * expert tensor parallel) copies of an expert as well.
    """

    dense: FloatColumn
    expert: FloatColumn

    @classmethod
    def of(cls, tp: IntColumn, ep: IntColumn, shard_group: IntColumn) -> Shards:
        """Shards of candidates whose states are shared by `shard_group` devices."""
        copies = shard_group * tp / (ep * expert_tensor_parallel(tp, ep))
        return cls(np.maximum(1.0, shard_group), np.maximum(1.0, copies))

    def where(self, sharded: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Shards:
        """These where `sharded`, else one."""
        return Shards(np.where(sharded, self.dense, 1.0), np.where(sharded, self.expert, 1.0))
