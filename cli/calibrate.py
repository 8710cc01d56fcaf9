"""`rackwright calibrate training|serving`: fits the efficiency parameters to the measured runs, and says how well they carry over."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

import measurements
from cli import Commands
from facts.errors import Fault, RackwrightError
from planner.library import default_library
from planner.search.columns import PRECISIONS, FloatColumn
from planner.validation.serving_table import calibrate_packaged
from planner.validation.training_runs import TrainingRun
from planner.validation.training_table import Calibrated, calibrate, document

_FITTED = Path(measurements.__file__).parent / "fitted"
_CHANGED = 1
_SLICE_WIDTH = 84  # the longest name of a slice


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "calibrate", description="Fit efficiency to the packaged measured runs and write it with its errors; takes minutes."
    )
    parser.add_argument("what", nargs="?", choices=sorted(_FITS), default="training", help="which parameters (default: training)")
    parser.add_argument("--output", type=Path, metavar="FILE.yaml", help="where to write (default: the packaged fit)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the packaged fit is not what the runs give")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fit, report, write or compare."""
    text, summary = _FITS[arguments.what]()
    packaged = _FITTED / f"{arguments.what}.yaml"
    output: Path = arguments.output or packaged
    print("\n".join(summary))
    if arguments.check:
        same = packaged.read_text(encoding="utf-8") == text
        print("The packaged fit is reproduced." if same else "The packaged fit differs from what the runs give.")
        return 0 if same else _CHANGED
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RackwrightError(Fault("file_unreadable", str(output), value=error.strerror or "")) from None
    print(f"Written: {output}")
    return 0


def _training() -> tuple[str, list[str]]:
    result = calibrate(default_library())
    return document(result), _summary(result)


def _serving() -> tuple[str, list[str]]:
    result = calibrate_packaged(default_library())
    head = f"{'median error %':>16}{'90 % range':>16}{'p90 error %':>13}"
    lines = [f"{'family left out':<{_SLICE_WIDTH}}{'rows':>6}{'families':>10}{head}"]
    for name, errors in result.fit.errors.items():
        span = f"{100 * errors.median_low:.1f} to {100 * errors.median_high:.1f}"
        figures = f"{100 * errors.median:>16.1f}{span:>16}{100 * errors.p90:>13.1f}"
        lines.append(f"{name:<{_SLICE_WIDTH}}{errors.rows:>6}{errors.families:>10}{figures}")
    return result.text, lines


_FITS: dict[str, Callable[[], tuple[str, list[str]]]] = {"training": _training, "serving": _serving}


def _summary(result: Calibrated) -> list[str]:
    """Errors by what was left out of the fit; then, with each run's family left out, by what the runs have in common."""
    lines = [f"{'left out of the fit':<32}{'rows':>6}{'median error %':>16}{'p90 error %':>13}"]
    for name, error in result.errors.items():
        lines.append(_line("nothing" if name == "fit" else name, error))
    lines.append("")
    lines.append("family left out, rows with stated parallelism")
    runs = result.calibration.runs
    stated = np.array([run.known for run in runs])
    error = result.errors["family"]
    lines.append(_line("all", error[stated]))
    sources = []
    for by, key_of in _SLICES.items():
        keys = [key_of(run) for run in runs]
        for key in sorted(set(keys)):
            chosen = stated & np.array([other == key for other in keys])
            if np.any(chosen):
                lines.append(_line(f"{by} {key}", error[chosen]))
            if by == "source" and np.any(chosen):
                sources.append(float(np.nanmedian(np.abs(error[chosen]))))
    lines.append(f"mean of the sources' medians: {100.0 * float(np.mean(sources)):.1f} %")
    return lines


_SLICES: dict[str, Callable[[TrainingRun], str]] = {
    "source": lambda run: run.source,
    "accelerator": lambda run: run.accelerator,
    "precision": lambda run: PRECISIONS[run.precision],
    "architecture": lambda run: "moe" if run.experts else "dense",
    "software": lambda run: run.stack,
}


def _line(label: str, error: FloatColumn) -> str:
    sizes = 100.0 * np.abs(error[~np.isnan(error)])
    return f"{label:<32}{len(sizes):>6}{np.median(sizes):>16.1f}{np.percentile(sizes, 90):>13.1f}"
