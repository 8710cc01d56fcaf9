"""The model of a serving request on the platforms it may run on: what replicas of it hold, and what they do at which batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from planner import sizing
from planner.cluster.cache_tier import read_bytes_per_s
from planner.ground import Ground
from planner.memory.engines import serving_recipe
from planner.memory.serving import ServingMemory, serving_memory
from planner.performance.kv_offload import break_even_bytes_per_s, cache_bytes, cache_ranks
from planner.performance.serving_demand import ServingDemand, serving_demand
from planner.performance.serving_efficiency import ServingEfficiency
from planner.performance.serving_loop import ServingRates, serving_rates
from planner.performance.serving_step import PassTimes, Prefill, Replica, ServingSteps
from planner.performance.speculation import SpeculatingReplica, Speculation
from planner.request import Serving
from planner.search import serving_space
from planner.search.columns import KV_PRECISIONS, PRECISIONS, BoolColumn, FloatColumn, IntColumn, ServingColumns
from planner.search.monotone import largest_true
from planner.search.shape import ModelShape
from planner.serving.engine_support import runs


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What evaluating a replica needs besides its columns."""

    ground: Ground
    workload: Serving
    demand: ServingDemand
    speculation: Speculation | None
    tier_bytes_per_s: FloatColumn | None  # of one device of each platform; None: past prompts stay in device memory
    efficiency: ServingEfficiency

    @classmethod
    def on(cls, ground: Ground, efficiency: ServingEfficiency) -> Self:
        """The model of the request of `ground`, whose workload is serving."""
        workload = ground.request.workload
        assert isinstance(workload, Serving)  # noqa: S101 the pipeline chose this stage by the workload
        demand = serving_demand(ground.subject.architecture)
        return cls(ground, workload, demand, _speculation(ground, workload), _tier_bytes_per_s(ground, workload), efficiency)

    @property
    def context_tokens(self) -> float:
        """Mean context over a request's answer."""
        return self.workload.input_tokens + self.workload.output_tokens / 2

    @property
    def cached_tokens(self) -> float:
        """Tokens of a prompt that are found in the prefix cache."""
        return self.workload.prefix_hit_rate * self.workload.input_tokens

    @property
    def peak_requests_per_s(self) -> float:
        """Rate that the deployment is sized for."""
        return self.workload.requests_per_s * self.workload.peak_to_mean

    def cells(self, platform: int) -> ServingColumns:
        """All replicas on one platform that the engine is not known to refuse, batch 1."""
        return self._cells(platform, tuple(one for one in self.ground.precisions[platform] if runs(self.ground, platform, one)))

    def refused(self, platform: int) -> int:
        """How many replicas the engine refuses there."""
        return len(self._cells(platform, tuple(one for one in self.ground.precisions[platform] if not runs(self.ground, platform, one))))

    def _cells(self, platform: int, precisions: tuple[int, ...]) -> ServingColumns:
        kv = range(2) if self.workload.kv_precision == "auto" else [KV_PRECISIONS.index(self.workload.kv_precision)]
        return serving_space.cells(
            ModelShape.of(self.ground.subject.architecture),
            int(self.ground.platforms.scale_up_domain[platform]),
            self.ground.request.limits.max_devices,
            precisions,
            tuple(kv),
        ).on(platform)

    def memory(self, columns: ServingColumns) -> ServingMemory:
        """Bytes on the fullest device of every row, and the batch that fits. A draft lies beside the model on every device."""
        subject, workload = self.ground.subject, self.workload
        utilisation = 1.0 - self.ground.request.assumptions.memory_reserve
        changed = {"utilisation": utilisation, "prediction_layers": workload.speculation == "mtp"}
        recipe = serving_recipe(workload.engine).model_copy(update=changed)
        capacity = self.ground.platforms.memory_bytes[columns.platform]
        beside = None
        if workload.speculation == "draft" and subject.draft and self.speculation:
            stage = self.speculation.on_one_stage(columns)
            beside = serving_memory(subject.draft.architecture, workload, stage, capacity, recipe, subject.draft.stored)
        return serving_memory(subject.architecture, workload, columns, capacity, recipe, subject.stored, beside)

    def prompt_memory(self, columns: ServingColumns) -> ServingMemory:
        """The same of replicas that prefill alone: `max_batch` prompts without answers fit."""
        return replace(self, workload=self.workload.model_copy(update={"output_tokens": 0})).memory(columns)

    def count(self, capacity_requests_per_s: FloatColumn) -> IntColumn:
        """Replicas for the peak, each used up to the planned share of its capacity."""
        return sizing.replicas(self.peak_requests_per_s, capacity_requests_per_s * self.workload.utilisation_limit)

    def limits_used(self, rates: ServingRates) -> list[tuple[str, FloatColumn]]:
        """Use over allowance of each limit on latency, by its code."""
        workload = self.workload
        used = [("ttft", rates.ttft_s / workload.ttft_s), ("tpot", rates.tpot_s / workload.tpot_s)]
        return used if workload.end_to_end_s is None else [*used, ("end_to_end", rates.end_to_end_s / workload.end_to_end_s)]

    @property
    def waited_tokens(self) -> float:
        """Tokens of a running request in whose time a new one waits for the steps in flight: a speculated step yields several."""
        return self.efficiency.engine.steps_waited * (self.speculation.tokens_per_step if self.speculation else 1.0)

    def replicas(self, columns: ServingColumns) -> ServedReplicas:
        """The replicas of `columns` with what does not depend on their batch."""
        stands = self.ground.platforms
        plain = Replica.on(self.demand, stands, columns, self.efficiency)
        replica = SpeculatingReplica.on(plain, stands, columns, self.efficiency, self.speculation) if self.speculation else plain
        reused = self._reused(plain)
        return ServedReplicas(self, columns, replica, replica.prefill(self.workload.input_tokens, reused.tokens), reused)

    def _reused(self, replica: Replica) -> Reused:
        """What of each prompt is found in a cache. Out of a tier only where loading it is faster than computing it again."""
        columns, tokens = replica.columns, np.full(len(replica.columns), self.cached_tokens)
        if self.tier_bytes_per_s is None or not self.cached_tokens:
            return Reused(tokens, np.zeros(len(columns)), np.zeros(len(columns)))
        kept = cache_bytes(self.demand, replica.device.kv_bytes, tokens)
        rate = cache_ranks(self.demand, columns.tp) * columns.pp * self.tier_bytes_per_s[columns.platform]
        whole, rest = (replica.prefill(self.workload.input_tokens, found).alone.total_s for found in (0.0, tokens))
        pays = rate >= break_even_bytes_per_s(kept, whole - rest)
        return Reused(np.where(pays, tokens, 0.0), np.where(pays, kept, 0.0), np.where(pays, kept / rate, 0.0))


@dataclass(frozen=True, slots=True)
class Reused:
    """Of one prompt: tokens whose cache is found, and of those that lie in a tier, bytes and the time to load them."""

    tokens: FloatColumn
    tier_bytes: FloatColumn
    load_s: FloatColumn


@dataclass(frozen=True)
class ServedReplicas:
    """Candidate replicas of a served model."""

    model: ServedModel
    columns: ServingColumns
    replica: Replica | SpeculatingReplica
    prefill: Prefill
    reused: Reused

    @cached_property
    def memory(self) -> ServingMemory:
        """As `ServedModel.memory`."""
        return self.model.memory(self.columns)

    @cached_property
    def _max_batch(self) -> IntColumn:
        return np.maximum(self.memory.max_batch, 1)

    def without_prompts(self, rows: BoolColumn, elsewhere_s: float | FloatColumn = 0.0) -> Self:
        """The same where in `rows` no prompts disturb: other replicas prefill them, in `elsewhere_s` of the time to the first token."""
        kept, prefill = (~rows).astype(np.float64), self.prefill
        alone = PassTimes(kept * prefill.alone.total_s + np.where(rows, elsewhere_s, 0.0), {}, {}, kept * prefill.alone.weights_s)
        found = Reused(*(kept * column for column in (self.reused.tokens, self.reused.tier_bytes, self.reused.load_s)))
        return replace(self, prefill=Prefill(alone, kept * prefill.alone_work_s, kept * prefill.work_s), reused=found)

    def decode(self, batch: FloatColumn) -> PassTimes:
        """Time per token of `batch` requests that no prompt disturbs."""
        return self.replica.decode(batch, self.model.context_tokens)

    def steps(self, batch: IntColumn) -> ServingSteps:
        """A decode step of `batch` requests (when speculating: its share of one token), and prompts."""
        return ServingSteps(self.decode(batch.astype(np.float64)), self.prefill)

    def rates(self, steps: ServingSteps, batch: IntColumn) -> ServingRates:
        """Means with `batch` requests running in each replica at all times."""
        model = self.model
        rates = serving_rates(steps, batch.astype(np.float64), model.workload.output_tokens, model.efficiency)
        if model.speculation is None and model.tier_bytes_per_s is None:
            return rates
        further_s = self.reused.load_s + (model.waited_tokens - model.efficiency.engine.steps_waited) * steps.decode.total_s
        return replace(rates, ttft_s=rates.ttft_s + further_s, end_to_end_s=rates.end_to_end_s + further_s)

    def batch_at(self, index: IntColumn) -> IntColumn:
        """The batch at `index` of the ladder of batches, at most what memory holds."""
        return serving_space.batch_at(index, self._max_batch)

    def rates_at(self, index: IntColumn) -> ServingRates:
        """Means at a place of the ladder of batches."""
        batch = self.batch_at(index)
        return self.rates(self.steps(batch), batch)

    @property
    def top(self) -> IntColumn:
        """Place on the ladder of the batch that memory holds."""
        return serving_space.largest_index(self._max_batch)

    def limit(self) -> IntColumn:
        """Place on the ladder of the largest batch within memory and the latency limits; 0 where there is none."""
        limits_used = self.model.limits_used

        def within_limits(index: IntColumn) -> BoolColumn:
            kept: BoolColumn = np.all([used <= 1.0 for _, used in limits_used(self.rates_at(index))], axis=0)
            return kept

        top = self.top
        # Latencies grow with the batch, but for prompts that share passes; so the largest is tried before the bisection.
        return np.where(within_limits(top), top, np.maximum(largest_true(top, within_limits), 0)).astype(np.int32)

    def at_load(self, limit: IntColumn, requests_per_s: FloatColumn) -> IntColumn:
        """The smallest batch of the ladder, up to its place `limit`, at which each replica answers `requests_per_s`."""
        idle = largest_true(limit, lambda index: self.rates_at(index).requests_per_s < requests_per_s)
        return self.batch_at(np.minimum(idle + 1, limit))


def _speculation(ground: Ground, workload: Serving) -> Speculation | None:
    """How tokens are drafted; a draft model in its published format, prediction layers in that of the model."""
    draft = ground.subject.draft
    if draft is None:
        return None
    precision = PRECISIONS.index(draft.native_format) if workload.speculation == "draft" else None
    return Speculation(serving_demand(draft.architecture), precision, workload.drafted_tokens, workload.draft_acceptance)


def _tier_bytes_per_s(ground: Ground, workload: Serving) -> FloatColumn | None:
    """Rate at which one device of each platform reads the tier that keeps past prompts."""
    if workload.kv_offload == "none":
        return None
    hardware, stands = ground.hardware, ground.platforms
    pairs = zip(stands.accelerator_id, stands.server_id, strict=True)
    return np.array(
        [
            read_bytes_per_s(hardware, hardware.accelerators[chip], hardware.servers.get(server), workload.kv_offload)
            for chip, server in pairs
        ]
    )
