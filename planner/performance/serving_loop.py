"""Latency and rate of a replica at steady state, from its step times (equation 4.2).

A running request loses time to every other request's prefill once per answer. A new request waits for the step in
flight, for the prefills ahead of it, and for the first wave of a closed loop, which arrives at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.serving_efficiency import EngineOverheads, ServingEfficiency
from planner.performance.serving_step import Prefill, Replica, ServingSteps
from planner.search.columns import BoolColumn, FloatColumn

_BUSIEST = 0.9  # share of time with prompts beyond which the waiting formula of an open queue means nothing
_ROUNDS = 6  # of the fixed point


@dataclass(frozen=True, slots=True)
class ServingRates:
    """Means of one replica; shape (candidates,)."""

    ttft_s: FloatColumn
    tpot_s: FloatColumn
    end_to_end_s: FloatColumn
    requests_per_s: FloatColumn
    tokens_per_s: FloatColumn  # generated
    batch: FloatColumn  # requests that decode together, mean over time


@dataclass(frozen=True, slots=True)
class Load:
    """What clients send. Columns or scalars.

    burst         share of requests that arrive in one first wave: 1 / (requests per client) in a closed loop, 0 steady
    same_length   all answers have the same length, so that engines may keep requests in waves
    poll_steps    decode steps between two looks at the queue, where the deployment sets an interval
    client_s      what the load generator itself adds to the first token
    stream_s      what it adds to each step, per request in flight
    """

    input_tokens: float | FloatColumn
    output_tokens: float | FloatColumn
    cached_tokens: float | FloatColumn = 0.0
    burst: float | FloatColumn = 0.0
    same_length: float | FloatColumn = 0.0
    poll_steps: float | FloatColumn = 0.0
    client_s: float | FloatColumn = 0.0
    stream_s: float | FloatColumn = 0.0

    @property
    def context_tokens(self) -> FloatColumn:
        """Mean context over an answer."""
        return np.asarray(self.input_tokens + 0.5 * np.asarray(self.output_tokens, np.float64))


def serving_rates(
    steps: ServingSteps, batch: FloatColumn, output_tokens: float | FloatColumn, efficiency: ServingEfficiency
) -> ServingRates:
    """Means with `batch` requests running in the replica at all times, arriving steadily."""
    load = Load(0.0, output_tokens)
    engine = efficiency.engine
    tpot_s = _tpot_s(steps.decode.total_s, steps.prefill, batch, load, engine)
    return _rates(_ttft_s(steps.decode.total_s, tpot_s, steps.prefill, batch, batch, load, engine), tpot_s, batch, load)


def _tpot_s(decode_s: FloatColumn, prefill: Prefill, batch: FloatColumn, load: Load, engine: EngineOverheads) -> FloatColumn:
    """T_dec(B) + (B - 1) T_pf / o (equation 4.2).

    B / o prompts arrive a step: those beyond the first share its pass, on this rank or on others. Requests of one wave see half
    of the wave's prefills.
    """
    arrivals = np.maximum(batch / load.output_tokens, 1.0)
    steady_s = prefill.work_s + (prefill.alone_work_s - prefill.work_s) / arrivals
    kept = engine.kept_waves * np.asarray(load.same_length)
    work_s = (1.0 - kept) * steady_s + 0.5 * kept * prefill.work_s
    others = np.maximum(batch - 1.0, 0.0)
    return np.asarray(decode_s + others * (load.stream_s + engine.interference * work_s / load.output_tokens))


def _ttft_s(
    decode_s: FloatColumn,
    tpot_s: FloatColumn,
    prefill: Prefill,
    batch: FloatColumn,
    clients: FloatColumn,
    load: Load,
    engine: EngineOverheads,
) -> FloatColumn:
    """Wait for the step in flight, the queue of prompts (M/D/1, equation 4.3) and the wave it came in; then its own prefill."""
    busy = np.minimum(batch * prefill.work_s / (load.output_tokens * tpot_s), _BUSIEST)
    queue_s = 0.5 * busy / (1.0 - busy) * prefill.work_s
    waves = np.maximum(engine.queue * np.asarray(load.burst), engine.kept_waves * np.asarray(load.same_length))
    wave_s = waves * 0.5 * np.maximum(clients - 1.0, 0.0) * prefill.work_s
    in_flight_s = (engine.steps_waited + 0.5 * np.asarray(load.poll_steps)) * decode_s
    return np.asarray(engine.request_s + load.client_s + in_flight_s + queue_s + wave_s + prefill.alone.total_s)


def _rates(ttft_s: FloatColumn, tpot_s: FloatColumn, batch: FloatColumn, load: Load) -> ServingRates:
    output = np.asarray(load.output_tokens, np.float64)
    requests_per_s = batch / (output * tpot_s)
    return ServingRates(ttft_s, tpot_s, ttft_s + (output - 1.0) * tpot_s, requests_per_s, requests_per_s * output, batch)


def closed_loop(replica: Replica, load: Load, clients: FloatColumn, most: FloatColumn) -> ServingRates:
    """Means when `clients` of one replica each send the next request as soon as the last is answered.

    Of the clients, those whose request waits or prefills do not decode: B = c o TPOT / (TTFT + o TPOT). `most` requests
    fit into the KV cache; further clients queue for a place (Little: c = rate x time in system).
    """
    engine, output = replica.efficiency.engine, np.asarray(load.output_tokens, np.float64)
    prefill = replica.prefill(load.input_tokens, load.cached_tokens)
    batch = np.minimum(clients, most)
    for turn in range(_ROUNDS):
        decode_s = replica.decode(batch, load.context_tokens).total_s
        tpot_s = _tpot_s(decode_s, prefill, batch, load, engine)
        ttft_s = _ttft_s(decode_s, tpot_s, prefill, batch, clients, load, engine)
        if turn < _ROUNDS - 1:
            decoding = clients * output * tpot_s / (ttft_s + output * tpot_s)
            batch = 0.5 * (batch + np.minimum(decoding, most))
    served = _rates(ttft_s, tpot_s, batch, load)
    waiting_s = np.where(clients > most, np.maximum(clients / served.requests_per_s - served.end_to_end_s, 0.0), 0.0)
    return _rates(ttft_s + waiting_s, tpot_s, batch, load)


def saturated(replica: Replica, load: Load, most: FloatColumn) -> ServingRates:
    """Means when more requests wait than fit: the replica always decodes `most` of them (offline work)."""
    prefill = replica.prefill(load.input_tokens, load.cached_tokens)
    engine = replica.efficiency.engine
    decode_s = replica.decode(most, load.context_tokens).total_s
    tpot_s = _tpot_s(decode_s, prefill, most, load, engine)
    return _rates(_ttft_s(decode_s, tpot_s, prefill, most, most, load, engine), tpot_s, most, load)


def static_batch(replica: Replica, load: Load, batch: FloatColumn, most: FloatColumn) -> ServingRates:
    """Means when `batch` prompts are prefilled together and decoded to the end before the next batch starts.

    What does not fit into the cache (`most`) follows in further waves of equal size.
    """
    waves = np.ceil(batch / most)
    size = batch / waves
    work_s = replica.prefill(load.input_tokens, load.cached_tokens).work_s
    tpot_s = replica.decode(size, load.context_tokens).total_s
    ttft_s = np.asarray(replica.efficiency.engine.step_s + size * work_s)
    end_to_end_s = waves * (ttft_s + (np.asarray(load.output_tokens, np.float64) - 1.0) * tpot_s)
    requests_per_s = batch / end_to_end_s
    return ServingRates(ttft_s, tpot_s, end_to_end_s, requests_per_s, requests_per_s * load.output_tokens, size)


def open_loop(replica: Replica, load: Load, requests_per_s: FloatColumn, most: FloatColumn) -> ServingRates:
    """Means when requests arrive at a rate: B = rate x o x TPOT(B) (Little); at most what fits."""
    prefill, engine = replica.prefill(load.input_tokens, load.cached_tokens), replica.efficiency.engine
    batch = np.minimum(most, 1.0 + 0.0 * requests_per_s)
    for _ in range(4 * _ROUNDS):
        decode_s = replica.decode(batch, load.context_tokens).total_s
        tpot_s = _tpot_s(decode_s, prefill, batch, load, engine)
        batch = 0.5 * (batch + np.minimum(requests_per_s * load.output_tokens * tpot_s, most))
    return _rates(_ttft_s(decode_s, tpot_s, prefill, batch, batch, load, engine), tpot_s, batch, load)


def largest_batch(replica: Replica, load: Load, ttft_limit_s: FloatColumn, tpot_limit_s: FloatColumn, most: FloatColumn) -> FloatColumn:
    """Largest running batch whose mean TTFT and TPOT keep the limits, by bisection; 0 where not even one request does."""
    prefill, engine = replica.prefill(load.input_tokens, load.cached_tokens), replica.efficiency.engine

    def keeps(batch: FloatColumn) -> BoolColumn:
        decode_s = replica.decode(batch, load.context_tokens).total_s
        tpot_s = _tpot_s(decode_s, prefill, batch, load, engine)
        ttft_s = _ttft_s(decode_s, tpot_s, prefill, batch, batch, load, engine)
        return np.asarray((tpot_s <= tpot_limit_s) & (ttft_s <= ttft_limit_s))

    low, high = np.zeros_like(most), most.astype(np.float64)
    low = np.where(keeps(high), high, low)
    for _ in range(18):
        middle = 0.5 * (low + high)
        kept = keeps(np.maximum(middle, 1.0)) & (middle >= 1.0)
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    return low
