"""What became of each candidate: one row a candidate, the same columns for training and serving."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from planner.request import Objective
from planner.search.columns import BoolColumn, FloatColumn, IntColumn, ServingColumns, TrainingColumns

# Why a candidate was rejected; index 0 is feasible. The order is the order in which limits are checked.
REASONS = ("", "memory", "ttft", "tpot", "devices", "deadline", "budget", "power")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Columns of equal length. `excess` is how far the first broken limit is passed, relative: 0.1 = 10 %."""

    columns: TrainingColumns | ServingColumns
    devices: IntColumn  # paid for, whole servers when bought
    servers: IntColumn
    replicas: IntColumn
    tokens_per_s: FloatColumn
    time_s: FloatColumn  # run time, or end-to-end latency of a request
    rented: BoolColumn
    cost_usd: FloatColumn
    at_least: BoolColumn  # a price in it is unknown
    facility_w: FloatColumn
    energy_kwh: FloatColumn
    reason: IntColumn  # index into REASONS
    excess: FloatColumn

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def feasible(self) -> BoolColumn:
        """Rows that keep every limit."""
        feasible: BoolColumn = self.reason == 0
        return feasible

    def take(self, rows: np.ndarray[tuple[int], np.dtype[np.intp]] | BoolColumn) -> Self:
        """The candidates at `rows` (indices or a mask)."""
        taken = {column.name: getattr(self, column.name)[rows] for column in fields(self) if column.name != "columns"}
        return replace(self, columns=self.columns.take(rows), **taken)

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """All rows of `parts`, which hold candidates of one kind."""
        names = [column.name for column in fields(cls) if column.name != "columns"]
        kind = type(parts[0].columns)
        columns = kind(**{column.name: np.concatenate([getattr(part.columns, column.name) for part in parts]) for column in fields(kind)})
        return cls(columns=columns, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def objective_key(outcomes: Outcomes, objective: Objective) -> FloatColumn:
    """The figure to rank by, smaller is better; infeasible rows are infinite, rows without a full price come last.

    With one workload given, tokens per dollar and per joule order candidates as cost and energy do.
    """
    match objective:
        case "cost" | "per_dollar":
            key = np.where(outcomes.at_least, 1e18 + outcomes.cost_usd, outcomes.cost_usd)
        case "time":
            key = outcomes.time_s
        case "throughput":
            key = -outcomes.tokens_per_s
        case "power":
            key = outcomes.facility_w
        case "carbon" | "per_watt":
            key = outcomes.energy_kwh
    return np.where(outcomes.feasible, np.where(np.isnan(key), 1e36, key), np.inf)


def pareto(first: FloatColumn, second: FloatColumn) -> BoolColumn:
    """Rows that no other row beats in both figures (smaller is better)."""
    order = np.lexsort((second, first))
    best_before = np.concatenate([[np.inf], np.minimum.accumulate(second[order])[:-1]])
    optimal = np.zeros(len(first), dtype=bool)
    optimal[order] = second[order] < best_before
    return optimal
