"""Serving, from candidate replicas to outcomes: memory, speed, sizing, money and power, limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from planner import sizing
from planner.answer import Interval, MemoryUse, Performance, Recommendation, Strategy
from planner.cluster.design import ClusterDesign
from planner.economics.charges import Charges, charges
from planner.economics.cost import SECONDS_PER_YEAR
from planner.exact import designs, exact_holdings
from planner.explain.bottleneck import bottleneck
from planner.explain.roofline import Phase, roofline, serving_phase
from planner.ground import Ground
from planner.hosts import serving_host_needs
from planner.memory.engines import serving_recipe
from planner.memory.serving import ServingMemory, serving_memory
from planner.outcomes import Account, Outcomes, best_and_frontier, first_broken, limits_used
from planner.performance.serving_demand import ServingDemand, serving_demand
from planner.performance.serving_efficiency import ServingEfficiency, load_serving_efficiency
from planner.performance.serving_loop import ServingRates, serving_rates
from planner.performance.serving_step import Replica, ServingSteps, serving_steps
from planner.recommend import Described, Recommend, recommendations
from planner.request import Serving
from planner.search import serving_space
from planner.search.best_first import Rows
from planner.search.columns import KV_PRECISIONS, PRECISIONS, BoolColumn, FloatColumn, IntColumn, ServingColumns
from planner.search.monotone import largest_true
from planner.search.shape import ModelShape

_CHUNK_ROWS = 32_768  # arrays of a chunk stay in the cache


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Everything about some candidates, row by row."""

    memory: ServingMemory
    steps: ServingSteps
    rates: ServingRates
    charges: Charges
    outcomes: Outcomes[ServingColumns]


@dataclass(frozen=True, slots=True)
class ServingStage:
    """What evaluating a replica needs besides its columns."""

    ground: Ground
    workload: Serving
    demand: ServingDemand
    efficiency: ServingEfficiency

    @classmethod
    def on(cls, ground: Ground, efficiency: ServingEfficiency) -> Self:
        """The stage for the request of `ground`, whose workload is serving."""
        workload = ground.request.workload
        assert isinstance(workload, Serving)  # noqa: S101 the pipeline chose this stage by the workload
        return cls(ground, workload, serving_demand(ground.subject.architecture), efficiency)

    def search(self, progress: Callable[[float], None]) -> tuple[Outcomes[ServingColumns], Account[ServingColumns]]:
        """Every replica on every platform at its best batch: the survivors worth showing, and the account."""
        account, survivors = Account[ServingColumns](), [Outcomes.none(ServingColumns.none())]
        cells = ServingColumns.concatenate([self.cells(platform) for platform in range(len(self.ground.precisions))])
        for start in range(0, len(cells), _CHUNK_ROWS):
            outcomes = self.outcomes(cells.take(np.arange(start, min(start + _CHUNK_ROWS, len(cells)))))
            account.record(outcomes)
            survivors.append(best_and_frontier(outcomes, self.ground.request.objective))
            progress(min(1.0, (start + _CHUNK_ROWS) / len(cells)))
        return Outcomes.concatenate(survivors), account

    def cells(self, platform: int) -> ServingColumns:
        """All replicas on one platform, batch 1."""
        request, stands = self.ground.request, self.ground.platforms
        kv = range(2) if self.workload.kv_precision == "auto" else [KV_PRECISIONS.index(self.workload.kv_precision)]
        return serving_space.cells(
            ModelShape.of(self.ground.subject.architecture),
            int(stands.scale_up_domain[platform]),
            request.limits.max_devices,
            self.ground.precisions[platform],
            tuple(kv),
        ).on(platform)

    def outcomes(self, cells: ServingColumns) -> Outcomes[ServingColumns]:
        """What each replica can do: the largest batch within its memory and the latency limits is its capacity; the
        number of replicas follows from the peak rate, and the batch that they then really run from theirs.
        """
        limit, rates, batch_at = self._at_limits(cells)
        capacity = rates(limit).requests_per_s
        replicas = self._replicas(capacity)
        each = self.workload.requests_per_s * self.workload.peak_to_mean / replicas
        idle = largest_true(limit, lambda index: rates(index).requests_per_s < each)
        return self.evaluate(replace(cells, batch=batch_at(np.minimum(idle + 1, limit))), capacity).outcomes

    def capacity(self, cells: ServingColumns) -> tuple[IntColumn, ServingRates]:
        """The largest batch of each replica within its memory and the latency limits (1 where there is none), and its rates."""
        limit, rates, batch_at = self._at_limits(cells)
        return batch_at(limit), rates(limit)

    def _at_limits(self, cells: ServingColumns) -> tuple[IntColumn, Callable[[IntColumn], ServingRates], Callable[[IntColumn], IntColumn]]:
        """Place of the largest batch on the ladder of batches, and what gives the rates and the batch at a place."""
        workload = self.workload
        max_batch = np.maximum(self.memory(cells).max_batch, 1)
        replica = Replica.on(self.demand, self.ground.platforms, cells, self.efficiency)
        prefill = replica.prefill(workload.input_tokens, self._cached_tokens)  # the same whatever the batch

        def batch_at(index: IntColumn) -> IntColumn:
            return serving_space.batch_at(index, max_batch)

        def rates(index: IntColumn) -> ServingRates:
            batch = batch_at(index).astype(np.float64)
            return self._rates(ServingSteps(replica.decode(batch, self._context_tokens), prefill), batch)

        def within_limits(index: IntColumn) -> BoolColumn:
            found = rates(index)
            return (found.ttft_s <= workload.ttft_s) & (found.tpot_s <= workload.tpot_s)

        top = serving_space.largest_index(max_batch)
        # Latencies grow with the batch, but for prompts that share passes; so the largest is tried before the bisection.
        limit = np.where(within_limits(top), top, np.maximum(largest_true(top, within_limits), 0)).astype(np.int32)
        return limit, rates, batch_at

    def _steps(self, columns: ServingColumns) -> ServingSteps:
        workload = self.workload
        return serving_steps(
            self.demand,
            self.ground.platforms,
            columns,
            input_tokens=workload.input_tokens,
            context_tokens=self._context_tokens,
            efficiency=self.efficiency,
            cached_tokens=self._cached_tokens,
        )

    @property
    def _context_tokens(self) -> float:
        """Mean context over a request's answer."""
        return self.workload.input_tokens + self.workload.output_tokens / 2

    @property
    def _cached_tokens(self) -> float:
        return self.workload.prefix_hit_rate * self.workload.input_tokens

    def _rates(self, steps: ServingSteps, batch: FloatColumn) -> ServingRates:
        return serving_rates(steps, batch, self.workload.output_tokens, self.efficiency)

    def _replicas(self, capacity_requests_per_s: FloatColumn) -> IntColumn:
        peak = self.workload.requests_per_s * self.workload.peak_to_mean
        return sizing.replicas(peak, capacity_requests_per_s * self.workload.utilisation_limit)

    def memory(self, columns: ServingColumns) -> ServingMemory:
        """Bytes on the fullest device of every row, and the batch that fits."""
        reserve = self.ground.request.assumptions.memory_reserve
        recipe = serving_recipe(self.workload.engine).model_copy(update={"utilisation": 1.0 - reserve})
        capacity = self.ground.platforms.memory_bytes[columns.platform]
        return serving_memory(self.ground.subject.architecture, self.workload, columns, capacity, recipe, self.ground.subject.stored)

    def evaluate(
        self, columns: ServingColumns, capacity_per_s: FloatColumn, clusters: list[ClusterDesign | None] | None = None
    ) -> Evaluated:
        """Memory, speed, size, money and limits of replicas that run `columns.batch` and can do `capacity_per_s` requests/s.

        Money and power are in closed form, or of the exact `clusters` where these are given.
        """
        workload, platform, request = self.workload, columns.platform, self.ground.request
        stands = self.ground.platforms
        memory, steps = self.memory(columns), self._steps(columns)
        rates = self._rates(steps, columns.batch.astype(np.float64))
        replicas = self._replicas(capacity_per_s)
        per_server = stands.devices_per_server[platform]
        servers = sizing.servers(replicas, columns.devices, per_server)
        bought, rented = servers.astype(np.int64) * per_server, replicas.astype(np.int64) * columns.devices
        period_s = np.full(len(columns), request.site.years * SECONDS_PER_YEAR)
        holdings = exact_holdings(self.ground.holdings(platform, bought), clusters)
        rent = self.ground.rent_usd_per_h[platform]
        money = charges(holdings, bought, rented, rent, period_s, request.site, request.assumptions)
        devices = np.minimum(np.where(money.rented, rented, bought), np.iinfo(np.int32).max).astype(np.int32)
        usable = stands.memory_bytes[platform] * (1.0 - request.assumptions.memory_reserve)
        reason, excess = first_broken(
            [
                ("memory", sum(memory_parts(memory, columns).values(), np.zeros(len(columns))) / usable),
                ("ttft", rates.ttft_s / workload.ttft_s),
                ("tpot", rates.tpot_s / workload.tpot_s),
                *limits_used(request.limits, devices, money),
            ]
        )
        outcomes = Outcomes(
            columns=columns,
            devices=devices,
            servers=servers,
            replicas=replicas,
            capacity_per_s=capacity_per_s,
            tokens_per_s=rates.tokens_per_s * replicas,
            time_s=rates.end_to_end_s,
            rented=money.rented,
            cost_usd=money.total_usd,
            at_least=money.at_least,
            facility_w=money.facility_w,
            energy_kwh=money.energy_kwh,
            reason=reason,
            excess=excess,
        )
        return Evaluated(memory, steps, rates, money, outcomes)

    def exact(self, chosen: Outcomes[ServingColumns]) -> tuple[Outcomes[ServingColumns], Recommend]:
        """The rows of `chosen` with their exact clusters, and what makes recommendations of some of them."""
        columns = chosen.columns
        needs = serving_host_needs(self.ground, columns.platform, self.memory(columns).weights_bytes, columns.devices)
        clusters = designs(self.ground, chosen, needs)
        known = self.evaluate(chosen.columns, chosen.capacity_per_s, clusters)

        def recommend(order: Rows) -> tuple[Recommendation, ...]:
            phases, described = self._phases(known), self._described
            return recommendations(self.ground, known.outcomes, known.charges, clusters, order, lambda row: described(known, phases, row))

        return known.outcomes, recommend

    def _phases(self, known: Evaluated) -> tuple[Phase, Phase]:
        """What one device does for a prompt and in a decode step."""
        columns, workload = known.outcomes.columns, self.workload
        replica = Replica.on(self.demand, self.ground.platforms, columns, self.efficiency)
        prompt = replica.prefill_work(workload.input_tokens, self._cached_tokens)
        step = replica.decode_work(columns.batch.astype(np.float64), self._context_tokens)
        return serving_phase("prefill", prompt, known.steps.prefill.alone), serving_phase("decode", step, known.steps.decode)

    def _described(self, known: Evaluated, phases: tuple[Phase, Phase], row: int) -> Described:
        outcomes, rates, workload = known.outcomes, known.rates, self.workload
        ttft_s, tpot_s = float(rates.ttft_s[row]), float(rates.tpot_s[row])
        capacity = float(outcomes.capacity_per_s[row]) * int(outcomes.replicas[row])
        peak = workload.requests_per_s * workload.peak_to_mean
        period_s = self.ground.request.site.years * SECONDS_PER_YEAR
        tokens_per_s = workload.requests_per_s * workload.output_tokens
        decode = known.steps.decode
        return Described(
            strategy=_strategy(known.outcomes.columns, row),
            performance=Performance(
                tokens_per_s=tokens_per_s,
                tokens_per_s_per_device=tokens_per_s / int(outcomes.devices[row]),
                ttft_s=ttft_s,
                tpot_s=tpot_s,
                end_to_end_s=float(rates.end_to_end_s[row]),
                capacity_requests_per_s=capacity,
                calibrated=self.efficiency.calibrated,
                ttft_interval=self._interval("ttft_s", ttft_s),
                tpot_interval=self._interval("tpot_s", tpot_s),
            ),
            memory=self._memory_use(known, row),
            bottleneck=bottleneck(decode.operations_s, decode.resources_s, row),
            roofline=roofline(phases, self.ground.platforms, int(outcomes.columns.platform[row]), row),
            headroom={
                "ttft": 1.0 - ttft_s / workload.ttft_s,
                "tpot": 1.0 - tpot_s / workload.tpot_s,
                "rate": 1.0 - peak / capacity,
            },
            tokens=workload.requests_per_s * (workload.input_tokens + workload.output_tokens) * period_s,
            period_s=period_s,
        )

    def _interval(self, quantity: str, seconds: float) -> Interval | None:
        """Between what four of five measured runs of unseen families lay, by kind of model."""
        span = load_serving_efficiency().fit.interval(quantity, experts=bool(self.demand.experts))
        return Interval(low=seconds * span.low, high=seconds * span.high, coverage=0.8) if span and self.efficiency.calibrated else None

    def _memory_use(self, known: Evaluated, row: int) -> MemoryUse:
        capacity = float(self.ground.platforms.memory_bytes[known.outcomes.columns.platform[row]])
        parts = {name: float(column[row]) for name, column in memory_parts(known.memory, known.outcomes.columns).items()}
        return MemoryUse(
            parts=parts,
            used_bytes=sum(parts.values()),
            capacity_bytes=capacity,
            reserve_bytes=capacity * self.ground.request.assumptions.memory_reserve,
        )


def memory_parts(memory: ServingMemory, columns: ServingColumns) -> dict[str, FloatColumn]:
    """Bytes on the fullest device while `columns.batch` requests run in the replica."""
    sequences = columns.batch / columns.attention_dp
    return {
        "weights": memory.weights_bytes,
        "kv_cache": memory.kv_bytes_per_sequence * sequences,
        "state": memory.state_bytes_per_sequence * sequences,
        "activations": memory.activation_bytes,
        "overhead": memory.overhead_bytes,
    }


def _strategy(columns: ServingColumns, row: int) -> Strategy:
    return Strategy(
        tp=int(columns.tp[row]),
        pp=int(columns.pp[row]),
        ep=int(columns.ep[row]),
        dp=int(columns.attention_dp[row]),
        precision=PRECISIONS[columns.precision[row]],
        kv_precision=KV_PRECISIONS[columns.kv_precision[row]],
        batch=float(columns.batch[row]),
    )
