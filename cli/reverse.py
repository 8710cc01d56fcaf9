"""`rackwright reverse`: what runs on given accelerators, and the largest model that a budget trains."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping

from cli import Commands
from cli.tables import text_table
from planner import default_library
from planner.request import PlanRequest
from planner.reverse import TOKENS_PER_PARAMETER, largest_trainable, what_runs
from planner.tables import RUNS_COLUMNS
from texts import numbers
from texts.translations import mark, tr


def register(commands: Commands) -> None:
    """Add the command and its two questions to the parser."""
    parser = commands.add_parser("reverse", description="Ask the other way round: from accelerators or money to models.")
    questions = parser.add_subparsers(metavar="QUESTION", required=True)
    runs = questions.add_parser("runs", help="which models these accelerators serve, and how fast")
    runs.add_argument("accelerator", help="id of the catalog")
    runs.add_argument("count", type=int, help="how many accelerators")
    runs.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="field of the serving workload, as tpot_s=0.05")
    runs.set_defaults(run=_run_runs)
    trains = questions.add_parser("trains", help="the largest model that a budget trains well")
    trains.add_argument("budget_usd", type=float, help="USD for the run")
    trains.add_argument("--days", type=float, default=60.0, help="the run must end within this time")
    trains.add_argument("--tokens-per-parameter", type=float, default=TOKENS_PER_PARAMETER)
    trains.set_defaults(run=_run_trains)
    for question in (runs, trains):
        question.add_argument("--format", choices=("table", "json"), default="table")


def _run_runs(arguments: argparse.Namespace) -> int:
    values = dict(item.partition("=")[::2] for item in arguments.set)
    workload = {"kind": "serving"} | {name: _number(text) for name, text in values.items()}
    raw = {"model": "any", "workload": workload, "limits": {"accelerators": [arguments.accelerator], "max_devices": arguments.count}}
    request = PlanRequest.parse(raw, "command line")
    assert request.workload.kind == "serving"  # noqa: S101 as written above
    found = what_runs(arguments.accelerator, arguments.count, request.workload, default_library())
    if arguments.format == "json":
        print(json.dumps([dataclasses.asdict(runs) for runs in found], indent=2, sort_keys=True))
    else:
        print(text_table([column for column in RUNS_COLUMNS if column.name != "model_id"], found, arguments.lang))
    return 0


def _run_trains(arguments: argparse.Namespace) -> int:
    request = PlanRequest.parse({"model": "any", "workload": {"kind": "training", "deadline_days": arguments.days}}, "command line")
    found = largest_trainable(arguments.budget_usd, request, default_library(), arguments.tokens_per_parameter)
    if arguments.format == "json":
        answer = (
            None if found is None else _facts(found.model_id, found.parameters, found.tokens, json.loads(found.answer.canonical_json()))
        )
        print(json.dumps(answer, indent=2, sort_keys=True))
    elif found is None:
        print(tr(mark("No model of the library can be trained for that."), arguments.lang))
    else:
        first = found.answer.recommendations[0]
        sentence = mark("{model} on {tokens} tokens: {count} × {accelerator}, {cost}.")
        print(
            tr(
                sentence,
                arguments.lang,
                model=found.model_name,
                tokens=numbers.count(found.tokens, arguments.lang),
                count=numbers.whole(first.devices, arguments.lang),
                accelerator=first.accelerator_name,
                cost=numbers.money(first.cost.total_usd, arguments.lang),
            )
        )
    return 0


def _facts(model_id: str, parameters: int, tokens: float, answer: object) -> Mapping[str, object]:
    return {"model": model_id, "parameters": parameters, "tokens": tokens, "plan": answer}


def _number(text: str) -> object:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text
