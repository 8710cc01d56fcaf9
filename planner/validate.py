"""Predicted against measured, on anyone's rows: one report for every kind of measurement.

A kind is a module with `predict(rows, library)`, which yields a `Prediction` for every quantity a row measured; `KINDS` names
the module and the columns by which a file of that kind is told. Errors are |predicted / measured - 1|.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from facts.errors import Fault, RackwrightError
from planner.library import Library
from planner.validation.prediction import Prediction
from planner.validation.rows import Rows, is_scorable

DIMENSIONS = ("source", "vendor", "accelerator", "precision", "architecture", "scale", "framework", "regime", "mode")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of measurement: who predicts it, and the columns that only its files have together."""

    module: str
    columns: frozenset[str]

    @property
    def path(self) -> str:
        """Where the module is imported from."""
        return f"planner.validation.{self.module}"


KINDS: dict[str, Kind] = {
    "training-memory": Kind("training_memory", frozenset({"mem_value_gib", "sharding"})),
    "training-mlperf": Kind("training", frozenset({"benchmark", "ttt_min_median", "step_time_s"})),
    "training-published": Kind("training", frozenset({"tokens_per_s_per_acc", "n_acc", "seq_len"})),
    "serving-memory": Kind("serving_memory", frozenset({"weights_gib_per_gpu", "gpu_mem_util"})),
    "serving-latency": Kind("serving_latency", frozenset({"ttft_ms", "tpot_ms", "concurrency", "system"})),
    "serving-published": Kind("serving_published", frozenset({"regime", "output_tok_s"})),
    "serving-mlperf": Kind("serving_mlperf", frozenset({"scenario", "result", "used_model"})),
    "power": Kind("power", frozenset({"avg_power_w", "power_per_accel_w"})),
    "diffusion": Kind("diffusion", frozenset({"batch_latency_s", "inference_steps"})),
    "other-models": Kind("other_models", frozenset({"scenario", "result", "slo_latency_ms"})),
}


@dataclass(frozen=True, slots=True)
class Slice:
    """Errors of one quantity over the rows with one property, in percent; coverage is None without intervals."""

    quantity: str
    by: str
    key: str
    n: int
    median_ape_pct: float
    p90_ape_pct: float
    median_bias_pct: float
    interval80_coverage_pct: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a file. `rows` and `answered` count scorable rows; `predictions` holds all."""

    kind: str
    rows: int
    answered: int
    unanswered: Mapping[str, int]
    slices: tuple[Slice, ...]
    predictions: tuple[Prediction, ...]


def kind_of(header: Iterable[str], where: str = "") -> str:
    """The kind whose columns a file has; a fault if none does."""
    columns = set(header)
    for name, kind in KINDS.items():
        if kind.columns <= columns:
            return name
    raise RackwrightError(Fault("validation_kind_unknown", where, "columns", allowed=", ".join(KINDS)))


def validate(rows: Rows, kind: str, library: Library) -> Report:
    """Predict every row, and add up the errors. A fault if the kind is unknown or nobody predicts it yet."""
    if kind not in KINDS:
        raise RackwrightError(Fault("not_allowed", field="kind", value=kind, allowed=", ".join(KINDS)))
    if not is_predicted(kind):
        known = ", ".join(name for name in KINDS if is_predicted(name))
        raise RackwrightError(Fault("validation_kind_not_yet", value=kind, allowed=known))
    predict = importlib.import_module(KINDS[kind].path).predict
    predictions: tuple[Prediction, ...] = tuple(predict(rows, library))
    counted = [position for position, row in enumerate(rows) if is_scorable(row)]
    answered = {item.row for item in predictions if item.predicted is not None}
    reasons = {item.row: item.reason for item in predictions if item.predicted is None and item.row not in answered}
    unanswered = Counter(reasons.get(position, "no_target") for position in counted if position not in answered)
    return Report(
        kind=kind,
        rows=len(counted),
        answered=sum(position in answered for position in counted),
        unanswered=dict(sorted(unanswered.items())),
        slices=tuple(error_slices(predictions)),
        predictions=predictions,
    )


def is_predicted(kind: str) -> bool:
    """Whether the kind can be validated by this version."""
    return importlib.util.find_spec(KINDS[kind].path) is not None


def error_slices(predictions: Iterable[Prediction]) -> Iterator[Slice]:
    """Slices of scorable rows with stated parallelism; the others apart."""
    groups: dict[tuple[str, str, str], list[Prediction]] = {}
    for item in predictions:
        error = item.relative_error
        if error is None or not math.isfinite(error):
            continue
        for by, key in _memberships(item):
            groups.setdefault((item.quantity, by, key), []).append(item)
    order = ("all", *DIMENSIONS, "parallelism", "scorable")
    for (quantity, by, key), items in sorted(groups.items(), key=lambda group: (group[0][0], order.index(group[0][1]), group[0][2])):
        errors = 100.0 * np.array([item.relative_error for item in items], dtype=np.float64)
        covered = [item.covered for item in items if item.covered is not None]
        yield Slice(
            quantity=quantity,
            by=by,
            key=key,
            n=len(items),
            median_ape_pct=float(np.median(np.abs(errors))),
            p90_ape_pct=float(np.percentile(np.abs(errors), 90)),
            median_bias_pct=float(np.median(errors)),
            interval80_coverage_pct=100.0 * float(np.mean(covered)) if covered else None,
        )


def _memberships(item: Prediction) -> Iterator[tuple[str, str]]:
    if not item.scorable:
        yield "scorable", "no"
        return
    properties = dict(item.slices)
    if "parallelism" in properties:
        yield "parallelism", properties["parallelism"]
    if properties.get("parallelism") == "searched":
        return
    yield "all", ""
    for by in DIMENSIONS:
        if by in properties:
            yield by, properties[by]
