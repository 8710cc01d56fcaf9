"""`rackwright calibrate`: fits the efficiency parameters to the measured runs, and says how well they carry over."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import measurements
from cli import Commands
from facts.errors import Fault, RackwrightError
from planner.library import default_library
from planner.validation.training_calibration import Priors
from planner.validation.training_table import Calibrated, calibrate, document

_PACKAGE = Path(measurements.__file__).parent
_TRAINING = _PACKAGE / "fitted" / "training.yaml"
_CHANGED = 1


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "calibrate", description="Fit training efficiency to the packaged measured runs and write it with its errors; takes minutes."
    )
    parser.add_argument("--output", type=Path, default=_TRAINING, metavar="FILE.yaml", help="where to write (default: the packaged fit)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the packaged fit is not what the runs give")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fit, report, write or compare."""
    result = calibrate(default_library(), Priors.parse((_PACKAGE / "training_priors.yaml").read_bytes()))
    text = document(result)
    print("\n".join(_summary(result)))
    if arguments.check:
        same = _TRAINING.read_text(encoding="utf-8") == text
        print("The packaged fit is reproduced." if same else "The packaged fit differs from what the runs give.")
        return 0 if same else _CHANGED
    try:
        arguments.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RackwrightError(Fault("file_unreadable", str(arguments.output), value=error.strerror or "")) from None
    print(f"Written: {arguments.output}")
    return 0


def _summary(result: Calibrated) -> list[str]:
    """Errors by what was left out of the fit."""
    lines = [f"{'left out of the fit':<24}{'rows':>6}{'median error %':>16}{'p90 error %':>13}"]
    for name, error in result.errors.items():
        sizes = 100.0 * np.abs(error[~np.isnan(error)])
        label = "nothing" if name == "fit" else name
        lines.append(f"{label:<24}{len(sizes):>6}{np.median(sizes):>16.1f}{np.percentile(sizes, 90):>13.1f}")
    return lines
