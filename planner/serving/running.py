"""Deployments at work: the speed and memory of chosen ones, replicas that decode beside those that prefill."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np

from planner.hosts import HostNeeds, serving_host_needs
from planner.memory.serving import ServingMemory
from planner.performance.disaggregation import prompts_per_s
from planner.performance.kv_offload import tier_bytes
from planner.performance.serving_loop import ServingRates
from planner.performance.serving_step import ServingSteps
from planner.search.columns import DeploymentColumns, FloatColumn, IntColumn, ServingColumns
from planner.serving.clusters import Clusters
from planner.serving.model import ServedModel, ServedReplicas
from planner.serving.pairs import pair_rates, prefill_queue_s, unloaded_ttft_s


@dataclass(frozen=True)
class Running:
    """Rows of deployments; where nothing is disaggregated `prefill` repeats `decode`.

    count   replicas that decode
    steps   of these: a step that no prompt disturbs; and the prompts of either
    """

    columns: DeploymentColumns
    count: IntColumn
    decode: ServedReplicas
    prefill: ServedReplicas
    steps: ServingSteps
    rates: ServingRates

    @classmethod
    def of(cls, model: ServedModel, columns: DeploymentColumns, count: IntColumn) -> Self:
        """`count` decoding replicas of each row of `columns`."""
        apart, prefill = columns.disaggregated, model.replicas(columns.prefill)
        decode = model.replicas(columns).without_prompts(apart)
        steps = decode.steps(columns.batch)
        alone = decode.rates(steps, columns.batch)
        ready_s = unloaded_ttft_s(prefill) + prefill_queue_s(prefill, np.maximum(columns.prefill_replicas, 1))
        paired = pair_rates(model, columns, count, alone.tpot_s, ready_s)
        names = [item.name for item in fields(ServingRates)]
        rates = ServingRates(**{name: np.where(apart, getattr(paired, name), getattr(alone, name)) for name in names})
        return cls(columns, count, decode, prefill, ServingSteps(steps.decode, prefill.prefill), rates)

    @property
    def model(self) -> ServedModel:
        """What is served."""
        return self.decode.model

    @cached_property
    def prefill_memory(self) -> ServingMemory:
        """Memory of the replicas that prefill alone."""
        return self.model.prompt_memory(self.columns.prefill)

    @cached_property
    def prefill_capacity_per_s(self) -> FloatColumn:
        """Requests/s of one replica that prefills within the limit on the first token, with this time per token."""
        model = self.model
        spare_s = model.workload.ttft_s - unloaded_ttft_s(self.prefill) - model.waited_tokens * self.rates.tpot_s
        return prompts_per_s(self.prefill.prefill.work_s, spare_s)

    @cached_property
    def prompt_time_share(self) -> FloatColumn:
        """Share of a replica's time that prompts take where it prefills and decodes: T_pf over that and o T_dec / B (equation 7.2)."""
        decode_s = self.model.workload.output_tokens * self.steps.decode.total_s / self.columns.batch
        return np.asarray(self.steps.prefill.work_s / (self.steps.prefill.work_s + decode_s))

    @cached_property
    def limited_by(self) -> list[str]:
        """What keeps a decoding replica from a larger batch, by the code of the limit; "rate": one replica has enough of it."""
        limit, top = self.decode.limit(), self.decode.top
        used = dict(self.model.limits_used(self.decode.rates_at(np.minimum(limit + 1, top))))
        latency = np.array(list(used))[np.argmax(list(used.values()), axis=0)]
        codes: list[str] = np.where(self.count == 1, "rate", np.where(limit >= top, "memory", latency)).tolist()
        return codes

    @cached_property
    def memory_share(self) -> FloatColumn:
        """Use over what may be used of the fullest device of either kind."""
        decode, columns = memory_share(self.decode, self.columns.batch), self.columns
        prefill = _share(self.model, self.prefill_memory, columns.prefill, columns.prefill_batch)
        return np.where(columns.disaggregated, np.maximum(decode, prefill), decode)

    def kept_bytes(self, clusters: Clusters) -> FloatColumn:
        """Caches of past prompts that each server with replicas that prefill keeps in its tier."""
        servers = np.where(clusters.apart, clusters.second.servers, clusters.first.servers)
        return tier_bytes(self.model.workload.cached_sessions, self.prefill.reused.tier_bytes) / servers

    def host_needs(self, clusters: Clusters) -> tuple[HostNeeds, HostNeeds]:
        """What a server of each cluster must hold: of a shared one, for whichever kind needs more."""
        ground, columns, tier = self.model.ground, self.columns, self.model.workload.kv_offload
        weights, kept, prefill = self.prefill_memory.weights_bytes, self.kept_bytes(clusters), columns.prefill
        decodes = serving_host_needs(ground, columns.platform, self.decode.memory.weights_bytes, columns.devices, 0.0 * kept, tier)
        prefills = serving_host_needs(ground, prefill.platform, weights, prefill.devices, kept, tier)
        return decodes.at_least(prefills, where=~clusters.apart), prefills


def memory_share(replicas: ServedReplicas, batch: IntColumn) -> FloatColumn:
    """Use over what may be used of the fullest device while `batch` requests run in each replica."""
    return _share(replicas.model, replicas.memory, replicas.columns, batch)


def _share(model: ServedModel, memory: ServingMemory, columns: ServingColumns, batch: IntColumn) -> FloatColumn:
    usable = model.ground.platforms.memory_bytes[columns.platform] * (1.0 - model.ground.request.assumptions.memory_reserve)
    return np.asarray(sum(memory_parts(memory, batch, columns.attention_dp).values(), np.zeros(len(columns))) / usable)


def memory_parts(memory: ServingMemory, batch: IntColumn, attention_dp: IntColumn) -> dict[str, FloatColumn]:
    """Bytes on the fullest device while `batch` requests run in the replica."""
    sequences = batch / attention_dp
    return {
        "weights": memory.weights_bytes,
        "kv_cache": memory.kv_bytes_per_sequence * sequences,
        "state": memory.state_bytes_per_sequence * sequences,
        "activations": memory.activation_bytes,
        "overhead": memory.overhead_bytes,
    }
