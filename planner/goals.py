"""What a search looks for: the best candidate of every platform and number format, or the frontier of two objectives.

A goal knows which bounds can still matter, learns from what was evaluated, and says what is worth keeping.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from planner.outcomes import Candidates, Outcomes, objective_key, undominated
from planner.request import Objective
from planner.search.columns import PRECISIONS, BoolColumn, DeploymentColumns, FloatColumn, IntColumn, TrainingColumns

_BINS = 64
_KINDS = 2  # of a platform: what runs all of the work, and replicas that only decode


class Goal(Protocol):
    """See the module.

    bounds   one column an objective: figures that no candidate of the row can beat, smaller is better
    group    platform and number format of each row (`groups`)
    """

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What bounds are needed for."""

    def order(self, group: IntColumn, bounds: tuple[FloatColumn, ...]) -> tuple[FloatColumn, IntColumn]:
        """(bound, group): rows of a group are opened by ascending bound, the same number of each group at a time."""

    def promising(self, group: IntColumn, bounds: tuple[FloatColumn, ...]) -> BoolColumn:
        """Rows whose bounds do not rule them out."""

    def to_beat(self, group: IntColumn) -> FloatColumn:
        """Figure of the first objective below which a candidate must be, whatever its others; infinite where there is none."""

    def learn(self, outcomes: Outcomes[Candidates]) -> Outcomes[Candidates]:
        """Take note of what was evaluated; returns the feasible rows worth keeping."""


@dataclass(slots=True)
class BestOfEach:
    """The best candidate of each platform and number format; beside them, what of cost against time was seen on the way."""

    objective: Objective
    best: FloatColumn  # of each group

    @classmethod
    def of(cls, objective: Objective, platforms: int) -> BestOfEach:
        """Nothing found yet."""
        return cls(objective, np.full(platforms * len(PRECISIONS) * _KINDS, np.inf))

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """One."""
        return (self.objective,)

    def order(self, group: IntColumn, bounds: tuple[FloatColumn, ...]) -> tuple[FloatColumn, IntColumn]:
        """Group by group."""
        return bounds[0], group

    def promising(self, group: IntColumn, bounds: tuple[FloatColumn, ...]) -> BoolColumn:
        """Rows that could still be the best of their group."""
        return np.asarray(bounds[0] < self.best[group])

    def to_beat(self, group: IntColumn) -> FloatColumn:
        """The best of each group."""
        return self.best[group]

    def learn(self, outcomes: Outcomes[Candidates]) -> Outcomes[Candidates]:
        """Lower the figures of the groups."""
        rows = np.flatnonzero(outcomes.feasible)
        key, of_group = objective_key(outcomes, self.objective)[rows], groups(outcomes.columns)[rows]
        best = np.full_like(self.best, np.inf)
        np.minimum.at(best, of_group, key)
        np.minimum(self.best, best, out=self.best)
        keep = undominated(outcomes.cost_usd[rows], outcomes.time_s[rows])
        first = np.flatnonzero(key == best[of_group])
        first = first[np.lexsort((outcomes.devices[rows[first]], of_group[first]))]
        keep[first[np.unique(of_group[first], return_index=True)[1]]] = True
        return outcomes.take(rows[keep])


@dataclass(slots=True)
class Frontier:
    """Candidates that no other beats in both of two objectives, of the whole catalog (method: search)."""

    objectives: tuple[Objective, Objective]
    first: FloatColumn = field(default_factory=lambda: np.zeros(0))  # ascending figures of the frontier so far
    second: FloatColumn = field(default_factory=lambda: np.zeros(0))  # descending

    def order(self, group: IntColumn, bounds: tuple[FloatColumn, ...]) -> tuple[FloatColumn, IntColumn]:
        """By the second bound within bins of the first, so that the whole frontier is approached at once."""
        place = np.argsort(np.argsort(bounds[0]))
        return bounds[1], (place * _BINS // max(1, len(place))).astype(np.int32)

    def promising(self, group: IntColumn, bounds: tuple[FloatColumn, ...]) -> BoolColumn:
        """Rows that nothing found so far beats in both figures."""
        least = np.concatenate([[np.inf], self.second])  # second figure of the frontier up to a first figure
        return np.asarray(bounds[1] < least[np.searchsorted(self.first, bounds[0], side="right")])

    def to_beat(self, group: IntColumn) -> FloatColumn:
        """Nothing: a worse figure may go with a better other one."""
        return np.full(len(group), np.inf)

    def learn(self, outcomes: Outcomes[Candidates]) -> Outcomes[Candidates]:
        """Move the frontier out."""
        feasible = outcomes.take(outcomes.feasible)
        first, second = (objective_key(feasible, objective) for objective in self.objectives)
        keep = undominated(first, second)
        known = np.concatenate([self.first, first[keep]]), np.concatenate([self.second, second[keep]])
        order = np.argsort(known[0], kind="stable")
        optimal = order[undominated(*known)[order]]
        self.first, self.second = known[0][optimal], known[1][optimal]
        return feasible.take(keep)


@dataclass(slots=True)
class Seen(Frontier):
    """The frontier of two objectives, and beside it everything feasible that is evaluated on the way."""

    def learn(self, outcomes: Outcomes[Candidates]) -> Outcomes[Candidates]:
        """Move the frontier out; all that fits is worth keeping."""
        Frontier.learn(self, outcomes)
        return outcomes.take(outcomes.feasible)


def groups(columns: TrainingColumns | DeploymentColumns) -> IntColumn:
    """Platform and number format, and whether something else prefills, as one number."""
    group: IntColumn = (columns.platform * len(PRECISIONS) + columns.precision) * _KINDS
    return group + columns.disaggregated if isinstance(columns, DeploymentColumns) else group
