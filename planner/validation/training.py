"""Measured training runs beside their predictions: step time, tokens a second, time to train."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from measurements.training_benchmarks import training_benchmarks
from planner.cluster.platform import platforms
from planner.library import Library
from planner.performance.run_time import evaluation_s, run_time_s
from planner.search.columns import PRECISIONS
from planner.validation.prediction import Prediction
from planner.validation.rows import is_scorable, number_cell, text_cell
from planner.validation.training_candidates import candidates
from planner.validation.training_runs import NotPredictableError, TrainingRun, training_run

_SECONDS_PER_MINUTE = 60.0
_RUNS_AT_ONCE = 500  # distinct runs; each may have thousands of candidates
_SCALES = ((8, "1-8"), (64, "9-64"), (512, "65-512"), (4096, "513-4096"))


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A column of the file, and what of a predicted step time it should hold."""

    column: str
    of_step: Callable[[float, TrainingRun, Mapping[str, str]], float | None]


def _tokens_per_s(step_s: float, run: TrainingRun, _: Mapping[str, str]) -> float:
    return run.global_batch * run.sequence_tokens / step_s / run.devices


def _time_to_train_min(step_s: float, run: TrainingRun, row: Mapping[str, str]) -> float | None:
    """Steps to the target, which the run itself decides, and the benchmark's evaluations; the clock starts after start-up."""
    steps = number_cell(row, "steps_median")
    if steps is None:
        return None
    benchmark = training_benchmarks().get(text_cell(row, "benchmark"))
    evaluations = 0.0
    if benchmark is not None:
        one_s = evaluation_s(step_s, run.global_batch, benchmark.sequences, run.method, benchmark.fixed_s)
        evaluations = benchmark.evaluations(steps * run.global_batch) * float(one_s)
    return float(run_time_s(steps, step_s, evaluations_s=evaluations)) / _SECONDS_PER_MINUTE


QUANTITIES = (
    _Quantity("step_time_s", lambda step_s, *_: step_s),
    _Quantity("tokens_per_s_per_acc", _tokens_per_s),
    _Quantity("ttt_min_median", _time_to_train_min),
)


def predict(rows: Iterable[Mapping[str, str]], library: Library) -> Iterator[Prediction]:
    """Predictions of all rows of a training file; a row gives one for each quantity it measured."""
    table = list(rows)
    runs: list[TrainingRun] = []
    refused: dict[int, str] = {}
    for position, row in enumerate(table):
        try:
            runs.append(training_run(position, row, library))
        except NotPredictableError as error:
            refused[position] = error.code
    steps = step_times_s(runs, library)
    understood = {run.row: run for run in runs}
    for position, row in enumerate(table):
        yield from _of_row(position, row, understood.get(position), steps.get(position), refused.get(position, ""), library)


def step_times_s(runs: Iterable[TrainingRun], library: Library) -> dict[int, float]:
    """Predicted step time by row: of the stated configuration, or the fastest that fits where it is not stated."""
    rows_of: dict[TrainingRun, list[int]] = {}
    for run in runs:
        rows_of.setdefault(replace(run, row=0, row_id=""), []).append(run.row)
    alike = list(rows_of)
    found: dict[int, float] = {}
    for start in range(0, len(alike), _RUNS_AT_ONCE):
        for run, seconds in _fastest_s(alike[start : start + _RUNS_AT_ONCE], library):
            found.update(dict.fromkeys(rows_of[run], seconds))
    return found


def _fastest_s(runs: Sequence[TrainingRun], library: Library) -> Iterator[tuple[TrainingRun, float]]:
    """Step time of each run that has a layout at all."""
    places = list(dict.fromkeys((run.accelerator, run.condition) for run in runs))
    stands = platforms(library.hardware, [accelerator for accelerator, _ in places])
    rates = library.training_efficiency.on(stands, *(condition for _, condition in places))
    of_run = [places.index((run.accelerator, run.condition)) for run in runs]
    for group in candidates(runs, of_run, [int(stands.scale_up_domain[place]) for place in of_run]):
        fitting = group.that_fit(stands)
        fastest = np.full(len(group.runs), np.inf)
        np.fmin.at(fastest, fitting.run_of_variant, fitting.step_s(stands, rates))
        for run, seconds in zip(group.runs, fastest, strict=True):
            if np.isfinite(seconds):
                yield run, float(seconds)


def _of_row(
    position: int, row: Mapping[str, str], run: TrainingRun | None, step_s: float | None, reason: str, library: Library
) -> Iterator[Prediction]:
    measured = [(quantity, number_cell(row, quantity.column)) for quantity in QUANTITIES]
    if all(value is None for _, value in measured):
        yield _prediction(position, row, "step_time_s", float("nan"), None, "no_target", ())
        return
    slices = _slices(row, run, library)
    if run is not None and step_s is None:
        reason = "no_number_format" if _lacks_format(run, library) else "no_layout"
    for quantity, value in measured:
        if value is not None:
            predicted = None if run is None or step_s is None else quantity.of_step(step_s, run, row)
            found = _prediction(position, row, quantity.column, value, predicted, reason if predicted is None else "", slices)
            if run is not None and step_s is not None:
                found = replace(found, interval80=_interval(quantity, step_s, run, row, library))
            yield found


def _interval(quantity: _Quantity, step_s: float, run: TrainingRun, row: Mapping[str, str], library: Library) -> tuple[float, float] | None:
    """The interval of the step time, carried over to the quantity."""
    fitted = library.training_efficiency.training
    borrowed = run.accelerator not in fitted.accelerators
    ends = [quantity.of_step(step_s * ratio, run, row) for ratio in fitted.step_time_interval(experts=run.experts, borrowed=borrowed)]
    known = sorted(end for end in ends if end is not None)
    return (known[0], known[-1]) if known else None


def _lacks_format(run: TrainingRun, library: Library) -> bool:
    return PRECISIONS[run.precision] not in library.hardware.accelerators[run.accelerator].peak_flops_per_s


def _prediction(
    position: int,
    row: Mapping[str, str],
    quantity: str,
    measured: float,
    predicted: float | None,
    reason: str,
    slices: tuple[tuple[str, str], ...],
) -> Prediction:
    return Prediction(position, text_cell(row, "row_id"), quantity, measured, predicted, reason, is_scorable(row), slices)


def _slices(row: Mapping[str, str], run: TrainingRun | None, library: Library) -> tuple[tuple[str, str], ...]:
    source = text_cell(row, "source_group") or ("mlperf" if text_cell(row, "benchmark") else "")
    slices = {"source": source, "accelerator": text_cell(row, "accelerator"), "mode": text_cell(row, "task") or text_cell(row, "benchmark")}
    if run is not None:
        slices |= {
            "vendor": library.hardware.accelerators[run.accelerator].vendor,
            "precision": PRECISIONS[run.precision],
            "architecture": "moe" if run.experts else "dense",
            "scale": next((name for most, name in _SCALES if run.devices <= most), ">4096"),
            "framework": run.stack,
            "parallelism": "known" if run.known else "searched",
        }
    return tuple((dimension, key) for dimension, key in slices.items() if key)
