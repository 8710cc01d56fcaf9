"""Rows of `serving_mlperf.csv`: tokens a second of whole systems, offline or under limits on latency.

Few submissions state their parallelism: a submitter takes what is fastest, so the prediction is that of the fastest tensor
parallel degree that fits into a node. Limits are 99th percentiles; the mean model is held to the share of them that means
reach in rows that report both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from planner.library import Library
from planner.performance.serving_demand import serving_demand
from planner.search.columns import KV_PRECISIONS, PRECISIONS
from planner.validation.names import precision_index
from planner.validation.prediction import Prediction
from planner.validation.rows import text_cell
from planner.validation.serving_names import served_model, serving_accelerator, serving_names
from planner.validation.serving_runs import Layout, ServingRun, UnpredictableError, degree_cell, positive_cell, predictions

_NO_LOAD = "no_load"
_DEGREES = (1, 2, 4, 8)
_CPU = "cpu"
_FIRST_VLLM = re.compile(r"vllm v?0\.[0-5]\.")  # before one scheduling step covered several decode steps
_SOCKETS = 2  # of a CPU system whose row does not say
_RANKS = (4, 8, 16, 32, 72)  # attention ranks that expert models may be spread over


def serving_mlperf_run(position: int, row: Mapping[str, str], library: Library) -> ServingRun:
    """The run of a row with every layout it may have used. Raises `UnpredictableError`."""
    benchmark = text_cell(row, "benchmark").removesuffix("-99.9").removesuffix("-99")
    lengths = serving_names().benchmarks.get(benchmark)
    scenario, result = text_cell(row, "scenario"), positive_cell(row, "result")
    limits = serving_names().limits.get(benchmark, {}).get(scenario)
    if lengths is None or result is None or text_cell(row, "units") != "Tokens/s" or (limits is None and scenario != "Offline"):
        raise UnpredictableError(_NO_LOAD)
    model = served_model(benchmark, library)
    count = degree_cell(row, "accelerators_total") or 0
    chip = serving_accelerator(text_cell(row, "accelerator") if count else text_cell(row, "host_cpu"), library)
    per_node = degree_cell(row, "accelerators_per_node") or count
    if not count:
        per_node = degree_cell(row, "host_sockets") or _SOCKETS
        count = per_node * (degree_cell(row, "nodes") or 1)
    precision = _precision(row, chip, library)
    shares = serving_names().mean_over_limit.get(scenario, (1.0, 1.0))
    stated = degree_cell(row, "tp")
    degrees = [stated] if stated else [degree for degree in _DEGREES if degree <= per_node and count % degree == 0]
    layouts = [Layout(degree, 1, 1, 1, max(1, count // degree)) for degree in degrees]
    if not stated and serving_demand(library.models[model].architecture).experts:
        layouts += [Layout(1, 1, ranks, ranks, count // ranks) for ranks in _RANKS if count % ranks == 0]
    engine = _engine(text_cell(row, "software"))
    return ServingRun(
        row=position,
        row_id=text_cell(row, "row_id"),
        model=model,
        architecture=library.models[model].architecture,
        accelerator=chip,
        precision=precision,
        kv_precision=KV_PRECISIONS.index("bf16" if PRECISIONS[precision] in {"bf16", "fp16", "int8"} else "fp8"),
        engine=engine,
        regime="limits" if limits else "offline",
        decode=layouts[0],
        others=tuple(layouts[1:]),
        input_tokens=lengths.input,
        output_tokens=positive_cell(row, "mean_output_len_measured") or lengths.output,
        clients=float("inf"),
        most_batch=positive_cell(row, "max_batch") or float("inf"),
        ttft_limit_s=limits[0] * shares[0] if limits else float("inf"),
        tpot_limit_s=limits[1] * shares[1] if limits else float("inf"),
        measured={"output_tokens_per_s": result},
        slices=(("source", text_cell(row, "round")), ("framework", engine), ("regime", scenario)),
    )


def _precision(row: Mapping[str, str], chip: str, library: Library) -> int:
    """As stated, but for 16 bit and blanks on accelerators: submitters run the narrowest published format their chip has."""
    stated = precision_index(text_cell(row, "weight_dtype").replace("UINT4", "int4"))
    if stated is not None and PRECISIONS[stated] not in {"bf16", "fp16"}:
        return stated
    accelerator = library.hardware.accelerators[chip]
    if accelerator.kind == _CPU:
        return PRECISIONS.index("bf16") if stated is None else stated
    known = [name for name in serving_names().narrowest_format if accelerator.peak_flops_per_s.get(name)]
    return PRECISIONS.index(known[0] if known else "bf16")


def _engine(software: str) -> str:
    name = software.lower()
    if _FIRST_VLLM.match(name):
        return "vllm_0"
    return "trtllm" if "tensorrt" in name else "vllm" if "vllm" in name or "mango" in name else "generic"


def predict(rows: Iterable[Mapping[str, str]], library: Library) -> Iterator[Prediction]:
    """One prediction a row: tokens a second of the system."""
    yield from predictions(rows, library, serving_mlperf_run)
