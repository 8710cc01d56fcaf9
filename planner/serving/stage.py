"""Serving, from candidate replicas to outcomes: sizing, money and power, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from planner.answer import Recommendation
from planner.economics.charges import Charges
from planner.goals import Goal
from planner.ground import Ground
from planner.outcomes import REASONS, Account, Outcomes, first_broken, limits_used
from planner.performance.serving_loop import ServingRates
from planner.recommend import Recommend, recommendations
from planner.request import Objective
from planner.search.best_first import Rows
from planner.search.columns import BoolColumn, DeploymentColumns, FloatColumn, IntColumn, ServingColumns, chunks
from planner.search.monotone import largest_true
from planner.serving.clusters import Clusters, Designs
from planner.serving.described import Evaluated, Phases, described
from planner.serving.model import ServedModel, ServedReplicas
from planner.serving.pairs import Pool, best_pools, decode_pool, pair_count, pair_rates, pairs, prefill_pool
from planner.serving.running import Running, memory_share


@dataclass(frozen=True, slots=True)
class ServingStage:
    """The search for deployments of a served model."""

    model: ServedModel

    @property
    def ground(self) -> Ground:
        """What the candidates stand on."""
        return self.model.ground

    def search(self, goal: Goal, progress: Callable[[float], None]) -> tuple[Outcomes[DeploymentColumns], Account[DeploymentColumns]]:
        """Every replica on every platform at its best batch, alone and in pairs: what `goal` keeps, and the account."""
        account, survivors = Account[DeploymentColumns](), [Outcomes.none(DeploymentColumns.of(ServingColumns.none()))]
        found = [self.model.cells(platform) for platform in range(len(self.ground.precisions))]
        for platform, own in enumerate(found):
            account.refuse(platform, self.model.refused(platform), "engine", wholly=not len(own))
        cells = ServingColumns.concatenate(found)
        wanted, pools = self.model.workload.deployment, [(Pool.none(), Pool.none())]

        def keep(outcomes: Outcomes[DeploymentColumns]) -> None:
            account.record(outcomes)
            survivors.append(goal.learn(outcomes))

        for part in chunks(len(cells)):
            replicas = self.model.replicas(cells.take(part))
            if wanted == "disaggregated":
                self._record_unfit(replicas, account)
            else:
                for limit in self._limits(replicas, goal.objectives):
                    keep(self.aggregated(replicas, limit))
            if wanted != "aggregated":
                pools.append((decode_pool(replicas, goal.objectives), prefill_pool(replicas)))
            progress(min(1.0, part.stop / len(cells)))
        decode, prefill = (Pool.concatenate(kind) for kind in zip(*pools, strict=True))
        account.pruned += pair_count(self.model, decode, prefill)
        for outcomes in self.disaggregated(*best_pools(self.model, decode, prefill, goal.objectives)):
            account.pruned -= len(outcomes)
            keep(outcomes)
        return Outcomes.concatenate(survivors), account

    def _limits(self, replicas: ServedReplicas, objectives: tuple[Objective, ...]) -> Iterator[IntColumn]:
        """Places on the ladder of batches up to which replicas are filled, as far as `objectives` can tell them apart.

        The fuller they are, the fewer are needed: money, power and carbon are least at the largest batch within memory and
        the latency limits. Time is least at the smallest that the limits on devices, money and power allow; a frontier of
        time wants all of them.
        """
        limit = replicas.limit()
        yield limit
        if objectives == ("time",):
            too_many = largest_true(limit, lambda index: ~self._allowed(replicas, index))
            yield np.minimum(too_many + 1, limit)
        elif "time" in objectives:
            yield from (np.minimum(place, limit) for place in range(int(limit.max(initial=0))))

    def _allowed(self, replicas: ServedReplicas, limit: IntColumn) -> BoolColumn:
        """Whether as many replicas as it takes, each filled up to `limit`, are within the limits on devices, money, power, room."""
        count = self.model.count(replicas.rates_at(limit).requests_per_s)
        clusters = Clusters.of(self.ground, DeploymentColumns.of(replicas.columns), count)
        money = clusters.charges(self.ground, None)
        reason, _ = first_broken(limits_used(self.ground.request.limits, clusters.paid_devices(money.rented), money))
        return np.asarray(reason == 0)

    def aggregated(self, replicas: ServedReplicas, limit: IntColumn) -> Outcomes[DeploymentColumns]:
        """Replicas that prefill and decode, filled up to the place `limit` of the ladder of batches: that is their capacity;
        their number follows from the peak rate, and the batch that they then really run from that.
        """
        capacity = replicas.rates_at(limit).requests_per_s
        count = self.model.count(capacity)
        batch = replicas.at_load(limit, self.model.peak_requests_per_s / count)
        rates = replicas.rates(replicas.steps(batch), batch)
        deployments = DeploymentColumns.of(replace(replicas.columns, batch=batch))
        return self.evaluated(deployments, count, capacity, rates, memory_share(replicas, batch))[1]

    def disaggregated(self, decode: Pool, prefill: Pool) -> Iterator[Outcomes[DeploymentColumns]]:
        """All pairs of two pools, whose candidates fit into memory."""
        left, right = pairs(self.model, decode, prefill)
        for part in chunks(len(left)):
            here, there = decode.take(left[part]), prefill.take(right[part])
            deployments = DeploymentColumns.of(here.columns, there.columns, there.replicas)
            rates = pair_rates(self.model, deployments, here.replicas, here.seconds, there.seconds)
            yield self.evaluated(deployments, here.replicas, here.capacity_per_s, rates, np.zeros(len(here)))[1]

    def _record_unfit(self, replicas: ServedReplicas, account: Account[DeploymentColumns]) -> None:
        """Replicas that not even one request fits into."""
        unfit = replicas.memory.max_batch < 1
        share = memory_share(replicas, np.ones_like(replicas.columns.batch))[unfit]
        account.evaluated += len(share)
        account.rejected.update({"memory": len(share)} if len(share) else {})
        account.miss(replicas.columns.platform[unfit], REASONS.index("memory"), np.maximum(share - 1.0, 0.0))

    def evaluated(
        self,
        deployments: DeploymentColumns,
        count: IntColumn,
        capacity_per_s: FloatColumn,
        rates: ServingRates,
        memory: FloatColumn,
        exact: tuple[Designs, Designs] | None = None,
    ) -> tuple[Charges, Outcomes[DeploymentColumns]]:
        """Size, money and limits of `count` decoding replicas that can do `capacity_per_s` requests/s each and use the share
        `memory` of what they may. Money and power are in closed form, or of the `exact` designs where these are given.
        """
        clusters = Clusters.of(self.ground, deployments, count)
        money = clusters.charges(self.ground, exact)
        devices = clusters.paid_devices(money.rented)
        reason, excess = first_broken(
            [
                ("memory", memory),
                *self.model.limits_used(rates),
                *limits_used(self.ground.request.limits, devices, money),
            ]
        )
        outcomes = Outcomes(
            columns=deployments,
            devices=devices,
            servers=clusters.servers,
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
        return money, outcomes

    def exact(self, chosen: Outcomes[DeploymentColumns]) -> tuple[Outcomes[DeploymentColumns], Recommend]:
        """The rows of `chosen` with their exact clusters, and what makes recommendations of some of them."""
        running = Running.of(self.model, chosen.columns, chosen.replicas)
        clusters = Clusters.of(self.ground, chosen.columns, chosen.replicas)
        designs = clusters.designs(self.ground, chosen.rented, running.host_needs(clusters))
        money, outcomes = self.evaluated(
            chosen.columns, chosen.replicas, chosen.capacity_per_s, running.rates, running.memory_share, designs
        )
        known = Evaluated(running, clusters, designs, money, outcomes)

        def recommend(order: Rows) -> tuple[Recommendation, ...]:
            phases = Phases.of(running)
            return recommendations(self.ground, outcomes, money, designs[0], order, lambda row: described(known, phases, row))

        return outcomes, recommend
