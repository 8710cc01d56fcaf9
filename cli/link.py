"""`rackwright link`: prints the link that opens a request in the dashboard."""

from __future__ import annotations

import argparse

from cli import Commands
from cli.requests import faults_named, read_requests
from planner import plan
from planner.links import encode_link

_BASE_URL = "http://localhost:8501/"


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("link", description="Print the link of each request, one a line.")
    parser.add_argument("requests", nargs="+", metavar="REQUEST", help="request in YAML or JSON; - reads standard input")
    parser.add_argument("--base", default=_BASE_URL, metavar="URL", help=f"where the dashboard is served (default: {_BASE_URL})")
    parser.add_argument("--with-prices", action="store_true", help="put your own prices into the link (left out by default)")
    parser.add_argument("--without-figures", action="store_true", help="leave out today's headline figures; does not plan")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one link a request."""
    links = []
    for named in read_requests(arguments.requests):
        with faults_named(named.name):
            answer = None if arguments.without_figures else plan(named.request)
            links.append(encode_link(named.request, arguments.base, answer, with_prices=arguments.with_prices))
    print("\n".join(links))
    return 0
