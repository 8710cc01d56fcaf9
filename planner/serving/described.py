"""What serving says of a chosen candidate: its strategy, speed with intervals, memory, bottleneck, what is left to its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from planner.answer import Interval, MemoryUse, Performance, PrefillPart, PromptCache, Roofline, Strategy
from planner.built import fabric
from planner.economics.charges import Charges
from planner.economics.cost import SECONDS_PER_YEAR
from planner.explain.bottleneck import bottleneck
from planner.explain.roofline import Phase, roofline, serving_phase
from planner.memory.serving import ServingMemory
from planner.outcomes import Outcomes
from planner.performance.serving_efficiency import load_serving_efficiency
from planner.performance.serving_step import Replica
from planner.recommend import Described, Prefilling, TokenSplit
from planner.search.columns import KV_PRECISIONS, PRECISIONS, DeploymentColumns, ServingColumns
from planner.serving.clusters import Clusters, Designs
from planner.serving.engine_support import support
from planner.serving.model import ServedModel
from planner.serving.running import Running, memory_parts


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Everything about some deployments, row by row."""

    running: Running
    clusters: Clusters
    designs: tuple[Designs, Designs]
    charges: Charges
    outcomes: Outcomes[DeploymentColumns]


@dataclass(frozen=True, slots=True)
class Phases:
    """What one device does for a prompt and in a plain decode step."""

    prefill: Phase
    decode: Phase

    @classmethod
    def of(cls, running: Running) -> Self:
        """Of the replicas that do each."""
        model, columns = running.model, running.columns
        source, plain = (Replica.on(model.demand, model.ground.platforms, c, model.efficiency) for c in (columns.prefill, columns))
        batch, tokens, found = columns.batch.astype(np.float64), model.workload.input_tokens, running.prefill.reused.tokens
        times = source.prefill(tokens, found).alone
        prompt, step = source.prefill_work(tokens, found), plain.decode_work(batch, model.context_tokens)
        return cls(serving_phase("prefill", prompt, times), serving_phase("decode", step, plain.decode(batch, model.context_tokens)))


def described(known: Evaluated, phases: Phases, row: int) -> Described:
    """Deployment `row` as it stands in the answer."""
    outcomes, running, model = known.outcomes, known.running, known.running.model
    workload, request, rates = model.workload, model.ground.request, running.rates
    ttft_s, tpot_s = float(rates.ttft_s[row]), float(rates.tpot_s[row])
    capacity = _capacity_per_s(known, row)
    period_s = request.site.years * SECONDS_PER_YEAR
    tokens_per_s = workload.requests_per_s * workload.output_tokens
    decode = running.steps.decode
    return Described(
        strategy=_strategy(outcomes.columns, row),
        performance=Performance(
            tokens_per_s=tokens_per_s,
            tokens_per_s_per_device=tokens_per_s / int(outcomes.devices[row]),
            ttft_s=ttft_s,
            tpot_s=tpot_s,
            end_to_end_s=float(rates.end_to_end_s[row]),
            capacity_requests_per_s=capacity,
            limited_by=running.limited_by[row],
            calibrated=model.efficiency.calibrated,
            ttft_interval=_interval(model, "ttft_s", ttft_s),
            tpot_interval=_interval(model, "tpot_s", tpot_s),
        ),
        memory=_memory_use(model, running.decode.memory, outcomes.columns, row),
        bottleneck=bottleneck(decode.operations_s, decode.resources_s, row),
        roofline=_roofline(known, phases, row),
        headroom={name: 1.0 - float(used[row]) for name, used in model.limits_used(rates)}
        | {"rate": 1.0 - model.peak_requests_per_s / capacity},
        tokens=workload.requests_per_s * (workload.input_tokens + workload.output_tokens) * period_s,
        period_s=period_s,
        split=TokenSplit(
            workload.requests_per_s * workload.input_tokens * period_s,
            workload.requests_per_s * workload.output_tokens * period_s,
            _input_share(known, row),
        ),
        prompt_cache=_prompt_cache(known, row),
        support=support(model.ground, int(outcomes.columns.platform[row]), int(outcomes.columns.precision[row])),
        prefill=_prefill(known, row) if outcomes.columns.disaggregated[row] else None,
    )


def _input_share(known: Evaluated, row: int) -> float:
    """Share of money and energy that goes to prompts (equation 7.2): by device time; of what prefills alone by its part of the rent or
    purchase price of two clusters, or of the devices where they are in one or have no price.
    """
    running, clusters = known.running, known.clusters
    if not running.columns.disaggregated[row]:
        return float(running.prompt_time_share[row])
    if clusters.apart[row] and known.charges.rented[row]:
        rent = running.model.ground.rent_usd_per_h
        parts = [float(cluster.used[row] * rent[cluster.platform[row]]) for cluster in (clusters.first, clusters.second)]
    else:
        parts = [design.totals.typical_usd for design in (known.designs[0][row], known.designs[1][row]) if design]
    if clusters.apart[row] and all(part > 0.0 for part in parts):
        return parts[1] / sum(parts)
    prefill = int(running.columns.prefill_replicas[row]) * int(running.columns.prefill.devices[row])
    return prefill / (prefill + int(running.count[row]) * int(running.columns.devices[row]))


def _prompt_cache(known: Evaluated, row: int) -> PromptCache | None:
    """What is kept of past prompts outside of device memory; None where nothing is, or loading it would not pay."""
    running, workload = known.running, known.running.model.workload
    reused = running.prefill.reused
    if workload.kv_offload == "none" or not reused.tier_bytes[row]:
        return None
    return PromptCache(
        tier=workload.kv_offload,
        session_bytes=float(reused.tier_bytes[row]),
        server_bytes=float(running.kept_bytes(known.clusters)[row]),
        load_s=float(reused.load_s[row]),
    )


def _capacity_per_s(known: Evaluated, row: int) -> float:
    """Requests/s of all replicas within the limits: of the pool that can do less."""
    running, outcomes = known.running, known.outcomes
    decode = float(outcomes.capacity_per_s[row]) * int(outcomes.replicas[row])
    if not running.columns.disaggregated[row]:
        return decode
    return min(decode, float(running.prefill_capacity_per_s[row]) * int(running.columns.prefill_replicas[row]))


def _roofline(known: Evaluated, phases: Phases, row: int) -> Roofline | None:
    """Of the accelerators that decode; what others do for a prompt stands below other roofs."""
    columns = known.running.columns
    same = columns.platform[row] == columns.prefill_platform[row]
    shown = (phases.prefill, phases.decode) if same else (phases.decode,)
    return roofline(shown, known.running.model.ground.platforms, int(columns.platform[row]), row)


def _prefill(known: Evaluated, row: int) -> Prefilling:
    """The replicas of `row` that only prefill."""
    running, ground = known.running, known.running.model.ground
    columns, second = running.columns.prefill, known.clusters.second
    platform = int(columns.platform[row])
    chip = ground.hardware.accelerators[ground.platforms.accelerator_id[platform]]
    server = ground.hardware.servers.get(ground.platforms.server_id[platform])
    count, design = int(running.columns.prefill_replicas[row]), known.designs[1][row]
    used, apart = count * int(columns.devices[row]), bool(known.clusters.apart[row])
    bought = apart and not known.charges.rented[row]
    part = PrefillPart(
        accelerator_id=chip.id,
        accelerator_name=chip.name,
        vendor=chip.vendor,
        devices=int(second.devices[row]) if bought else used,
        server_id=server.id if server else "",
        server_name=server.name if server else "",
        servers=int(second.servers[row]),
        replicas=count,
        strategy=_strategy(columns, row),
        memory=_memory_use(running.model, running.prefill_memory, columns, row),
        fabric=fabric(ground.hardware, design) if design and bought else None,
    )
    return Prefilling(part, design if bought else None)


def _interval(model: ServedModel, quantity: str, seconds: float) -> Interval | None:
    """Between what four of five measured runs of unseen families lay, by kind of model."""
    span = load_serving_efficiency().fit.interval(quantity, experts=bool(model.demand.experts))
    return Interval(low=seconds * span.low, high=seconds * span.high, coverage=0.8) if span and model.efficiency.calibrated else None


def _memory_use(model: ServedModel, memory: ServingMemory, columns: ServingColumns, row: int) -> MemoryUse:
    capacity = float(model.ground.platforms.memory_bytes[columns.platform[row]])
    parts = {name: float(column[row]) for name, column in memory_parts(memory, columns.batch, columns.attention_dp).items()}
    return MemoryUse(
        parts=parts,
        used_bytes=sum(parts.values()),
        capacity_bytes=capacity,
        reserve_bytes=capacity * model.ground.request.assumptions.memory_reserve,
    )


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
