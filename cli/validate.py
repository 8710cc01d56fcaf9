"""`rackwright validate`: predicted against measured, on anyone's table of runs."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from cli import Commands
from facts.errors import Fault, RackwrightError
from planner.library import default_library
from planner.validate import KINDS, Report, Slice, kind_of, validate
from planner.validation.rows import Rows, parse_rows

_MOST_BYTES = 20_000_001


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "validate", description="Predict what each row of a table measured, from the row's own configuration, and report the errors."
    )
    parser.add_argument("file", metavar="FILE.csv", help="measured runs; - reads standard input")
    parser.add_argument("--kind", choices=sorted(KINDS), help="what was measured (default: guessed from the columns)")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table", help="csv gives every row with its prediction")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    rows = parse_rows(_content(arguments.file), arguments.file)
    report = validate(rows, arguments.kind or kind_of(rows.header, arguments.file), default_library())
    if arguments.format == "json":
        print(json.dumps(report_json(report), indent=2, ensure_ascii=False))
    elif arguments.format == "csv":
        _write_csv(rows, report)
    else:
        print("\n".join(_table(report)))
    return 0


def _content(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(_MOST_BYTES)
        with Path(name).open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise RackwrightError(Fault("file_unreadable", name, value=error.strerror or "")) from None


def report_json(report: Report) -> dict[str, object]:
    """The report as plain data: the keys are part of the command's interface."""
    return {
        "kind": report.kind,
        "rows": report.rows,
        "answered": report.answered,
        "unanswered": dict(report.unanswered),
        "slices": [_slice_json(item) for item in report.slices],
    }


def _slice_json(item: Slice) -> dict[str, object]:
    return {
        "quantity": item.quantity,
        "by": item.by,
        "key": item.key,
        "n": item.n,
        "median_ape_pct": round(item.median_ape_pct, 2),
        "p90_ape_pct": round(item.p90_ape_pct, 2),
        "median_bias_pct": round(item.median_bias_pct, 2),
        "interval80_coverage_pct": None if item.interval80_coverage_pct is None else round(item.interval80_coverage_pct, 2),
    }


def _table(report: Report) -> Iterator[str]:
    """Slices as aligned text, one block a quantity."""
    unanswered = ", ".join(f"{reason} {count}" for reason, count in report.unanswered.items())
    yield f"{report.kind}: {report.answered} of {report.rows} rows predicted" + (f" (not: {unanswered})" if unanswered else "")
    quantity = ""
    for item in report.slices:
        if item.quantity != quantity:
            quantity = item.quantity
            yield ""
            yield f"{quantity:<44}{'rows':>6}{'median error %':>16}{'p90 error %':>13}{'median bias %':>15}{'in interval %':>15}"
        label = f"{item.by} {item.key}".strip()
        errors = f"{item.median_ape_pct:>16.1f}{item.p90_ape_pct:>13.1f}{item.median_bias_pct:>+15.1f}"
        coverage = "-" if item.interval80_coverage_pct is None else f"{item.interval80_coverage_pct:.0f}"
        yield f"  {label:<42}{item.n:>6}{errors}{coverage:>15}"


def _write_csv(rows: Rows, report: Report) -> None:
    """Every row as it was given, once a measured quantity, with its prediction."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*rows.header, "quantity", "measured", "predicted", "error_pct", "reason"])
    cells = list(rows)
    for item in report.predictions:
        error = item.relative_error
        given = [_harmless(cells[item.row].get(name, "")) for name in rows.header]
        figures = (item.measured, item.predicted, None if error is None else 100.0 * error)
        shown = ["" if value is None else f"{value:.6g}" for value in figures]
        writer.writerow([*given, item.quantity, *shown, item.reason])


def _harmless(cell: str) -> str:
    """Text that a spreadsheet would run as a formula is quoted."""
    formula = cell.startswith(("=", "@", "\t", "\r")) or (cell.startswith(("+", "-")) and not _is_number(cell))
    return f"'{cell}" if formula else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
