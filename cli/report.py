"""`rackwright report`: a plan as one HTML file to read and print, without a server."""

from __future__ import annotations

import argparse
from pathlib import Path

from cli import Commands
from cli.requests import faults_named, read_requests
from facts.errors import Fault, RackwrightError
from planner import plan
from planner.library import load_library
from planner.links import encode_link


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("report", description="Write a plan as HTML to read and print. Exit code 1: nothing fits.")
    parser.add_argument("request", metavar="REQUEST", help="request in YAML or JSON; - reads standard input")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.html", help="where to write")
    parser.add_argument("--rank", type=int, default=1, metavar="N", help="which option to report (default: 1)")
    parser.add_argument("--catalog", action="append", default=[], type=Path, metavar="FILE", help="own catalog entries; may be repeated")
    parser.add_argument("--url", default="", metavar="URL", help="address of a dashboard, to which the report's link then leads")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Plan, then write."""
    from dashboard.language import speaking  # noqa: PLC0415 takes over a second; faults need not wait for it
    from dashboard.report import report  # noqa: PLC0415

    (named,) = read_requests([arguments.request])
    with faults_named(named.name):
        answer = plan(named.request, load_library(arguments.catalog))
    shown = next((option for option in answer.recommendations if option.rank == arguments.rank), None)
    if shown is None and answer.recommendations:
        raise RackwrightError(Fault("unknown_id", named.name, "rank", str(arguments.rank)))
    with speaking(arguments.lang):
        text = report(answer, shown, encode_link(named.request, arguments.url, answer))
    try:
        arguments.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RackwrightError(Fault("file_unwritable", str(arguments.output), value=error.strerror or "")) from None
    return 0 if shown else 1
