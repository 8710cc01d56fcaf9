"""Latency and rate of a replica at steady state, from its step times (equation 4.2).

A running request loses time to every other request's prefill once per answer. A new request waits for the step in
flight, for the prefills ahead of it, and for the first wave of a closed loop, which arrives at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.serving_efficiency import EngineOverheads, ServingEfficiency
from planner.performance.serving_step import PassTimes, Prefill, Replica, ServingSteps
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
    hold_steps    decode steps that the first waiting prompt is held back for others to join its pass, likewise
    pass_tokens   prompt tokens of one pass at most, likewise; 0: the engine's own default, 1: one prompt
    client_s      what the load generator itself adds to the first token
    stream_s      what it adds to each step, per request in flight
    """

    input_tokens: float | FloatColumn
    output_tokens: float | FloatColumn
    cached_tokens: float | FloatColumn = 0.0
    burst: float | FloatColumn = 0.0
    same_length: float | FloatColumn = 0.0
    poll_steps: float | FloatColumn = 0.0
    hold_steps: float | FloatColumn = 0.0
    pass_tokens: float | FloatColumn = 0.0
    client_s: float | FloatColumn = 0.0
    stream_s: float | FloatColumn = 0.0

    def prefill(self, replica: Replica) -> Prefill:
        """The prompts on `replica`."""
        return replica.prefill(self.input_tokens, self.cached_tokens, self.pass_tokens)

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
    tpot_s = _tpot_s(steps.decode, steps.prefill, batch, load, engine)
    return _rates(_ttft_s(steps.decode.total_s, tpot_s, steps.prefill, batch, batch, load, engine), tpot_s, batch, load)


def _tpot_s(
    decode: PassTimes, prefill: Prefill, batch: FloatColumn, load: Load, engine: EngineOverheads, *, waiting: bool = False
) -> FloatColumn:
    """T_dec(B) + (B - 1) T_pf / o (equation 4.2).

    Where prompts and decoding requests share a pass, T_pf is what the prompt adds to it: weights that the decode step reads
    are not read again.

    B / o prompts arrive a step, and gather while an engine holds them back or does not look: those beyond the first share its
    pass, on this rank or on others. Where prompts are always `waiting`, a share of passes is full. Requests of one wave see half
    of the wave's prefills.
    """
    gathered = (1.0 + np.asarray(load.hold_steps) + np.asarray(load.poll_steps)) * batch / load.output_tokens
    alone = (1.0 - min(engine.full_passes, 1.0) * waiting) / np.maximum(gathered, 1.0)
    again = 1.0 - engine.mixed_passes * np.minimum(decode.weights_s, prefill.alone.weights_s) / np.maximum(prefill.alone.total_s, 1e-30)
    steady_s = prefill.work_s + alone * np.maximum(prefill.alone_work_s * again - prefill.work_s, 0.0)
    kept = engine.kept_waves * np.asarray(load.same_length)
    work_s = (1.0 - kept) * steady_s + 0.5 * kept * prefill.work_s
    others = np.maximum(batch - 1.0, 0.0)
    return np.asarray(decode.total_s + others * (load.stream_s + engine.interference * work_s / load.output_tokens))


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
    hold = np.asarray(load.hold_steps)
    joining = hold * batch / load.output_tokens  # prompts that arrive while the first is held, at any time of it
    held = hold * (1.0 + 0.5 * joining) / (1.0 + joining)
    in_flight_s = (engine.steps_waited + 0.5 * np.asarray(load.poll_steps) + held) * decode_s
    own_s = prefill.alone.total_s + joining * prefill.work_s
    return np.asarray(engine.request_s + load.client_s + in_flight_s + queue_s + wave_s + own_s)


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
    prefill = load.prefill(replica)
    batch = np.minimum(clients, most)
    for turn in range(_ROUNDS):
        decode = replica.decode(batch, load.context_tokens)
        tpot_s = _tpot_s(decode, prefill, batch, load, engine)
        ttft_s = _ttft_s(decode.total_s, tpot_s, prefill, batch, clients, load, engine)
        if turn < _ROUNDS - 1:
            decoding = clients * output * tpot_s / (ttft_s + output * tpot_s)
            batch = 0.5 * (batch + np.minimum(decoding, most))
    served = _rates(ttft_s, tpot_s, batch, load)
    waiting_s = np.where(clients > most, np.maximum(clients / served.requests_per_s - served.end_to_end_s, 0.0), 0.0)
    return _rates(ttft_s + waiting_s, tpot_s, batch, load)


def saturated(replica: Replica, load: Load, most: FloatColumn, *, waiting: bool = True) -> ServingRates:
    """Means when the replica always decodes `most` requests: more wait than fit (offline work), or just as many arrive."""
    prefill = load.prefill(replica)
    engine = replica.efficiency.engine
    decode = replica.decode(most, load.context_tokens)
    tpot_s = _tpot_s(decode, prefill, most, load, engine, waiting=waiting)
    return _rates(_ttft_s(decode.total_s, tpot_s, prefill, most, most, load, engine), tpot_s, most, load)


def static_batch(replica: Replica, load: Load, batch: FloatColumn, most: FloatColumn) -> ServingRates:
    """Means when `batch` prompts are prefilled together and decoded to the end before the next batch starts.

    What does not fit into the cache (`most`) follows in further waves of equal size.
    """
    waves = np.ceil(batch / most)
    size = batch / waves
    work_s = load.prefill(replica).work_s
    tpot_s = replica.decode(size, load.context_tokens).total_s
    ttft_s = np.asarray(replica.efficiency.engine.step_s + load.client_s + size * work_s)
    end_to_end_s = waves * (ttft_s + (np.asarray(load.output_tokens, np.float64) - 1.0) * tpot_s)
    requests_per_s = batch / end_to_end_s
    return ServingRates(ttft_s, tpot_s, end_to_end_s, requests_per_s, requests_per_s * load.output_tokens, size)


def open_loop(replica: Replica, load: Load, requests_per_s: FloatColumn, most: FloatColumn) -> ServingRates:
    """Means when requests arrive at a rate: B = rate x o x TPOT(B) (Little); at most what fits."""
    prefill, engine = load.prefill(replica), replica.efficiency.engine
    batch = np.minimum(most, 1.0 + 0.0 * requests_per_s)
    for _ in range(4 * _ROUNDS):
        decode = replica.decode(batch, load.context_tokens)
        tpot_s = _tpot_s(decode, prefill, batch, load, engine)
        batch = 0.5 * (batch + np.minimum(requests_per_s * load.output_tokens * tpot_s, most))
    return _rates(_ttft_s(decode.total_s, tpot_s, prefill, batch, batch, load, engine), tpot_s, batch, load)


def largest_batch(replica: Replica, load: Load, ttft_limit_s: FloatColumn, tpot_limit_s: FloatColumn, most: FloatColumn) -> FloatColumn:
    """Largest running batch whose mean TTFT and TPOT keep the limits, by bisection; 0 where not even one request does."""
    prefill, engine = load.prefill(replica), replica.efficiency.engine

    def keeps(batch: FloatColumn) -> BoolColumn:
        decode = replica.decode(batch, load.context_tokens)
        tpot_s = _tpot_s(decode, prefill, batch, load, engine)
        ttft_s = _ttft_s(decode.total_s, tpot_s, prefill, batch, batch, load, engine)
        return np.asarray((tpot_s <= tpot_limit_s) & (ttft_s <= ttft_limit_s))

    low, high = np.zeros_like(most), most.astype(np.float64)
    low = np.where(keeps(high), high, low)
    for _ in range(18):
        middle = 0.5 * (low + high)
        kept = keeps(np.maximum(middle, 1.0)) & (middle >= 1.0)
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    return low
