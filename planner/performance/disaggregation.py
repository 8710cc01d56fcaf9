"""Prefill and decode on replicas of their own, possibly of other chips (DistServe arXiv:2401.09670, equation 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.collectives import Network, point_to_point_s
from planner.performance.kv_offload import cache_bytes, cache_ranks
from planner.performance.serving_demand import ServingDemand
from planner.performance.serving_loop import Load, ServingRates
from planner.performance.serving_step import Replica
from planner.search.columns import BoolColumn, FloatColumn, IntColumn

_BUSIEST = 0.9  # as in `serving_loop`
_ROUNDS = 6
_CAPACITY = 0.97  # of the prefill pool; a closed loop never fills it entirely


@dataclass(frozen=True, slots=True)
class Pools:
    """Replicas of each kind in one deployment, and the link between them."""

    prefill: Replica
    decode: Replica
    prefill_replicas: FloatColumn
    decode_replicas: FloatColumn
    transfer_bytes_per_s: FloatColumn  # of one prefill replica, all its devices together


def layer_cache_bytes(demand: ServingDemand, kv_bytes: FloatColumn, input_tokens: float | FloatColumn) -> FloatColumn:
    """Cache and state of a prompt in one layer: layer by layer they move during the prefill, so that the last one's are left."""
    return cache_bytes(demand, kv_bytes, input_tokens) / max(demand.mixers, 1)


def transfer_s(pools: Pools, input_tokens: float | FloatColumn) -> FloatColumn:
    """What is left of moving a prompt's cache when its prefill ends."""
    prefill = pools.prefill
    return np.asarray(layer_cache_bytes(prefill.demand, prefill.device.kv_bytes, input_tokens) / pools.transfer_bytes_per_s)


def fabric_transfer_s(
    demand: ServingDemand, layer_bytes: FloatColumn, tp: IntColumn, within_domain: BoolColumn, prefill: Network, decode: Network
) -> FloatColumn:
    """The same over the slower of two platforms' fabrics: each tensor-parallel rank sends the heads that it holds."""
    ends = (point_to_point_s(layer_bytes / cache_ranks(demand, tp), within_domain, network) for network in (prefill, decode))
    return np.maximum(*ends)


def queue_s(busy: FloatColumn, work_s: FloatColumn) -> FloatColumn:
    """Mean wait of a prompt for those ahead of it in one prefill replica (M/D/1, equation 4.3)."""
    return np.asarray(0.5 * busy / (1.0 - busy) * work_s)


def prompts_per_s(work_s: FloatColumn, wait_s: FloatColumn) -> FloatColumn:
    """Rate of one prefill replica at which a prompt waits `wait_s` on average: `queue_s` solved for the rate.

    At most the rate at which the formula still holds, which is also that of replicas without any time to wait.
    """
    busy = np.minimum(wait_s / (wait_s + 0.5 * work_s), _BUSIEST)
    return np.asarray(np.where(wait_s > 0.0, busy, _BUSIEST) / work_s)


def disaggregated_loop(pools: Pools, load: Load, clients: FloatColumn, most: FloatColumn) -> ServingRates:
    """Means of the whole deployment when `clients` each send the next request as soon as the last is answered.

    Decode is not disturbed by prompts. `most` requests fit into the cache of one decode replica. Where the prefill pool
    is the bottleneck, the clients it cannot serve wait there.
    """
    engine, output = pools.prefill.efficiency.engine, np.asarray(load.output_tokens, np.float64)
    prefill = pools.prefill.prefill(load.input_tokens, load.cached_tokens)
    work_s = prefill.work_s / pools.prefill_replicas
    handover_s = engine.handover_s + transfer_s(pools, load.input_tokens)
    batch = clients.astype(np.float64)
    for turn in range(_ROUNDS):
        tpot_s = pools.decode.decode(np.minimum(batch / pools.decode_replicas, most), load.context_tokens).total_s
        busy = np.minimum(batch * work_s / (output * tpot_s), _BUSIEST)
        wave_s = engine.queue * np.asarray(load.burst) * 0.5 * np.maximum(clients - 1.0, 0.0) * work_s
        waited_s = handover_s + engine.steps_waited * tpot_s + wave_s + queue_s(busy, work_s)
        ttft_s = engine.request_s + load.client_s + waited_s + prefill.alone.total_s
        if turn < _ROUNDS - 1:
            decoding = np.minimum(clients * output * tpot_s / (ttft_s + output * tpot_s), _CAPACITY * output * tpot_s / work_s)
            batch = np.sqrt(batch * np.maximum(np.minimum(decoding, most * pools.decode_replicas), 1.0))
    batch = np.minimum(batch, clients)
    ttft_s = np.maximum(ttft_s, (clients / batch - 1.0) * output * tpot_s)
    requests_per_s = batch / (output * tpot_s)
    return ServingRates(ttft_s, tpot_s, ttft_s + (output - 1.0) * tpot_s, requests_per_s, requests_per_s * output, batch)
