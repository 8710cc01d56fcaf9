"""What became of each candidate: one row a candidate, the same columns for training and serving."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Generic, Self, TypeVar

import numpy as np

from planner.cluster.racks import ROOM_LIMITS
from planner.economics.charges import ROUNDING, Charges
from planner.request import Limits, Objective
from planner.search.columns import BoolColumn, DeploymentColumns, FloatColumn, IntColumn, TrainingColumns

# Why a candidate was rejected; index 0 is feasible. The order is the order in which limits are checked.
REASONS = ("", "format", "engine", "memory", "ttft", "tpot", "end_to_end", "deadline", "devices", "budget", "power", *ROOM_LIMITS)


Candidates = TypeVar("Candidates", TrainingColumns, DeploymentColumns)


@dataclass(frozen=True, slots=True)
class Outcomes(Generic[Candidates]):
    """Columns of equal length. `excess` is how far the first broken limit is passed, relative: 0.1 = 10 %."""

    columns: Candidates
    devices: IntColumn  # paid for, whole servers when bought
    servers: IntColumn
    replicas: IntColumn
    capacity_per_s: FloatColumn  # requests/s that one replica can sustain within the limits; NaN for training
    tokens_per_s: FloatColumn
    time_s: FloatColumn  # run time, or end-to-end latency of a request
    rented: BoolColumn
    cost_usd: FloatColumn
    at_least: BoolColumn  # a price in it is unknown
    facility_w: FloatColumn  # NaN: a rating is unknown
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
    def none(cls, columns: Candidates) -> Self:
        """No rows, for candidates of the kind of `columns`."""
        whole, figure, truth = np.zeros(0, dtype=np.int32), np.zeros(0), np.zeros(0, dtype=np.bool_)
        return cls(
            columns.take(whole.astype(np.intp)),
            whole,
            whole,
            whole,
            figure,
            figure,
            figure,
            truth,
            figure,
            truth,
            figure,
            figure,
            whole,
            figure,
        )

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """All rows of `parts`, which hold candidates of one kind."""
        names = [column.name for column in fields(cls) if column.name != "columns"]
        columns = type(parts[0].columns).concatenate([part.columns for part in parts])
        return cls(columns=columns, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


@dataclass(slots=True)
class Account(Generic[Candidates]):
    """What the search did: candidates evaluated, pruned by a bound, rejected by reason, and the nearest miss a platform.

    misses   platform -> (index into REASONS, excess); reason 0 where something fits
    near     platform -> the candidate of that miss, where it was evaluated
    """

    evaluated: int = 0
    pruned: int = 0
    feasible: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    misses: dict[int, tuple[int, float]] = field(default_factory=dict)
    near: dict[int, Outcomes[Candidates]] = field(default_factory=dict)

    def record(self, outcomes: Outcomes[Candidates]) -> None:
        """Count the rows of `outcomes`; the nearest miss fails the latest check by the least."""
        self.evaluated += len(outcomes)
        self.feasible += int(outcomes.feasible.sum())
        for index, count in enumerate(np.bincount(outcomes.reason, minlength=len(REASONS))):
            if index and count:
                self.rejected[REASONS[index]] += int(count)
        self.miss(outcomes.columns.platform, outcomes.reason, outcomes.excess, outcomes)

    def settle(self, exact: Outcomes[Candidates]) -> None:
        """Put the exact outcomes of near misses in the place of what was known of their platforms."""
        for row, platform in enumerate(exact.columns.platform.tolist()):
            self.misses[platform] = (int(exact.reason[row]), float(exact.excess[row]))

    def miss(
        self, platform: IntColumn, reason: IntColumn | int, excess: FloatColumn, evaluated: Outcomes[Candidates] | None = None
    ) -> None:
        """Remember the nearest miss of each platform: the one that fails the latest check, by the least."""
        reasons = np.broadcast_to(reason, len(platform))
        passed = np.maximum(np.nan_to_num(excess, nan=np.inf), 1e-12)
        merit = np.where(reasons == 0, np.inf, reasons - 1.0 / (1.0 + 1.0 / passed))  # later checks first, then the least excess
        best = np.full(int(platform.max(initial=-1)) + 1, -np.inf)
        np.maximum.at(best, platform, merit)
        for name in np.flatnonzero(best > -np.inf).tolist():
            known = self.misses.get(name, (-1, np.inf))
            if best[name] == np.inf or known[0] == 0:
                self.misses[name] = (0, 0.0)
                continue
            row = int(np.flatnonzero((platform == name) & (merit == best[name]))[0])
            miss = (int(reasons[row]), float(excess[row]))
            if (miss[0], -miss[1]) > (known[0], -known[1]):
                self.misses[name] = miss
                if evaluated is not None:
                    self.near[name] = evaluated.take(np.array([row]))

    def refuse(self, platform: int, count: int, reason: str, *, wholly: bool) -> None:
        """Candidates of a platform that are known not to work before any is evaluated; `wholly`: there are no others."""
        if count:
            self.rejected[reason] += count
        if count and wholly:
            self.misses[platform] = (REASONS.index(reason), 0.0)

    def reject_platform(self, platform: int, reason: str) -> None:
        """A platform without a single candidate."""
        self.rejected[reason] += 1
        self.misses[platform] = (REASONS.index(reason), np.inf)


def first_broken(limits: Sequence[tuple[str, FloatColumn]]) -> tuple[IntColumn, FloatColumn]:
    """(index into REASONS, excess) of each row: the first limit whose use over allowance exceeds 1, in the order given."""
    rows = len(limits[0][1])
    reason, excess = np.zeros(rows, dtype=np.int32), np.zeros(rows)
    for name, used in limits:
        broken = (reason == 0) & ~(used <= 1.0 + ROUNDING)
        reason[broken] = REASONS.index(name)
        excess[broken] = used[broken] - 1.0
    return reason, excess


def limits_used(limits: Limits, devices: IntColumn, money: Charges) -> list[tuple[str, FloatColumn]]:
    """Use over allowance of each limit that every workload shares; an unknown figure breaks a limit that was given."""
    used = [("devices", devices / limits.max_devices)]
    if limits.budget_usd is not None:
        used.append(("budget", np.where(money.at_least, np.inf, money.total_usd / limits.budget_usd)))
    if limits.power_w is not None:
        used.append(("power", np.nan_to_num(money.rated_facility_w / limits.power_w, nan=np.inf)))
    return used + list(zip(ROOM_LIMITS, money.room_used.T, strict=False))  # none where the room has no limits


def objective_key(outcomes: Outcomes[Candidates], objective: Objective) -> FloatColumn:
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


_SIEVE = (0.0, 0.01, 0.1, 0.5)  # shares of the rows, by the first figure, of which the best in the second beats others


def undominated(first: FloatColumn, second: FloatColumn) -> BoolColumn:
    """Rows that no other row beats in both figures (smaller is better)."""
    rows = np.arange(len(first))
    for share in _SIEVE if len(first) else ():  # most rows are beaten by one of a few: only the rest is sorted
        place = int(share * (len(rows) - 1))
        small = rows[first[rows] <= np.partition(first[rows], place)[place]]
        one = small[np.argmin(second[small])]
        x, y = first[rows], second[rows]
        rows = rows[~(((x > first[one]) & (y >= second[one])) | ((x >= first[one]) & (y > second[one])))]
    order = rows[np.lexsort((second[rows], first[rows]))]
    best_before = np.concatenate([[np.inf], np.minimum.accumulate(second[order])[:-1]])
    optimal = np.zeros(len(first), dtype=bool)
    optimal[order] = second[order] < best_before
    return optimal
