"""The questions the other way round: what runs on these accelerators, and what can be trained for this money."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from facts.errors import RackwrightError
from model_db import ModelEntry
from planner.admission import admitted
from planner.answer import Plan
from planner.counting.parameters import parameters
from planner.ground import ground
from planner.library import Library
from planner.pipeline import Progress, plan
from planner.request import Limits, PlanRequest, Serving, Training
from planner.search.columns import KV_PRECISIONS, PRECISIONS, ServingColumns
from planner.serving.model import ServedModel
from planner.subject import subject

TOKENS_PER_PARAMETER = 20.0  # compute-optimal training (Hoffmann et al., arXiv:2203.15556, table A3)


@dataclass(frozen=True, slots=True)
class Runs:
    """What one model can do on given accelerators within the latency limits, spread as is best for the rate."""

    model_id: str
    model_name: str
    parameters: int
    precision: str
    kv_precision: str
    devices_per_replica: int
    replicas: int
    concurrency: int  # requests in flight on all replicas
    requests_per_s: float
    output_tokens_per_s: float
    ttft_s: float
    tpot_s: float
    longest_context_tokens: int  # of a single request


def what_runs(accelerator_id: str, devices: int, workload: Serving, library: Library, progress: Progress | None = None) -> list[Runs]:
    """Every model of the library that `devices` accelerators can serve within the limits of `workload`, largest first.

    `progress` is called with the share of the library that is done.
    """
    limits = Limits(accelerators=(accelerator_id,), max_devices=devices)
    found = []
    for done, entry in enumerate(library.models.values(), 1):
        if (runs := _runs(entry, limits, workload, library)) is not None:
            found.append(runs)
        if progress:
            progress(done / len(library.models))
    return sorted(found, key=lambda runs: (-runs.parameters, runs.model_id))


def _runs(entry: ModelEntry, limits: Limits, workload: Serving, library: Library) -> Runs | None:
    request = PlanRequest(model=entry.id, workload=workload, limits=limits)
    try:
        about = subject(request, library.models)
    except RackwrightError:  # not a model that works on text token by token
        return None
    stands = ground(request, about, library.hardware, admitted(limits, library.hardware)[0])
    served = ServedModel.on(stands, library.serving_efficiency.on(stands.platforms, workload.engine))
    cells = served.cells(0)
    cells = cells.take(served.memory(cells).max_batch >= 1)
    if not len(cells):
        return None
    able = served.replicas(cells)
    limit = able.limit()
    batch, rates = able.batch_at(limit), able.rates_at(limit)
    keeps = (rates.ttft_s <= workload.ttft_s) & (rates.tpot_s <= workload.tpot_s)
    replicas = limits.max_devices // cells.devices
    best = int(np.argmax(np.where(keeps, replicas * rates.requests_per_s, -1.0)))
    if not keeps[best]:
        return None
    per_s = float(replicas[best] * rates.requests_per_s[best])
    return Runs(
        model_id=entry.id,
        model_name=entry.name,
        parameters=parameters(entry.architecture).total,
        precision=PRECISIONS[cells.precision[best]],
        kv_precision=KV_PRECISIONS[cells.kv_precision[best]],
        devices_per_replica=int(cells.devices[best]),
        replicas=int(replicas[best]),
        concurrency=int(replicas[best] * batch[best]),
        requests_per_s=per_s,
        output_tokens_per_s=per_s * workload.output_tokens,
        ttft_s=float(rates.ttft_s[best]),
        tpot_s=float(rates.tpot_s[best]),
        longest_context_tokens=_longest_context_tokens(served, cells, entry.max_context or 131_072),
    )


def _longest_context_tokens(served: ServedModel, cells: ServingColumns, most: int) -> int:
    """Longest context of a single request that any of `cells` holds, at most what the model was made for."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        alone = replace(served, workload=served.workload.model_copy(update={"input_tokens": middle, "output_tokens": 1}))
        low, high = (middle, high) if (alone.memory(cells).max_batch >= 1).any() else (low, middle - 1)
    return low


@dataclass(frozen=True, slots=True)
class Trainable:
    """The largest model that a budget trains well, on how many tokens, and the plan for it."""

    model_id: str
    model_name: str
    parameters: int
    tokens: float
    answer: Plan


def largest_trainable(
    budget_usd: float, request: PlanRequest, library: Library, tokens_per_parameter: float = TOKENS_PER_PARAMETER
) -> Trainable | None:
    """The largest dense decoder of the library whose compute-optimal training keeps the budget and the limits of `request`.

    Compute grows with the square of the parameters, so models are tried by bisection in the order of their size.
    """
    models = sorted(_dense_decoders(library), key=lambda found: found[0])
    best, low, high = None, 0, len(models) - 1
    while low <= high:
        middle = (low + high) // 2
        count, entry = models[middle]
        answer = plan(_training_of(entry, count * tokens_per_parameter, request), library)
        if answer.recommendations and answer.recommendations[0].cost.total_usd <= budget_usd:
            best, low = Trainable(entry.id, entry.name, count, count * tokens_per_parameter, answer), middle + 1
        else:
            high = middle - 1
    return best


def _dense_decoders(library: Library) -> Iterator[tuple[int, ModelEntry]]:
    for entry in library.models.values():
        if entry.kind == "decoder":
            yield parameters(entry.architecture).total, entry


def _training_of(entry: ModelEntry, tokens: float, request: PlanRequest) -> PlanRequest:
    workload = request.workload if isinstance(request.workload, Training) else Training()
    sequence = min(workload.sequence_tokens, entry.max_context or workload.sequence_tokens)
    asked = workload.model_copy(update={"method": "pretrain", "tokens": tokens, "sequence_tokens": sequence})
    return request.model_copy(update={"model": entry.id, "workload": asked, "objective": "cost"})
