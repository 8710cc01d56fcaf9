"""Disaggregated deployments: pools of replicas that prefill and of others that decode, on the same or on other chips.

Each pool is sized for the peak by itself, so that money, power and times of a pair are sums over its pools; a replica that
another of its platform beats in size and time is in no best pair (method: search, serving).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from planner.performance.disaggregation import fabric_transfer_s, layer_cache_bytes, prompts_per_s, queue_s
from planner.performance.serving_efficiency import KV_BYTES
from planner.performance.serving_loop import ServingRates
from planner.request import Objective
from planner.search.best_first import Rows
from planner.search.columns import KV_PRECISIONS, PRECISIONS, BoolColumn, DeploymentColumns, FloatColumn, IntColumn, ServingColumns
from planner.search.dominance import non_dominated
from planner.serving.model import ServedModel, ServedReplicas
from planner.sizing import servers


@dataclass(frozen=True, slots=True)
class Pool:
    """Replicas of one kind, as many as the peak needs, one row a candidate.

    columns         batch: requests decoded together, or prompts in flight
    capacity_per_s  requests/s of one replica within the limits
    seconds         per token; or to the first token, but for what the decoding replica adds to it
    """

    columns: ServingColumns
    replicas: IntColumn
    capacity_per_s: FloatColumn
    seconds: FloatColumn

    def __len__(self) -> int:
        return len(self.columns)

    def take(self, rows: Rows | BoolColumn) -> Self:
        """The candidates at `rows`."""
        return type(self)(self.columns.take(rows), self.replicas[rows], self.capacity_per_s[rows], self.seconds[rows])

    @classmethod
    def none(cls) -> Self:
        """No candidates."""
        return cls(ServingColumns.none(), np.zeros(0, dtype=np.int32), np.zeros(0), np.zeros(0))

    @classmethod
    def concatenate(cls, pools: Iterable[Self]) -> Self:
        """All candidates of `pools`, of which there is at least one."""
        every = list(pools)
        return cls(
            ServingColumns.concatenate([pool.columns for pool in every]),
            np.concatenate([pool.replicas for pool in every]),
            np.concatenate([pool.capacity_per_s for pool in every]),
            np.concatenate([pool.seconds for pool in every]),
        )


def decode_pool(replicas: ServedReplicas, objectives: Sequence[Objective] = ()) -> Pool:
    """Replicas that only decode: the largest batch within memory and the limit on time per token is their capacity.

    Under a limit on the whole answer they are sized in three ways: as if prompts took no time, the time that they take here, and
    all of it, which leaves a batch of one. Where time is an objective, they are also filled with a single request.
    """
    limit_s = replicas.model.workload.end_to_end_s
    left: tuple[float | FloatColumn, ...] = (0.0,) if limit_s is None else (0.0, unloaded_ttft_s(replicas), limit_s)
    return Pool.concatenate(pool for elsewhere_s in left for pool in _decode_pools(replicas, elsewhere_s, alone_too="time" in objectives))


def _decode_pools(replicas: ServedReplicas, elsewhere_s: float | FloatColumn, *, alone_too: bool) -> Iterator[Pool]:
    """`elsewhere_s` is left to the replica that prefills; filled as far as the limits allow, and with one request if `alone_too`."""
    model = replicas.model
    alone = replicas.without_prompts(np.ones(len(replicas.columns), dtype=np.bool_), elsewhere_s)
    limit = alone.limit()
    for place in (limit, np.zeros_like(limit)) if alone_too else (limit,):
        capacity = alone.rates_at(place).requests_per_s
        count = model.count(capacity)
        batch = alone.at_load(place, model.peak_requests_per_s / count)
        seconds = alone.decode(batch.astype(np.float64)).total_s
        yield Pool(replace(replicas.columns, batch=batch), count, capacity, seconds).take(replicas.memory.max_batch >= 1)


def prefill_pool(replicas: ServedReplicas) -> Pool:
    """Replicas that only prefill, sized in two ways: so that the limit on the first token holds for every time per token within
    its limit, and for none at all.
    """
    model, columns = replicas.model, replicas.columns
    fits = model.prompt_memory(columns).max_batch >= prompts_in_flight(replicas)
    batched = replace(columns, batch=prompts_in_flight(replicas))
    slowest_s = model.waited_tokens * model.workload.tpot_s
    return Pool.concatenate(_prefill_pool(replace(replicas, columns=batched), kept_s).take(fits) for kept_s in (slowest_s, 0.0))


def _prefill_pool(replicas: ServedReplicas, kept_s: float) -> Pool:
    """`kept_s` of the limit is left to the replica that decodes."""
    model, work_s = replicas.model, replicas.prefill.work_s
    unloaded_s = unloaded_ttft_s(replicas)
    capacity = prompts_per_s(work_s, model.workload.ttft_s - kept_s - unloaded_s)
    count = model.count(capacity)
    return Pool(replicas.columns, count, capacity, unloaded_s + prefill_queue_s(replicas, count))


def unloaded_ttft_s(replicas: ServedReplicas) -> FloatColumn:
    """Time to the first token of a prompt that finds a prefill replica idle, but for what the decoding replica adds."""
    engine = replicas.model.efficiency.engine
    return np.asarray(engine.request_s + engine.handover_s + replicas.reused.load_s + replicas.prefill.alone.total_s)


def prefill_queue_s(replicas: ServedReplicas, count: IntColumn) -> FloatColumn:
    """Mean wait at the peak in each of `count` prefill replicas."""
    busy = replicas.model.peak_requests_per_s / count * replicas.prefill.work_s
    return queue_s(np.minimum(busy, 1.0 - 1e-9), replicas.prefill.work_s)


def prompts_in_flight(replicas: ServedReplicas) -> IntColumn:
    """Prompts that a busy prefill replica holds: those that share a pass, on every attention rank and pipeline stage."""
    model, columns = replicas.model, replicas.columns
    together = np.maximum(
        1.0, model.efficiency.engine.batched_tokens // np.maximum(1.0, model.workload.input_tokens - replicas.reused.tokens)
    )
    return np.asarray(together * columns.attention_dp * columns.pp, dtype=np.int32)


def best_pools(model: ServedModel, decode: Pool, prefill: Pool, objectives: Sequence[Objective]) -> tuple[Pool, Pool]:
    """The candidates of both kinds that may be in the best pair of some platforms, whatever the limits: those that no other one of
    the same platform and formats beats in servers, devices and time, and in what else the objectives or the transfer look at.
    """
    generated = decode.replicas * decode.columns.batch / decode.seconds
    figures = [-generated] if "throughput" in objectives else []
    return _undominated(model, decode, (), figures), _undominated(model, prefill, [-prefill.columns.tp.astype(np.float64)], ())


def _undominated(model: ServedModel, pool: Pool, before: Sequence[FloatColumn], after: Sequence[FloatColumn]) -> Pool:
    columns = pool.columns
    per_server = model.ground.platforms.devices_per_server[columns.platform]
    own, devices = servers(pool.replicas, columns.devices, per_server), pool.replicas.astype(np.float64) * columns.devices
    gaps = per_server % columns.devices != 0  # such replicas do not share servers with others
    group = _with_formats(columns.platform, columns) * 2 + gaps
    return pool.take(non_dominated(group, np.stack([*before, own, devices, pool.seconds, *after], axis=1)))


def pairs(model: ServedModel, decode: Pool, prefill: Pool) -> tuple[Rows, Rows]:
    """Rows of every decoding and every prefilling candidate of one vendor, weight format and cache format."""
    order, first, counts = _partners(model, decode, prefill)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(np.arange(len(decode)), counts), order[np.repeat(first, counts) + within]


def pair_count(model: ServedModel, decode: Pool, prefill: Pool) -> int:
    """How many they are."""
    return int(_partners(model, decode, prefill)[2].sum())


def _partners(model: ServedModel, decode: Pool, prefill: Pool) -> tuple[Rows, Rows, Rows]:
    """An order of the prefilling candidates, and where in it those begin, and how many, that go with each decoding one."""
    hardware, stands = model.ground.hardware, model.ground.platforms
    _, vendor = np.unique([hardware.accelerators[id_].vendor for id_ in stands.accelerator_id], return_inverse=True)
    key, other = (_with_formats(vendor[columns.platform], columns) for columns in (decode.columns, prefill.columns))
    order = np.argsort(other, kind="stable")
    first, last = (np.searchsorted(other[order], key, side=side) for side in ("left", "right"))
    return order, first, last - first


def _with_formats(place: NDArray[np.integer], columns: ServingColumns) -> NDArray[np.integer]:
    """`place` and the formats of weights and cache as one number."""
    return (place * len(PRECISIONS) + columns.precision) * len(KV_PRECISIONS) + columns.kv_precision


def pair_rates(
    model: ServedModel, deployments: DeploymentColumns, replicas: IntColumn, tpot_s: FloatColumn, prefill_s: FloatColumn
) -> ServingRates:
    """Means of pairs whose decoding replicas take `tpot_s` per token and whose prompts are ready after `prefill_s`."""
    stands, output = model.ground.platforms, model.workload.output_tokens
    here, there = deployments.platform, deployments.prefill_platform
    used = replicas.astype(np.int64) * deployments.devices + deployments.prefill_replicas.astype(np.int64) * deployments.prefill.devices
    layer = layer_cache_bytes(model.demand, np.array(KV_BYTES)[deployments.kv_precision], model.workload.input_tokens)
    transfer_s = fabric_transfer_s(
        model.demand,
        layer,
        deployments.prefill_tp,
        (here == there) & (used <= stands.scale_up_domain[here]),
        stands.network.take(there),
        stands.network.take(here),
    )
    ttft_s = prefill_s + transfer_s + model.waited_tokens * tpot_s
    requests_per_s = deployments.batch / (output * tpot_s)
    batch = deployments.batch.astype(np.float64)
    return ServingRates(ttft_s, tpot_s, ttft_s + (output - 1.0) * tpot_s, requests_per_s, requests_per_s * output, batch)
