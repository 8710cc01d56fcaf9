"""`rackwright frontier`: the configurations that a plan keeps, those that nothing beats in two objectives, or all that fit, as
CSV for spreadsheets or Parquet for programs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from cli import Commands
from cli.requests import faults_named, read_requests
from cli.tables import cells
from facts.errors import Fault, RackwrightError
from planner import plan
from planner.answer import FrontierPoint
from planner.library import Library, load_library
from planner.pareto import Axes, configurations, frontier
from planner.request import Objective, PlanRequest
from planner.subject import subject
from planner.tables import FRONTIER_COLUMNS
from texts.csv_cells import csv_bytes

CSV_ROWS = 100_000  # more than that and a spreadsheet is the wrong tool
NamedPoint = tuple[str, str, FrontierPoint]  # of which request, of which model
_NAMES = ("request", "model", *(column.name for column in FRONTIER_COLUMNS))


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("frontier", description="Write the configurations that a plan keeps. Exit code 1: nothing fits.")
    parser.add_argument("requests", nargs="+", metavar="REQUEST", help="request in YAML or JSON; - reads standard input")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="where to write: .csv or .parquet")
    parser.add_argument(
        "--axes",
        nargs=2,
        choices=get_args(Objective),
        metavar="OBJECTIVE",
        help=f"of the whole space, what nothing beats in both of two objectives: {', '.join(get_args(Objective))}",
    )
    parser.add_argument("--all", action="store_true", help="what else fits of all that was evaluated, beside that frontier (cost, time)")
    parser.add_argument("--catalog", action="append", default=[], type=Path, metavar="FILE", help="own catalog entries; may be repeated")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Plan every request, then write all points to one file."""
    ending = arguments.output.suffix.lower()
    if ending not in _WRITERS:
        raise RackwrightError(Fault("not_allowed", field="--output", value=str(arguments.output), allowed=", ".join(_WRITERS)))
    requests = read_requests(arguments.requests)
    library = load_library(arguments.catalog)
    points: list[NamedPoint] = []
    for named in requests:
        with faults_named(named.name):
            points += [(named.name, *point) for point in _points(named.request, arguments.axes, library, everything=arguments.all)]
    try:
        _WRITERS[ending](arguments.output, points)
    except OSError as error:
        raise RackwrightError(Fault("file_unwritable", str(arguments.output), value=error.strerror or "")) from None
    return 0 if points else 1


def _points(request: PlanRequest, axes: list[Objective] | None, library: Library, *, everything: bool) -> list[tuple[str, FrontierPoint]]:
    """Name of the model and configuration of each point."""
    if axes is None and not everything:
        answer = plan(request, library)
        return [(answer.model_name, point) for point in answer.frontier]
    name = subject(request, library.models).name
    both: Axes = (axes[0], axes[1]) if axes else ("cost", "time")
    return [(name, point) for point in (configurations if everything else frontier)(request, both, library)]


def _csv(path: Path, points: Sequence[NamedPoint]) -> None:
    """Text and numbers as spreadsheets take them. Raises `RackwrightError` for more rows than they do."""
    if len(points) > CSV_ROWS:
        raise RackwrightError(Fault("file_too_large", path.name, value=f"{len(points)} rows", allowed=f"<= {CSV_ROWS} rows"))
    path.write_bytes(csv_bytes(_NAMES, [(name, model, *cells(FRONTIER_COLUMNS, point)) for name, model, point in points]))


def _parquet(path: Path, points: Sequence[NamedPoint]) -> None:
    """Typed columns, unknown figures as null."""
    import pandas as pd  # noqa: PLC0415 half a second that a CSV need not wait for

    rows = [(name, model, *(column.value(point) for column in FRONTIER_COLUMNS)) for name, model, point in points]
    pd.DataFrame(rows, columns=list(_NAMES)).to_parquet(path, engine="pyarrow", index=False)


_WRITERS: dict[str, Callable[[Path, Sequence[NamedPoint]], None]] = {".csv": _csv, ".parquet": _parquet}
