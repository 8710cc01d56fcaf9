"""Exhaustive search of training runs, best-first by bounds: layouts, then their cells, then their device counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from planner.outcomes import REASONS, Account, Outcomes, best_and_frontier, objective_key
from planner.search import training_space
from planner.search.best_first import Rows, best_first
from planner.search.columns import PRECISIONS, FloatColumn, IntColumn, TrainingColumns
from planner.search.shape import ModelShape
from planner.strategy_memory import StrategyMemory

if TYPE_CHECKING:
    from planner.training import Alone, TrainingStage

_CHUNK_ROWS = 32_768  # arrays of a chunk stay in the cache
_NEAR_MOST = 0.9
_MEMORY = REASONS.index("memory")
_FIRST_LAYOUTS, _FIRST_CELLS, _FIRST_COUNTS = 2, 4, 2  # opened a group before the first bound can close any


@dataclass(slots=True)
class TrainingSearch:
    """One search: what was found so far, and the best figure of each platform and number format."""

    stage: TrainingStage
    shape: ModelShape
    counts: IntColumn  # shape (platforms, most counts), padded with 0
    best: FloatColumn  # of each platform and format
    account: Account[TrainingColumns] = field(default_factory=Account)
    found: list[Outcomes[TrainingColumns]] = field(default_factory=list)

    @classmethod
    def of(cls, stage: TrainingStage) -> TrainingSearch:
        """A search that has found nothing yet."""
        counts = [_counts(stage, platform) for platform in range(len(stage.ground.precisions))]
        table = np.zeros((len(counts), max(map(len, counts))), dtype=np.int32)
        for platform, row in enumerate(counts):
            table[platform, : len(row)] = row
        best = np.full(len(counts) * len(PRECISIONS), np.inf)
        return cls(stage, ModelShape.of(stage.ground.subject.architecture), table, best)

    def run(self, progress: Callable[[float], None]) -> tuple[Outcomes[TrainingColumns], Account[TrainingColumns]]:
        """Search every platform; survivors worth showing, and the account."""
        layouts = TrainingColumns.concatenate([self._layouts(platform) for platform in range(len(self.counts))])
        bound = self.stage.cell_bound(layouts, self.stage.alone(layouts), self._most_ranks(layouts))
        memory = StrategyMemory.of(layouts, self._cells, lambda cells: self.stage.memory(cells).total_bytes, self._max_devices)
        opened = np.zeros(len(layouts), dtype=bool)

        def open_layouts(rows: Rows) -> None:
            owner, cells = self._cells(layouts.take(rows))
            self._open_layouts(cells, memory, memory.rows_of(rows, owner))
            opened[rows] = True
            progress(float(opened.mean()))

        best_first(bound, _group(layouts), self.best, open_layouts, first=_FIRST_LAYOUTS)
        strategies = training_space.cells_each(layouts.take(~opened), self.shape, self.stage.workload, self._max_devices)
        self.account.pruned += int(strategies.sum()) * self.counts.shape[1]
        progress(1.0)
        return Outcomes.concatenate([Outcomes.none(TrainingColumns.none()), *self.found]), self.account

    def _open_layouts(self, cells: TrainingColumns, memory: StrategyMemory, strategy: Rows) -> None:
        """Search the cells of some layouts, whose rows in `memory` are `strategy`: those that fit at the most ranks, best-first."""
        excess = memory.least_bytes(strategy) / self.stage.usable_bytes(cells) - 1.0
        fits = excess <= 0.0
        self.account.miss(cells.platform[~fits], _MEMORY, excess[~fits])
        self.account.pruned += int((~fits).sum()) * self.counts.shape[1]
        cells, strategy = cells.take(fits), strategy[fits]
        if not len(cells):
            return
        most, alone = self._most_ranks(cells), self.stage.alone(cells)
        too_few = memory.ranks_too_few(strategy, self.stage.usable_bytes(cells))
        fewest: FloatColumn = np.fmax(too_few, np.ceil(self._ranks_too_slow(alone, most)) - 1.0) + 1.0  # no time: none ends

        def open_cells(rows: Rows) -> None:
            self._open_cells(cells.take(rows), alone.take(rows), fewest[rows])

        bound = self.stage.cell_bound(cells, alone, most)
        self.account.pruned += best_first(bound, _group(cells), self.best, open_cells, first=_FIRST_CELLS) * self.counts.shape[1]

    def _open_cells(self, cells: TrainingColumns, alone: Alone, fewest_ranks: FloatColumn) -> None:
        """Evaluate some cells at the device counts that fit, end in time, and could still be best: small clusters first."""
        rows, candidates = training_space.with_counts(cells, self.counts, fewest_ranks)
        starts = np.searchsorted(rows, rows, side="left")
        early = np.arange(len(rows)) - starts < _FIRST_COUNTS
        self._evaluate(candidates.take(early))
        late = candidates.take(~early)
        bound = self._bound(late, alone.take(rows[~early]))
        self._evaluate(late.take(bound < self.best[_group(late)]))
        self.account.pruned += len(cells) * self.counts.shape[1]

    def _bound(self, candidates: TrainingColumns, alone: Alone) -> FloatColumn:
        """What each candidate's figure cannot beat: its own cluster, running for the least time that its cell allows."""
        if not len(candidates):
            return np.zeros(0)
        devices = candidates.devices
        holdings = self.stage.ground.holdings(candidates.platform, devices)
        bare = self.stage.ground.servers_alone(candidates.platform, devices)
        shared = replace(holdings, servers_usd=bare.servers_usd, accelerators_w=bare.accelerators_w, hosts_w=bare.hosts_w)
        return self.stage.bound(candidates, alone.run_s(candidates.dp), shared, devices)

    def _evaluate(self, candidates: TrainingColumns) -> None:
        self.account.pruned -= len(candidates)
        objective = self.stage.ground.request.objective
        for start in range(0, len(candidates), _CHUNK_ROWS):
            outcomes = self._fitting(candidates.take(np.arange(start, min(start + _CHUNK_ROWS, len(candidates)))))
            np.minimum.at(self.best, _group(outcomes.columns), objective_key(outcomes, objective))
            self.found.append(best_and_frontier(outcomes, objective))

    def _ranks_too_slow(self, alone: Alone, most: IntColumn) -> FloatColumn:
        """Ranks with which each cell ends just in time at best; when none does, nearly the most, to learn how late it is."""
        spare_s = np.maximum(self.stage.allowed_s - alone.fixed_s, 1e-9)
        ranks: FloatColumn = np.minimum(alone.shared_s / spare_s, _NEAR_MOST * most)
        return ranks

    def _fitting(self, columns: TrainingColumns) -> Outcomes[TrainingColumns]:
        """Outcomes of the candidates that fit in memory; the others are counted, and no more is computed for them."""
        excess = self.stage.memory(columns).total_bytes / self.stage.usable_bytes(columns) - 1.0
        fits = excess <= 0.0
        self.account.evaluated += int((~fits).sum())
        self.account.rejected["memory"] += int((~fits).sum())
        self.account.miss(columns.platform[~fits], _MEMORY, excess[~fits])
        outcomes = self.stage.evaluate(columns.take(fits)).outcomes if fits.any() else Outcomes.none(columns)
        self.account.record(outcomes)
        return outcomes

    def _cells(self, layouts: TrainingColumns) -> tuple[Rows, TrainingColumns]:
        return training_space.cells(layouts, self.shape, self.stage.workload, self._max_devices)

    def _layouts(self, platform: int) -> TrainingColumns:
        ground = self.stage.ground
        formats, domain = ground.precisions[platform], int(ground.platforms.scale_up_domain[platform])
        if not formats:
            self.account.reject_platform(platform, "format")
        return training_space.layouts(self.shape, self.stage.workload, domain, self._max_devices, formats).on(platform)

    def _most_ranks(self, columns: TrainingColumns) -> IntColumn:
        """Data-parallel ranks of each strategy at the largest device count."""
        most: IntColumn = np.maximum(1, self.counts.max(axis=1)[columns.platform] // columns.devices)
        return most

    @property
    def _max_devices(self) -> int:
        return int(self.counts.max())


def _counts(stage: TrainingStage, platform: int) -> IntColumn:
    if stage.workload.devices is not None:
        return np.array([stage.workload.devices], dtype=np.int32)
    per_server = int(stage.ground.platforms.devices_per_server[platform])
    return training_space.device_counts(per_server, stage.ground.request.limits.max_devices)


def _group(columns: TrainingColumns) -> IntColumn:
    """Platform and number format, whose best candidates are kept apart."""
    return columns.platform * len(PRECISIONS) + columns.precision
