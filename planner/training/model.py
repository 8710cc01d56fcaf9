"""The model of a training request on the platforms it may run on: memory, speed, money and limits of candidates, and what
they cannot beat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from planner.cluster.cache_tier import drive_bytes_per_s, link_bytes_per_s, memory_bytes_per_s
from planner.cluster.design import ClusterDesign
from planner.economics.charges import Charges, charges
from planner.economics.cost import SECONDS_PER_DAY
from planner.economics.holdings import Holdings
from planner.exact import exact_holdings
from planner.ground import Ground
from planner.memory.training import MemoryByRanks, training_memory_bytes
from planner.outcomes import Outcomes, first_broken, limits_used
from planner.performance.efficiency import Efficiency
from planner.performance.offload import HostTier
from planner.performance.run_time import run_time_s
from planner.performance.training import TrainingStep, training_step
from planner.request import Objective, Training
from planner.search import training_space
from planner.search.best_first import Rows
from planner.search.columns import BoolColumn, FloatColumn, IntColumn, TrainingColumns, chunks

_SECONDS_PER_MINUTE = 60.0
_UNKNOWN = 1e17  # figures from here on stand for what has no price or no known power


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Speed, money and limits of some candidates, row by row."""

    step: TrainingStep
    charges: Charges
    outcomes: Outcomes[TrainingColumns]


@dataclass(frozen=True, slots=True)
class Alone:
    """Least time of a run with one data-parallel rank: what further ranks share at best, and what they cannot share."""

    shared_s: FloatColumn
    fixed_s: FloatColumn  # pipeline fill and drain, fixed overheads

    def run_s(self, ranks: FloatColumn | IntColumn) -> FloatColumn:
        """Least time with so many ranks."""
        return self.shared_s / ranks + self.fixed_s

    def take(self, rows: Rows | BoolColumn | slice) -> Alone:
        """The cells at `rows`."""
        return Alone(self.shared_s[rows], self.fixed_s[rows])

    @classmethod
    def concatenate(cls, parts: list[Alone]) -> Alone:
        """All rows of `parts`."""
        none = np.zeros(0)
        return cls(np.concatenate([none, *(part.shared_s for part in parts)]), np.concatenate([none, *(part.fixed_s for part in parts)]))


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What evaluating a run needs besides its columns."""

    ground: Ground
    workload: Training
    efficiency: Efficiency
    tier: HostTier | None  # None: all states stay on the device

    @classmethod
    def on(cls, ground: Ground, efficiency: Efficiency) -> Self:
        """The model of the request of `ground`, whose workload is training."""
        workload = ground.request.workload
        assert isinstance(workload, Training)  # noqa: S101 the pipeline chose this model by the workload
        return cls(ground, workload, efficiency, _host_tier(ground, workload))

    def alone(self, cells: TrainingColumns) -> Alone:
        """Least time of the run of each cell with one data-parallel rank (method: search).

        Traffic of the data-parallel group is left out: a context-parallel pair has some even with one rank, and on a mesh
        a pair is slower than a larger group.
        """
        return Alone.concatenate([self._alone(cells.take(part)) for part in chunks(len(cells))])

    def _alone(self, cells: TrainingColumns) -> Alone:
        step = training_step(self.ground.subject.architecture, self.workload, self.ground.platforms, cells, self.efficiency, self.tier)
        fixed_s = step.parts_s["pipeline bubble"] + step.parts_s["step overhead"]
        shared_s = step.step_s - step.parts_s["data parallel"] - fixed_s
        steps = self._steps(cells) / ((1.0 + training_space.BATCH_TOLERANCE) * self.workload.goodput)  # a larger batch has fewer
        return Alone(shared_s * steps, fixed_s * steps)

    def bounds(
        self, columns: TrainingColumns, run_s: FloatColumn, holdings: Holdings, devices: IntColumn, objectives: tuple[Objective, ...]
    ) -> tuple[FloatColumn, ...]:
        """Figures of clusters of `holdings` that run for `run_s`; at a least time, what no candidate can beat."""
        money = self._charges(holdings, columns.platform, devices, devices, run_s)

        def figure(objective: Objective) -> FloatColumn:
            match objective:
                case "cost" | "per_dollar":
                    return np.where(money.at_least, 1e18, 0.0) + money.total_usd
                case "carbon" | "per_watt":
                    return np.nan_to_num(money.energy_kwh, nan=1e36)
                case "time":
                    return run_s
                case "throughput":
                    return -self.workload.tokens / (run_s * self.workload.goodput)
                case "power":
                    return np.nan_to_num(money.facility_w, nan=1e36)

        return tuple(figure(objective) for objective in objectives)

    def pipeline_bounds(
        self,
        pipelines: TrainingColumns,
        alone: Alone,
        fewest_ranks: IntColumn,
        most_ranks: IntColumn,
        objectives: tuple[Objective, ...],
    ) -> tuple[FloatColumn, ...]:
        """Figures that no feasible candidate of a pipeline can beat, one column an objective (method: search).

        Device-seconds, what is proportional to them, and power are least with the fewest ranks that meet the deadline; time
        is least with the most ranks.
        """

        def bound(objective: Objective, part: slice) -> FloatColumn:
            columns, ranks = pipelines.take(part), fewest_ranks[part]
            devices = columns.devices * ranks
            run_s = alone.take(part).run_s(most_ranks[part] if objective in ("time", "throughput") else ranks)
            return self.bounds(columns, run_s, self.ground.servers_alone(columns.platform, devices), devices, (objective,))[0]

        parts = chunks(len(pipelines))
        return tuple(np.concatenate([np.zeros(0), *(bound(objective, part) for part in parts)]) for objective in objectives)

    def most_ranks_below(
        self, figure: FloatColumn, bound: FloatColumn, alone: Alone, fewest_ranks: IntColumn, most_ranks: IntColumn
    ) -> IntColumn:
        """Ranks beyond which no candidate of a pipeline is below `figure`, where `bound` is the pipeline's at the fewest ranks.

        What is proportional to device-seconds grows with them, power with devices (method: search); time and unknown prices
        set no such limit.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = figure / bound
            match self.ground.request.objective:
                case "time" | "throughput":
                    return most_ranks
                case "power":
                    ranks = growth * fewest_ranks
                case _:
                    ranks = (growth * (alone.shared_s + alone.fixed_s * fewest_ranks) - alone.shared_s) / alone.fixed_s
        known = np.isfinite(ranks) & (bound < _UNKNOWN)
        return np.where(known, np.clip(np.ceil(ranks), 0, most_ranks), most_ranks).astype(np.int32)

    @property
    def allowed_s(self) -> float:
        """Longest run allowed; any with a given number of devices."""
        return np.inf if self.workload.devices else self.workload.deadline_days * SECONDS_PER_DAY

    def memory_bytes(self, columns: TrainingColumns) -> FloatColumn:
        """Bytes on the fullest device of every row."""
        return training_memory_bytes(self.ground.subject.architecture, self.workload, columns)

    def memory_by_ranks(self, columns: TrainingColumns) -> MemoryByRanks:
        """Memory of the same rows with other ranks."""
        return MemoryByRanks.of(self.ground.subject.architecture, self.workload, columns)

    @property
    def usable_bytes(self) -> FloatColumn:
        """Device memory that a run may take on each platform."""
        return self.ground.platforms.memory_bytes * (1.0 - self.ground.request.assumptions.memory_reserve)

    def run_s(self, step_s: FloatColumn, columns: TrainingColumns) -> FloatColumn:
        """Wall-clock time of the run: steps over goodput, and the start-up (equation 3.7)."""
        start_up_s = self.workload.start_up_minutes * _SECONDS_PER_MINUTE
        return run_time_s(self._steps(columns), step_s, start_up_s=start_up_s, goodput=self.workload.goodput)

    def _steps(self, columns: TrainingColumns) -> FloatColumn:
        return self.workload.tokens / (columns.global_batch.astype(np.float64) * self.workload.sequence_tokens)

    def evaluate(self, columns: TrainingColumns, used_bytes: FloatColumn, clusters: list[ClusterDesign | None] | None = None) -> Evaluated:
        """Speed, money and limits of rows that take `used_bytes`; money and power of the exact `clusters` where these are given."""
        request, workload, platform = self.ground.request, self.workload, columns.platform
        stands = self.ground.platforms
        step = training_step(self.ground.subject.architecture, workload, stands, columns, self.efficiency, self.tier)
        run_s = self.run_s(step.step_s, columns)
        devices = columns.devices
        per_server = stands.devices_per_server[platform]
        servers = -(-devices // per_server)
        bought = servers * per_server
        holdings = exact_holdings(self.ground.holdings(platform, bought), clusters)
        money = self._charges(holdings, platform, bought, devices, run_s)
        broken = [("memory", used_bytes / self.usable_bytes[platform]), ("deadline", run_s / self.allowed_s)]
        reason, excess = first_broken([*broken, *limits_used(request.limits, devices, money)])
        outcomes = Outcomes(
            columns=columns,
            devices=np.where(money.rented, devices, bought).astype(np.int32),
            servers=servers.astype(np.int32),
            replicas=np.ones(len(columns), dtype=np.int32),
            capacity_per_s=np.full(len(columns), np.nan),
            tokens_per_s=columns.global_batch * float(workload.sequence_tokens) / step.step_s,
            time_s=run_s,
            rented=money.rented,
            cost_usd=money.total_usd,
            at_least=money.at_least,
            facility_w=money.facility_w,
            energy_kwh=money.energy_kwh,
            reason=reason,
            excess=excess,
        )
        return Evaluated(step, money, outcomes)

    def _charges(self, holdings: Holdings, platform: IntColumn, bought: IntColumn, rented: IntColumn, run_s: FloatColumn) -> Charges:
        site, rent = self.ground.request.site, self.ground.rent_usd_per_h[platform]
        return charges(holdings, bought, rented, rent, run_s, site, self.ground.request.assumptions, utilisation=site.utilisation)


def _host_tier(ground: Ground, workload: Training) -> HostTier | None:
    """Where the devices of each platform keep what the asker wants off them."""
    if workload.offload == "none":
        return None
    hardware, stands = ground.hardware, ground.platforms
    pairs = [
        (hardware.accelerators[chip], hardware.servers.get(server))
        for chip, server in zip(stands.accelerator_id, stands.server_id, strict=True)
    ]
    memory = [(math.inf, math.inf)] * len(pairs)
    drives = [drive_bytes_per_s(hardware, *pair) for pair in pairs] if workload.offload_to == "nvme" else memory
    return HostTier(
        weights=workload.offload == "states",
        link_bytes_per_s=np.array([link_bytes_per_s(hardware, chip) for chip, _ in pairs]),
        memory_bytes_per_s=np.array([memory_bytes_per_s(hardware, *pair) for pair in pairs]),
        drive_read_bytes_per_s=np.array([read for read, _ in drives]),
        drive_write_bytes_per_s=np.array([write for _, write in drives]),
    )
