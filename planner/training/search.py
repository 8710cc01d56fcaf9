"""Exhaustive search of training runs, best-first by bounds: pipelines, then the device counts of their cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from planner.goals import Goal, groups
from planner.memory.training import MemoryByRanks
from planner.outcomes import REASONS, Account, Outcomes
from planner.request import Training
from planner.search import training_space
from planner.search.best_first import Rows, best_first
from planner.search.columns import BoolColumn, FloatColumn, IntColumn, TrainingColumns, chunks
from planner.search.runs import ranges, run_begins
from planner.search.shape import ModelShape
from planner.training.cell_memory import CellMemory
from planner.training.model import Alone, TrainedModel

_NEAR_MOST = 0.9
_MEMORY = REASONS.index("memory")
_FIRST_PIPELINES, _FIRST_CANDIDATES = 8, 64  # opened a group before the first bound can close any


@dataclass(frozen=True, slots=True)
class Pipelines:
    """Pipelines of which a cell fits in memory with the most ranks, and those cells, one pipeline after the other.

    columns          of each pipeline: one data-parallel rank, any ZeRO stage
    alone            its least time
    fewest, most     ranks between which it ends in time; nearly the most where it never does
    first            its first cell; one more entry ends the last
    layout, choice   of each cell, in `memory`
    zero_stage       of each cell
    """

    columns: TrainingColumns
    alone: Alone
    fewest: IntColumn
    most: IntColumn
    first: Rows
    layout: Rows
    choice: Rows
    zero_stage: IntColumn
    memory: CellMemory

    def cells(self, chosen: Rows, usable_bytes: FloatColumn) -> Cells:
        """Those of the pipelines `chosen`, with `usable_bytes` a device on each platform."""
        many = self.first[chosen + 1] - self.first[chosen]
        cell, pipeline = ranges(self.first[chosen], many), np.repeat(chosen, many)
        too_few = self.memory.ranks_too_few(self.layout[cell], self.choice[cell], usable_bytes[self.columns.platform[pipeline]])
        first = np.concatenate([[0], np.cumsum(many)])
        return Cells(first, self.zero_stage[cell], np.maximum(too_few + 1, self.fewest[pipeline]))


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of some pipelines.

    first         of each pipeline; one more entry ends the last
    zero_stage    of each cell
    fewest        ranks below which each cell is known to be too large or too slow
    """

    first: Rows
    zero_stage: IntColumn
    fewest: IntColumn

    @property
    def fewest_of_pipelines(self) -> IntColumn:
        """Ranks below which no cell of a pipeline is worth trying."""
        return np.minimum.reduceat(self.fewest, self.first[:-1])

    def of(self, pipeline: Rows, candidates: TrainingColumns, training: Training) -> TrainingColumns:
        """`candidates`, each of a `pipeline`, in all ZeRO stages that fit with their ranks."""
        many = self.first[pipeline + 1] - self.first[pipeline]
        cell = ranges(self.first[pipeline], many)
        staged = replace(candidates.take(np.repeat(np.arange(len(pipeline)), many)), zero_stage=self.zero_stage[cell])
        return staged.take((staged.dp >= self.fewest[cell]) & training_space.has_shards(staged, training))


@dataclass(slots=True)
class TrainingSearch:
    """One search for a goal: what was found so far, and the account."""

    model: TrainedModel
    shape: ModelShape
    counts: IntColumn  # shape (platforms, most counts), padded with 0
    goal: Goal
    account: Account[TrainingColumns] = field(default_factory=Account)
    found: list[Outcomes[TrainingColumns]] = field(default_factory=list)

    @classmethod
    def of(cls, model: TrainedModel, goal: Goal) -> TrainingSearch:
        """A search that has found nothing yet."""
        counts = [_counts(model, platform) for platform in range(len(model.ground.precisions))]
        table = np.zeros((len(counts), max(map(len, counts))), dtype=np.int32)
        for platform, row in enumerate(counts):
            table[platform, : len(row)] = row
        return cls(model, ModelShape.of(model.ground.subject.architecture), table, goal)

    def run(self, progress: Callable[[float], None]) -> tuple[Outcomes[TrainingColumns], Account[TrainingColumns]]:
        """Search every platform; survivors worth showing, and the account."""
        pipelines = self.pipelines(progress)
        bounds = self.model.pipeline_bounds(pipelines.columns, pipelines.alone, pipelines.fewest, pipelines.most, self.goal.objectives)
        group, opened = groups(pipelines.columns), np.zeros(len(pipelines.columns), dtype=np.bool_)

        def promising(rows: Rows) -> BoolColumn:
            return self.goal.promising(group[rows], tuple(bound[rows] for bound in bounds))

        def open_pipelines(rows: Rows) -> None:
            self._open(pipelines, rows, bounds[0][rows])
            opened[rows] = True
            progress(float(opened.mean()))

        best_first(*self.goal.order(group, bounds), promising, open_pipelines, first=_FIRST_PIPELINES)
        progress(1.0)
        return Outcomes.concatenate([Outcomes.none(TrainingColumns.none()), *self.found]), self.account

    def pipelines(self, progress: Callable[[float], None] = lambda share: None) -> Pipelines:
        """All cells that fit with the most ranks, by pipeline; the others are counted, and how nearly they fit."""

        def memory_of(cells: TrainingColumns) -> MemoryByRanks:
            progress(0.0)  # a model of many different layers takes long here, and who asked may have gone
            return self.model.memory_by_ranks(cells)

        layouts = TrainingColumns.concatenate([self.layouts(platform) for platform in range(len(self.counts))])
        choices = training_space.Choices.of(self.shape, self.model.workload)
        memory = CellMemory.of(layouts, choices, memory_of, self._max_devices)
        progress(0.0)
        usable_bytes, least_bytes = self.model.usable_bytes[layouts.platform], memory.least_bytes
        fits = least_bytes <= usable_bytes[:, None]
        nearest = np.where(fits, np.inf, least_bytes).min(axis=1, initial=np.inf) / usable_bytes - 1.0
        near = np.isfinite(nearest)
        self.account.miss(layouts.platform[near], _MEMORY, nearest[near])
        self.account.pruned += int(np.isfinite(least_bytes).sum()) * self.counts.shape[1]

        layout, choice = np.nonzero(fits)
        first = np.flatnonzero(run_begins(layout, choices.pipeline[choice]))
        columns = choices.cells(layouts.take(layout[first]), choice[first])
        columns = replace(columns, zero_stage=np.ones(len(first), dtype=np.int32))
        alone, most = self.model.alone(columns), self.most_ranks(columns)
        return Pipelines(
            columns,
            alone,
            fewest=self.fewest_ranks(alone, most),
            most=most,
            first=np.append(first, len(layout)),
            layout=layout,
            choice=choice,
            zero_stage=choices.zero_stage[choice],
            memory=memory,
        )

    def _open(self, pipelines: Pipelines, chosen: Rows, bound: FloatColumn) -> None:
        """Evaluate the cells of some pipelines, whose figures cannot beat `bound`, at the device counts that fit, end in time,
        and could still be best, best-first again.
        """
        training, cells = self.model.workload, pipelines.cells(chosen, self.model.usable_bytes)
        columns, alone = pipelines.columns.take(chosen), pipelines.alone.take(chosen)
        to_beat = self.goal.to_beat(groups(columns))
        most = self.model.most_ranks_below(to_beat, bound, alone, pipelines.fewest[chosen], pipelines.most[chosen])
        rows, candidates = training_space.with_counts(columns, self.counts, cells.fewest_of_pipelines, most)
        group, bounds = groups(candidates), self.bounds(candidates, alone.take(rows))

        def promising(chosen: Rows) -> BoolColumn:
            return self.goal.promising(group[chosen], tuple(bound[chosen] for bound in bounds))

        def evaluate(chosen: Rows) -> None:
            self._evaluate(cells.of(rows[chosen], candidates.take(chosen), training))

        best_first(*self.goal.order(group, bounds), promising, evaluate, first=_FIRST_CANDIDATES)

    def bounds(self, candidates: TrainingColumns, alone: Alone) -> tuple[FloatColumn, ...]:
        """What each candidate's figures cannot beat: its own cluster, running for the least time that its pipeline allows."""
        parts = [self._bounds(candidates.take(part), alone.take(part)) for part in chunks(len(candidates))]
        none = (np.zeros(0),) * len(self.goal.objectives)
        return tuple(np.concatenate(columns) for columns in zip(none, *parts, strict=True))

    def _bounds(self, candidates: TrainingColumns, alone: Alone) -> tuple[FloatColumn, ...]:
        devices = candidates.devices
        holdings = self.model.ground.holdings(candidates.platform, devices)
        bare = self.model.ground.servers_alone(candidates.platform, devices)
        shared = replace(holdings, servers_usd=bare.servers_usd, accelerators_w=bare.accelerators_w, hosts_w=bare.hosts_w)
        return self.model.bounds(candidates, alone.run_s(candidates.dp), shared, devices, self.goal.objectives)

    def _evaluate(self, candidates: TrainingColumns) -> None:
        self.account.pruned -= len(candidates)
        for part in chunks(len(candidates)):
            self.found.append(self.goal.learn(self._fitting(candidates.take(part))))

    def fewest_ranks(self, alone: Alone, most: IntColumn) -> IntColumn:
        """Ranks with which each pipeline ends in time at best; when none does, nearly the most, to learn how late it is."""
        if self.model.workload.devices is not None:
            return most
        spare_s = np.maximum(self.model.allowed_s - alone.fixed_s, 1e-9)
        late = np.fmin(alone.shared_s / spare_s, _NEAR_MOST * most)  # NaN, nearly the most: no time is known
        fewest: IntColumn = np.maximum(1, np.ceil(late)).astype(np.int32)
        return fewest

    def _fitting(self, columns: TrainingColumns) -> Outcomes[TrainingColumns]:
        """Outcomes of the candidates that fit in memory; the others are counted, and no more is computed for them."""
        used_bytes = self.model.memory_bytes(columns)
        excess = used_bytes / self.model.usable_bytes[columns.platform] - 1.0
        fits = excess <= 0.0
        if not fits.all():
            self.account.evaluated += int((~fits).sum())
            self.account.rejected["memory"] += int((~fits).sum())
        self.account.miss(columns.platform[~fits], _MEMORY, excess[~fits])
        outcomes = self.model.evaluate(columns.take(fits), used_bytes[fits]).outcomes if fits.any() else Outcomes.none(columns)
        self.account.record(outcomes)
        return outcomes

    def layouts(self, platform: int) -> TrainingColumns:
        """All layouts on one platform."""
        ground = self.model.ground
        formats, domain = ground.precisions[platform], int(ground.platforms.scale_up_domain[platform])
        if not formats:
            self.account.reject_platform(platform, "format")
        return training_space.layouts(self.shape, self.model.workload, domain, self._max_devices, formats).on(platform)

    def most_ranks(self, columns: TrainingColumns) -> IntColumn:
        """Data-parallel ranks of each strategy at the largest device count."""
        most: IntColumn = np.maximum(1, self.counts.max(axis=1)[columns.platform] // columns.devices)
        return most

    @property
    def _max_devices(self) -> int:
        return int(self.counts.max())


def _counts(model: TrainedModel, platform: int) -> IntColumn:
    if model.workload.devices is not None:
        return np.array([model.workload.devices], dtype=np.int32)
    per_server = int(model.ground.platforms.devices_per_server[platform])
    return training_space.device_counts(per_server, model.ground.request.limits.max_devices)
