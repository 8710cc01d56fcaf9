"""The packaged serving runs as calibration takes them."""

from __future__ import annotations

from dataclasses import replace

from measurements import measured_runs
from planner.library import Library
from planner.validation.rows import is_scorable, parse_rows
from planner.validation.serving_calibration import Calibration, calibrate_serving
from planner.validation.serving_latency import serving_latency_run
from planner.validation.serving_mlperf import likely_run
from planner.validation.serving_published import serving_published_run
from planner.validation.serving_runs import ServingRun, Understanding, understood_runs

TABLES: dict[str, Understanding] = {
    "serving_latency": serving_latency_run,
    "serving_published": serving_published_run,
    "serving_mlperf": likely_run,
}


def serving_runs(library: Library) -> list[ServingRun]:
    """All scorable rows of the packaged tables that are understood; the source of an MLPerf row is its suite."""
    found: list[ServingRun] = []
    for name, understand in TABLES.items():
        rows = [row for row in parse_rows(measured_runs(name)) if is_scorable(row)]
        runs, _ = understood_runs(rows, library, understand)
        found += [replace(run, source="mlperf") for run in runs] if name == "serving_mlperf" else runs
    return found


def calibrate_packaged(library: Library) -> Calibration:
    """Fit the parameters to the packaged runs: what `rackwright calibrate` writes to `fitted/serving.yaml`."""
    return calibrate_serving(serving_runs(library), library.hardware)
