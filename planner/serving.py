"""Serving, from candidate replicas to outcomes: sizing, money and power, limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from planner import sizing
from planner.answer import Recommendation
from planner.cluster.design import ClusterDesign
from planner.economics.charges import charges
from planner.economics.cost import SECONDS_PER_YEAR
from planner.exact import designs, exact_holdings
from planner.goals import Goal
from planner.ground import Ground
from planner.hosts import serving_host_needs
from planner.outcomes import Account, Outcomes, first_broken, limits_used
from planner.performance.serving_efficiency import ServingEfficiency
from planner.recommend import Recommend, recommendations
from planner.search.best_first import Rows
from planner.search.columns import FloatColumn, IntColumn, ServingColumns, chunks
from planner.served_model import ServedModel, ServedReplicas
from planner.serving_answer import Evaluated, described, memory_parts, phases


@dataclass(frozen=True, slots=True)
class ServingStage:
    """The search for replicas of a served model."""

    model: ServedModel

    @classmethod
    def on(cls, ground: Ground, efficiency: ServingEfficiency) -> Self:
        """The stage for the request of `ground`, whose workload is serving."""
        return cls(ServedModel.on(ground, efficiency))

    @property
    def ground(self) -> Ground:
        """What the candidates stand on."""
        return self.model.ground

    def search(self, goal: Goal, progress: Callable[[float], None]) -> tuple[Outcomes[ServingColumns], Account[ServingColumns]]:
        """Every replica on every platform at its best batch: the survivors worth showing, and the account."""
        account, survivors = Account[ServingColumns](), [Outcomes.none(ServingColumns.none())]
        cells = ServingColumns.concatenate([self.model.cells(platform) for platform in range(len(self.ground.precisions))])
        for part in chunks(len(cells)):
            outcomes = self.outcomes(cells.take(part))
            account.record(outcomes)
            survivors.append(goal.learn(outcomes))
            progress(min(1.0, part.stop / len(cells)))
        return Outcomes.concatenate(survivors), account

    def outcomes(self, cells: ServingColumns) -> Outcomes[ServingColumns]:
        """What each replica can do: the largest batch within its memory and the latency limits is its capacity; the
        number of replicas follows from the peak rate, and the batch that they then really run from theirs.
        """
        replicas = self.model.replicas(cells)
        limit = replicas.limit()
        capacity = replicas.rates_at(limit).requests_per_s
        batch = replicas.at_load(limit, self.model.peak_requests_per_s / self._replicas(capacity))
        return self._evaluated(replicas, batch, capacity).outcomes

    def _replicas(self, capacity_requests_per_s: FloatColumn) -> IntColumn:
        return sizing.replicas(self.model.peak_requests_per_s, capacity_requests_per_s * self.model.workload.utilisation_limit)

    def _evaluated(
        self, replicas: ServedReplicas, batch: IntColumn, capacity_per_s: FloatColumn, clusters: list[ClusterDesign | None] | None = None
    ) -> Evaluated:
        """Speed, size, money and limits of replicas that run `batch` requests and can do `capacity_per_s` requests/s.

        Money and power are in closed form, or of the exact `clusters` where these are given.
        """
        columns, workload, request = replace(replicas.columns, batch=batch), self.model.workload, self.ground.request
        stands, platform = self.ground.platforms, columns.platform
        steps = replicas.steps(batch)
        rates = replicas.rates(steps, batch)
        count = self._replicas(capacity_per_s)
        per_server = stands.devices_per_server[platform]
        servers = sizing.servers(count, columns.devices, per_server)
        bought, rented = servers.astype(np.int64) * per_server, count.astype(np.int64) * columns.devices
        period_s = np.full(len(columns), request.site.years * SECONDS_PER_YEAR)
        holdings = exact_holdings(self.ground.holdings(platform, bought), clusters)
        rent = self.ground.rent_usd_per_h[platform]
        money = charges(holdings, bought, rented, rent, period_s, request.site, request.assumptions)
        devices = np.minimum(np.where(money.rented, rented, bought), np.iinfo(np.int32).max).astype(np.int32)
        usable = stands.memory_bytes[platform] * (1.0 - request.assumptions.memory_reserve)
        reason, excess = first_broken(
            [
                ("memory", sum(memory_parts(replicas.memory, columns).values(), np.zeros(len(columns))) / usable),
                ("ttft", rates.ttft_s / workload.ttft_s),
                ("tpot", rates.tpot_s / workload.tpot_s),
                *limits_used(request.limits, devices, money),
            ]
        )
        outcomes = Outcomes(
            columns=columns,
            devices=devices,
            servers=servers,
            replicas=count,
            capacity_per_s=capacity_per_s,
            tokens_per_s=rates.tokens_per_s * count,
            time_s=rates.end_to_end_s,
            rented=money.rented,
            cost_usd=money.total_usd,
            at_least=money.at_least,
            facility_w=money.facility_w,
            energy_kwh=money.energy_kwh,
            reason=reason,
            excess=excess,
        )
        return Evaluated(replicas, steps, rates, money, outcomes)

    def exact(self, chosen: Outcomes[ServingColumns]) -> tuple[Outcomes[ServingColumns], Recommend]:
        """The rows of `chosen` with their exact clusters, and what makes recommendations of some of them."""
        columns, replicas = chosen.columns, self.model.replicas(chosen.columns)
        needs = serving_host_needs(self.ground, columns.platform, replicas.memory.weights_bytes, columns.devices)
        clusters = designs(self.ground, chosen, needs)
        known = self._evaluated(replicas, columns.batch, chosen.capacity_per_s, clusters)

        def recommend(order: Rows) -> tuple[Recommendation, ...]:
            shown = phases(known)
            return recommendations(self.ground, known.outcomes, known.charges, clusters, order, lambda row: described(known, shown, row))

        return known.outcomes, recommend
