"""The packaged serving runs as calibration takes them."""

from __future__ import annotations

from dataclasses import replace

from facts.cache import digest_of
from measurements import measured_runs
from measurements.engine_kernels import engine_kernels
from measurements.serving_fit import serving_priors_digest
from planner.library import Library
from planner.validation.rows import is_scorable, parse_rows
from planner.validation.serving_calibration import Calibration, calibrate_serving
from planner.validation.serving_latency import serving_latency_run
from planner.validation.serving_mlperf import serving_mlperf_run
from planner.validation.serving_names import names_content
from planner.validation.serving_published import serving_published_run
from planner.validation.serving_runs import ServingRun, Understanding, understood_runs

TABLES: dict[str, Understanding] = {
    "serving_latency": serving_latency_run,
    "serving_published": serving_published_run,
    "serving_mlperf": serving_mlperf_run,
}


def serving_runs(library: Library) -> list[ServingRun]:
    """All scorable rows of the packaged tables that are understood, each with its table as a slice."""
    found: list[ServingRun] = []
    for name, understand in TABLES.items():
        rows = [row for row in parse_rows(measured_runs(name)) if is_scorable(row)]
        runs, _ = understood_runs(rows, library, understand)
        found += [replace(run, slices=(("table", name), *run.slices)) for run in runs]
    return found


def calibrate_packaged(library: Library) -> Calibration:
    """Fit the parameters to the packaged runs: what `rackwright calibrate` writes to `fitted/serving.yaml`."""
    return calibrate_serving(serving_runs(library), library.hardware, inputs_digest())


def inputs_digest() -> str:
    """Digest of all that the fit is made from but the code: rows, what their tables leave out, kernels and beliefs."""
    tables = [(name, measured_runs(name)) for name in TABLES]
    stated = [("names", names_content()), ("kernels", engine_kernels().digest.encode()), ("priors", serving_priors_digest().encode())]
    return digest_of([*tables, *stated])
