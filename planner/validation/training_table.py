"""The measured training runs that calibration uses, and the fitted parameters as a YAML document with their provenance."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np

from measurements import measured_runs
from measurements.training_efficiency import NEUTRAL, Software
from planner.library import Library
from planner.performance.robust_fit import Fit, fit
from planner.search.columns import PRECISIONS, FloatColumn
from planner.validation.rows import is_scorable, number_cell, parse_rows, text_cell
from planner.validation.training_calibration import Calibration, Priors
from planner.validation.training_runs import NotPredictableError, TrainingRun, training_run

_ARCHITECTURES = (("dense", False), ("moe", True))
TABLES = ("training_published", "training_mlperf")


def priors() -> Priors:
    """The packaged priors."""
    return Priors.parse(resources.files("measurements").joinpath("training_priors.yaml").read_bytes())


def calibration_runs(tables: Mapping[str, bytes], library: Library) -> Iterator[tuple[TrainingRun, float]]:
    """Runs whose parallelism is determined, with a step time; context rows and those marked as contradictory are left out."""
    for content in tables.values():
        for position, row in enumerate(parse_rows(content)):
            step_s = number_cell(row, "step_time_s")
            if step_s is None or not is_scorable(row) or "weight low" in text_cell(row, "correction"):
                continue
            try:
                run = training_run(position, row, library)
            except NotPredictableError:
                continue
            if run.determined:
                yield run, step_s


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A finished fit with the errors of what it did not see; errors are predicted / measured - 1 of each run."""

    calibration: Calibration
    fit: Fit
    errors: Mapping[str, FloatColumn]


LEFT_OUT: dict[str, Callable[[TrainingRun], Hashable | None]] = {
    "family": lambda run: run.family,
    "accelerator": lambda run: run.accelerator,
    "release": lambda run: (run.stack, run.release) if run.release else None,
}


def calibrate(library: Library, tables: Mapping[str, bytes] | None = None) -> Calibrated:
    """Fit to `tables` (the packaged ones by default), and cross-validate."""
    chosen = tables if tables is not None else {name: measured_runs(name) for name in TABLES}
    rows = list(calibration_runs(chosen, library))
    calibration = Calibration([run for run, _ in rows], [step_s for _, step_s in rows], library, priors())
    problem = calibration.problem()
    full = fit(problem)
    errors = {"fit": np.expm1(full.predicted - calibration.observed)}
    for name, group_of in LEFT_OUT.items():
        errors[name] = np.expm1(calibration.left_out(problem, full, group_of) - calibration.observed)
    return Calibrated(calibration, full, errors)


def document(result: Calibrated) -> str:
    """The fit as the YAML that `measurements.training_efficiency` reads. Equal inputs give equal text."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: Calibrated) -> Iterator[str]:
    parameters, runs = result.fit.parameters, result.calibration.runs
    yield "# Written by `rackwright calibrate`; do not edit. Sources: runs/training_published.csv, runs/training_mlperf.csv,"
    yield "# kernels/kernels.yaml, training_priors.yaml. `error` is the standard deviation of the logarithm."
    yield "calibrated: true"
    families = {run.family for run in runs}
    yield f"provenance: {{rows: {len(runs)}, families: {len(families)}, parameters: {len(parameters)}}}"
    yield "errors_pct:  # median and 90th percentile of |predicted / measured - 1|: of the fit, and with what is named left out of it"
    for name, error in result.errors.items():
        known = np.abs(error[~np.isnan(error)]) * 100.0
        yield f"  {name}: {{rows: {len(known)}, median: {np.median(known):.1f}, p90: {np.percentile(known, 90):.1f}}}"
    yield "step_time_ratios:  # 10th and 90th percentile of measured over predicted step time, with the same left out"
    for left_out in ("family", "accelerator"):
        ratio = 1.0 / (1.0 + result.errors[left_out])
        ends = {}
        for name, experts in _ARCHITECTURES:
            chosen = ratio[np.array([run.experts == experts for run in runs])]
            if len(chosen):
                ends[name] = np.percentile(chosen, (10, 90))
        yield f"  {left_out}: {{{', '.join(f'{name}: [{low:.3f}, {high:.3f}]' for name, (low, high) in ends.items())}}}"
    yield from _parameter_lines(result)


def _parameter_lines(result: Calibrated) -> Iterator[str]:
    """Every fitted parameter with its error, by kind."""
    calibration, parameters, runs = result.calibration, result.fit.parameters, result.calibration.runs
    kinds: dict[str, list[tuple[Hashable, int]]] = {}
    for position, (kind, key) in enumerate(calibration.names.items):
        kinds.setdefault(kind, []).append((key, position))

    def cell(position: int) -> str:
        return f"{{value: {np.exp(parameters[position]):.4g}, error: {result.fit.deviation[position]:.2g}}}"

    yield "physics:"
    yield from (f"  {key}: {cell(position)}" for key, position in kinds["physics"])
    yield "accelerators:"
    for chip, position in _sorted(kinds["accelerator"]):
        row = next(row for row, (other, _) in enumerate(calibration.places) if other == chip)
        peak = calibration.platforms.peak_flops_per_s[row, 0] / 1e12
        bandwidth = calibration.platforms.memory_bandwidth_bytes_per_s[row] / 1e9
        attention = cell(calibration.position["attention", chip])
        rows = sum(run.accelerator == chip for run in runs)
        reference = f"peak_tflops: {peak:g}, memory_gb_per_s: {bandwidth:g}, rows: {rows}"
        yield f"  {chip}: {{rate: {cell(position)}, attention: {attention}, {reference}}}"
    for title, kind in (("formats", "format"), ("experts", "experts"), ("recipes", "recipe")):
        yield f"{title}:"
        yield from (f"  {key}: {cell(position)}" for key, position in _sorted(kinds.get(kind, [])))
    yield "pairs:"
    for chip, _ in _sorted(kinds["accelerator"]):
        pairs = [(precision, calibration.position.get(("pair", (chip, precision)))) for precision in PRECISIONS]
        inner = ", ".join(f"{precision}: {cell(position)}" for precision, position in pairs if position is not None)
        yield f"  {chip}: {{{inner}}}"
    yield "software:"
    for stack, _ in _sorted(kinds["stack"]):
        yield from _software_lines(result, str(stack))


def _software_lines(result: Calibrated, stack: str) -> Iterator[str]:
    """Factors of one stack and its releases. `moe` holds the whole factor of models with experts."""
    calibration = result.calibration

    def factor(kind: str, key: Hashable) -> float:
        position = calibration.position.get((kind, key))
        return 1.0 if position is None else float(np.exp(result.fit.parameters[position]))

    dense, extra = factor("stack", stack), factor("stack_experts", stack)
    yield f"  {stack}:"
    yield f"    dense: {dense:.4g}"
    yield f"    moe: {dense * extra:.4g}"
    yield f"    traffic: {factor('traffic', stack):.4g}"
    yield f"    attention: {factor('stack_attention', stack):.4g}"
    yield from _known_lines(calibration.software.get(stack, NEUTRAL))
    releases = sorted({run.release for run in calibration.runs if run.stack == stack and run.release})
    if releases:
        yield "    releases:"
    for release in releases:
        own, more = factor("release", (stack, release)), factor("release_experts", (stack, release))
        rows = sum(run.stack == stack and run.release == release for run in calibration.runs)
        yield f"      '{release}': {{dense: {own:.4g}, moe: {own * more:.4g}, rows: {rows}}}"


def _known_lines(software: Software) -> Iterator[str]:
    """What is known of a stack without fitting it."""
    if software.score_bytes:
        yield f"    score_bytes: {software.score_bytes:g}"
    if software.older_attention:
        yield f"    older_attention: [{', '.join(sorted(software.older_attention))}]"
    if software.fused_experts:
        yield f"    fused_experts: '{software.fused_experts}'"
        yield f"    fused_recipes: [{', '.join(sorted(software.fused_recipes))}]"


def _sorted(items: Iterable[tuple[Hashable, int]]) -> list[tuple[Hashable, int]]:
    return sorted(items, key=lambda item: str(item[0]))
