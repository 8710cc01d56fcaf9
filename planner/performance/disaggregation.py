"""Prefill and decode on replicas of their own, possibly of other chips (DistServe arXiv:2401.09670, equation 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.serving_loop import Load, ServingRates
from planner.performance.serving_step import Replica
from planner.search.columns import FloatColumn

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


def transfer_s(pools: Pools, input_tokens: float | FloatColumn) -> FloatColumn:
    """What is left of moving a prompt's cache: layer by layer it overlaps with the prefill, but for the last layer."""
    demand, columns = pools.prefill.demand, pools.prefill.columns
    cache = sum(group.layers * group.cache_elements * np.minimum(input_tokens, group.reach) for group in demand.attention)
    held = cache * pools.prefill.device.kv_bytes + demand.state_bytes
    return np.asarray(held / max(demand.mixers, 1) / pools.transfer_bytes_per_s + 0.0 * columns.tp)


def matched_decode_replicas(pools: Pools, load: Load, batch: FloatColumn) -> FloatColumn:
    """Decode replicas that one prefill replica keeps busy: n_dec / n_pf = mu_pf / mu_dec (equation 4.2, rate matching)."""
    tpot_s = pools.decode.decode(batch, load.context_tokens).total_s
    prefill_rate = 1.0 / pools.prefill.prefill(load.input_tokens, load.cached_tokens).work_s
    return np.asarray(prefill_rate * load.output_tokens * tpot_s / batch)


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
        queue_s = (engine.queue * np.asarray(load.burst) * 0.5 * np.maximum(clients - 1.0, 0.0) + 0.5 * busy / (1.0 - busy)) * work_s
        ttft_s = engine.request_s + load.client_s + handover_s + engine.steps_waited * tpot_s + queue_s + prefill.alone.total_s
        if turn < _ROUNDS - 1:
            decoding = np.minimum(clients * output * tpot_s / (ttft_s + output * tpot_s), _CAPACITY * output * tpot_s / work_s)
            batch = np.sqrt(batch * np.maximum(np.minimum(decoding, most * pools.decode_replicas), 1.0))
    batch = np.minimum(batch, clients)
    ttft_s = np.maximum(ttft_s, (clients / batch - 1.0) * output * tpot_s)
    requests_per_s = batch / (output * tpot_s)
    return ServingRates(ttft_s, tpot_s, ttft_s + (output - 1.0) * tpot_s, requests_per_s, requests_per_s * output, batch)
