"""Rows of `serving_published.csv`: offline, static, steady, open- and closed-loop results of many sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from planner.library import Library
from planner.search.columns import KV_PRECISIONS, PRECISIONS
from planner.validation.names import precision_index
from planner.validation.prediction import Prediction
from planner.validation.rows import text_cell
from planner.validation.serving_names import served_model, serving_accelerator, serving_names
from planner.validation.serving_runs import (
    Layout,
    Quantity,
    Regime,
    ServingRun,
    UnpredictableError,
    degree_cell,
    positive_cell,
    predictions,
)

_NO_LOAD = "no_load"
_REGIMES: Mapping[str, Regime] = {
    "offline": "offline",
    "online saturated": "offline",
    "static batch": "static",
    "single-stream": "static",
    "single-stream prefill": "static",
    "steady state, capped batch": "steady",
    "online open-loop": "open",
    "online closed-loop": "closed",
    "online closed-loop disaggregated": "closed",
}
_ENGINES = (("tensorrt", "trtllm"), ("vllm (nov 2024)", "vllm_0"), ("vllm", "vllm"), ("sglang", "sglang"), ("nim", "trtllm"))
_HARNESSES = {
    "mlenergy_v3": "mlenergy",
    "aws_neuron_inf2": "neuron",
    "aws_neuron_trn1": "neuron",
}  # sources whose clients run beside the engine and cost it time
_POOLS = re.compile(r"(\d+)P(\d+)D \(TP(\d+) each\)")
_ATTENTION_DP = "enables attention DP"  # how the notes say it where the column is blank
_DEFAULT_SEQUENCES = 256  # vLLM before 0.8 decodes at most so many at once
_CELLS: tuple[tuple[Quantity, str, float], ...] = (
    ("output_tokens_per_s", "output_tok_s", 1.0),
    ("ttft_s", "ttft_ms_mean", 1e-3),
    ("ttft_s", "ttft_ms_p50", 1e-3),
    ("tpot_s", "tpot_ms_mean", 1e-3),
    ("tpot_s", "tpot_ms_p50", 1e-3),
    ("itl_s", "itl_ms_p50", 1e-3),
)


def serving_published_run(position: int, row: Mapping[str, str], library: Library) -> ServingRun:
    """The run of a row. Raises `UnpredictableError` with the first thing that is missing."""
    model, chip = served_model(text_cell(row, "model"), library), serving_accelerator(text_cell(row, "accelerator"), library)
    stated = text_cell(row, "regime")
    regime = _REGIMES.get(stated)
    engine = next((engine for word, engine in _ENGINES if word in text_cell(row, "framework").lower()), "generic")
    precision = precision_index(text_cell(row, "weight_precision"))
    precision = PRECISIONS.index("bf16") if precision is None else precision
    inputs, outputs = _lengths(row)
    clients = _clients(row, regime)
    if regime is None or inputs is None or clients is None:
        raise UnpredictableError(_NO_LOAD)
    decode, prefill = _layouts(row, chip)
    measured: dict[Quantity, float] = {}
    for quantity, cell, unit in _CELLS:
        value = positive_cell(row, cell)
        if value and quantity not in measured:
            measured[quantity] = value * unit
    if stated == "online saturated":
        measured = {name: value for name, value in measured.items() if name == "output_tokens_per_s"}
    cap = positive_cell(row, "max_num_seqs") or (_DEFAULT_SEQUENCES if engine == "vllm_0" else None)
    if regime == "offline" and positive_cell(row, "batch"):
        cap = positive_cell(row, "batch")
    return ServingRun(
        row=position,
        row_id=text_cell(row, "row_id"),
        model=model,
        architecture=library.models[model].architecture,
        accelerator=chip,
        precision=precision,
        kv_precision=_kv_precision(row, engine, chip, precision),
        engine=engine,
        regime=regime,
        decode=decode,
        prefill=prefill,
        input_tokens=inputs,
        output_tokens=outputs,
        clients=clients,
        most_batch=cap / decode.replicas if cap else float("inf"),
        harness=_HARNESSES.get(text_cell(row, "source"), ""),
        burst=0.1 if regime == "closed" else 0.0,
        measured=measured,
        slices=(("source", text_cell(row, "source")), ("framework", engine), ("regime", stated)),
    )


def _lengths(row: Mapping[str, str]) -> tuple[float | None, float]:
    task = serving_names().input_tokens.get(text_cell(row, "load"))
    return positive_cell(row, "isl") or (task.value if task else None), positive_cell(row, "osl") or 1.0


def _clients(row: Mapping[str, str], regime: Regime | None) -> float | None:
    match regime:
        case "offline":
            return float("inf")
        case "closed":
            return positive_cell(row, "concurrency")
        case "open":
            return positive_cell(row, "achieved_rps") or positive_cell(row, "offered_rps")
        case "static":
            return positive_cell(row, "batch") or 1.0
        case _:
            return positive_cell(row, "batch")


def _layouts(row: Mapping[str, str], chip: str) -> tuple[Layout, Layout | None]:
    """Degrees of a replica; its number fills the accelerators that the row names."""
    count = degree_cell(row, "accel_count") or 1
    pools = _POOLS.search(text_cell(row, "disagg"))
    if pools:
        prefill, decode, tp = (int(group) for group in pools.groups())
        return Layout(tp, 1, 1, 1, decode), Layout(tp, 1, 1, 1, prefill)
    tp, pp = degree_cell(row, "tp") or count, degree_cell(row, "pp") or 1
    if any(chip.startswith(prefix) for prefix in serving_names().core_counting):
        tp = count
    ep = degree_cell(row, "ep") or 1
    dp = degree_cell(row, "attn_dp") or 1
    if dp > 1:
        tp, ranks = max(1, count // dp // pp), dp
    elif text_cell(row, "attn_dp") == "True" or _ATTENTION_DP in text_cell(row, "note"):
        tp, ranks, ep = 1, tp, tp
    else:
        ranks = 1
    return Layout(tp, pp, ep, ranks, max(1, count // (tp * pp * ranks))), None


def _kv_precision(row: Mapping[str, str], engine: str, chip: str, precision: int) -> int:
    """As stated; else FP8 beside narrow weights where the published recipes of the engine or the chip do so."""
    stated = text_cell(row, "kv_precision").upper()
    does_so = engine == "trtllm" or chip.startswith(serving_names().narrow_caches)
    narrow = PRECISIONS[precision] in {"fp8", "fp4"} and does_so
    return KV_PRECISIONS.index("fp8" if stated == "FP8" or (not stated and narrow) else "bf16")


def predict(rows: Iterable[Mapping[str, str]], library: Library) -> Iterator[Prediction]:
    """Predictions of all rows; a row gives one for each quantity it measured."""
    yield from predictions(rows, library, serving_published_run)
