"""What serving says of a chosen candidate: its strategy, speed with intervals, memory, bottleneck, what is left to its limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.answer import Interval, MemoryUse, Performance, Strategy
from planner.economics.charges import Charges
from planner.economics.cost import SECONDS_PER_YEAR
from planner.explain.bottleneck import bottleneck
from planner.explain.roofline import Phase, roofline, serving_phase
from planner.memory.serving import ServingMemory
from planner.outcomes import Outcomes
from planner.performance.serving_efficiency import load_serving_efficiency
from planner.performance.serving_loop import ServingRates
from planner.performance.serving_step import Replica, ServingSteps
from planner.recommend import Described
from planner.search.columns import KV_PRECISIONS, PRECISIONS, FloatColumn, ServingColumns
from planner.served_model import ServedModel, ServedReplicas


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Everything about some candidates, row by row."""

    replicas: ServedReplicas
    steps: ServingSteps
    rates: ServingRates
    charges: Charges
    outcomes: Outcomes[ServingColumns]


def phases(known: Evaluated) -> tuple[Phase, Phase]:
    """What one device does for a prompt and in a plain decode step."""
    columns, model = known.outcomes.columns, known.replicas.model
    plain, batch = Replica.on(model.demand, model.ground.platforms, columns, model.efficiency), columns.batch.astype(np.float64)
    prompt, step = plain.prefill_work(model.workload.input_tokens, model.cached_tokens), plain.decode_work(batch, model.context_tokens)
    times = plain.decode(batch, model.context_tokens)
    return serving_phase("prefill", prompt, known.steps.prefill.alone), serving_phase("decode", step, times)


def described(known: Evaluated, shown: tuple[Phase, Phase], row: int) -> Described:
    """Candidate `row` as it stands in the answer."""
    outcomes, rates, model = known.outcomes, known.rates, known.replicas.model
    workload, request = model.workload, model.ground.request
    ttft_s, tpot_s = float(rates.ttft_s[row]), float(rates.tpot_s[row])
    capacity = float(outcomes.capacity_per_s[row]) * int(outcomes.replicas[row])
    period_s = request.site.years * SECONDS_PER_YEAR
    tokens_per_s = workload.requests_per_s * workload.output_tokens
    decode = known.steps.decode
    return Described(
        strategy=_strategy(outcomes.columns, row),
        performance=Performance(
            tokens_per_s=tokens_per_s,
            tokens_per_s_per_device=tokens_per_s / int(outcomes.devices[row]),
            ttft_s=ttft_s,
            tpot_s=tpot_s,
            end_to_end_s=float(rates.end_to_end_s[row]),
            capacity_requests_per_s=capacity,
            calibrated=model.efficiency.calibrated,
            ttft_interval=_interval(model, "ttft_s", ttft_s),
            tpot_interval=_interval(model, "tpot_s", tpot_s),
        ),
        memory=_memory_use(known, row),
        bottleneck=bottleneck(decode.operations_s, decode.resources_s, row),
        roofline=roofline(shown, model.ground.platforms, int(outcomes.columns.platform[row]), row),
        headroom={
            "ttft": 1.0 - ttft_s / workload.ttft_s,
            "tpot": 1.0 - tpot_s / workload.tpot_s,
            "rate": 1.0 - model.peak_requests_per_s / capacity,
        },
        tokens=workload.requests_per_s * (workload.input_tokens + workload.output_tokens) * period_s,
        period_s=period_s,
    )


def _interval(model: ServedModel, quantity: str, seconds: float) -> Interval | None:
    """Between what four of five measured runs of unseen families lay, by kind of model."""
    span = load_serving_efficiency().fit.interval(quantity, experts=bool(model.demand.experts))
    return Interval(low=seconds * span.low, high=seconds * span.high, coverage=0.8) if span and model.efficiency.calibrated else None


def _memory_use(known: Evaluated, row: int) -> MemoryUse:
    ground, columns = known.replicas.model.ground, known.outcomes.columns
    capacity = float(ground.platforms.memory_bytes[columns.platform[row]])
    parts = {name: float(column[row]) for name, column in memory_parts(known.replicas.memory, columns).items()}
    return MemoryUse(
        parts=parts,
        used_bytes=sum(parts.values()),
        capacity_bytes=capacity,
        reserve_bytes=capacity * ground.request.assumptions.memory_reserve,
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
