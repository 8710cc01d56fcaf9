"""`rackwright plan`: answers requests, as a table for people, JSON for programs, CSV for spreadsheets or YAML to ask again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from cli import Commands
from cli.requests import NamedRequest, faults_named, read_requests
from cli.tables import cells, text_table
from planner import Plan, plan
from planner.answer import Fabric, Recommendation
from planner.library import Library, load_library
from planner.links import Snapshot
from planner.request import Serving
from planner.tables import BILL_COLUMNS, RECOMMENDATION_COLUMNS, PlanColumn
from texts import numbers, words
from texts.csv_cells import Cell, csv_text
from texts.sentences import sentence
from texts.translations import Language, mark, tr

_SHOWN = 5
_SHOWN_MISSES = 3
_DEGREES = ("tp", "pp", "cp", "ep", "dp")
_USUAL = dict.fromkeys((*_DEGREES, *(f"prefill_{name}" for name in _DEGREES)), 1) | {
    "total_is": "complete"
}  # a column of these alone says nothing
_COMMON_COLUMNS = ("rank", "accelerator", "accelerators", "servers", "precision", *_DEGREES, "tokens_per_s")
_SERVING_COLUMNS = ("replicas", "prefill_accelerator", "prefill_replicas", "prefill_tp", "prefill_pp", "prefill_dp", "ttft_s", "tpot_s")
_TRAINING_COLUMNS = ("step_s", "mfu", "run_days")
_TOKEN_COLUMNS = ("usd_per_million_input_tokens", "usd_per_million_output_tokens", "joules_per_output_token", "limited_by")
_MONEY_COLUMNS = ("acquisition", "total_usd", "total_is", "facility_w", "bottleneck")

_TRAINING_TASKS = {
    "pretrain": mark("Pre-train {model} on {tokens} tokens"),
    "finetune": mark("Fine-tune {model} on {tokens} tokens"),
    "lora": mark("Train LoRA adapters of {model} on {tokens} tokens"),
    "qlora": mark("Train QLoRA adapters of {model} on {tokens} tokens"),
}

Answer = tuple[NamedRequest, Plan]


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("plan", description="Answer requests. Exit code 1: nothing fits.")
    parser.add_argument("requests", nargs="*", metavar="REQUEST", help="request in YAML or JSON; - reads standard input")
    parser.add_argument("--link", action="append", default=[], metavar="URL", help="a shared link instead of a file; may be repeated")
    parser.add_argument("--catalog", action="append", default=[], type=Path, metavar="FILE", help="own catalog entries; may be repeated")
    parser.add_argument("--format", choices=_FORMATS, default="table", help="default: table")
    parser.add_argument("--top", type=_positive, metavar="N", help=f"show the best N (default: {_SHOWN} in a table, else all)")
    parser.add_argument("--bill", action="store_true", help="the bill of materials instead (table, csv; json always holds it)")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan every request, then print; nothing is printed unless all of them could be planned."""
    if not arguments.requests and not arguments.link:
        arguments.parser.error("give a request or --link")
    if arguments.format == "yaml" and len(arguments.requests) + len(arguments.link) > 1:
        arguments.parser.error("yaml holds one request")
    requests = read_requests(arguments.requests, arguments.link)
    for notice in (notice for named in requests for notice in named.notices):
        print(sentence(notice, arguments.lang), file=sys.stderr)
    library = load_library(arguments.catalog)
    answers = [(named, _cut(_answer(named, library), arguments.top)) for named in requests]
    print(_FORMATS[arguments.format](answers, arguments), end="")
    return 0 if all(answer.recommendations for _, answer in answers) else 1


def _answer(named: NamedRequest, library: Library) -> Plan:
    with faults_named(named.name):
        return plan(named.request, library)


def _cut(answer: Plan, top: int | None) -> Plan:
    return answer if top is None else answer.model_copy(update={"recommendations": answer.recommendations[:top]})


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _json(answers: Sequence[Answer], _: argparse.Namespace) -> str:
    """One plan is an object, several are a list."""
    texts = [answer.canonical_json() for _, answer in answers]
    return (texts[0] if len(texts) == 1 else "[\n" + ",\n".join(texts) + "\n]") + "\n"


def _yaml(answers: Sequence[Answer], arguments: argparse.Namespace) -> str:
    """The request, as this command reads it, with its answer in a comment."""
    ((_, answer),) = answers
    language: Language = arguments.lang
    headline = _headline(answer.recommendations[0], language) if answer.recommendations else tr("Nothing fits.", language)
    told = (_task(answer, language), headline, f"rackwright {answer.version}, catalog {answer.catalog_release}")
    comment = "".join(f"# {' '.join(line.split())}\n" for line in told)
    return comment + yaml.safe_dump(answer.request.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _csv(answers: Sequence[Answer], arguments: argparse.Namespace) -> str:
    rows: list[list[Cell]] = []
    if arguments.bill:
        names = ["request", "rank", *(column.name for column in BILL_COLUMNS)]
        for named, answer in answers:
            for item in answer.recommendations:
                rows += [[named.name, item.rank, *cells(BILL_COLUMNS, line)] for line in item.bill]
    else:
        names = ["request", "model", *(column.name for column in RECOMMENDATION_COLUMNS)]
        for named, answer in answers:
            rows += [[named.name, answer.model_name, *cells(RECOMMENDATION_COLUMNS, item)] for item in answer.recommendations]
    return csv_text(names, rows)


def _tables(answers: Sequence[Answer], arguments: argparse.Namespace) -> str:
    language: Language = arguments.lang
    blocks = []
    for named, answer in answers:
        shown = answer.recommendations[: arguments.top or _SHOWN]
        lines = [f"{named.name}: {_task(answer, language)}"]
        lines += [_headline(shown[0], language), ""] if shown else [tr("Nothing fits.", language)]
        if arguments.bill:
            lines += [_bill(item, language) for item in shown[: arguments.top or 1]]
        elif shown:
            lines += [text_table(_columns(answer, shown), shown, language), ""]
            lines += [_room(item, item.fabric, language) for item in shown if item.fabric]
        lines += [
            _account(answer, language),
            *_refused(answer, language),
            *_misses(answer, language),
            *_change(named.snapshot, answer, language),
        ]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


_FORMATS: dict[str, Callable[[Sequence[Answer], argparse.Namespace], str]] = {"table": _tables, "json": _json, "yaml": _yaml, "csv": _csv}


def _columns(answer: Plan, shown: Sequence[Recommendation]) -> list[PlanColumn[Recommendation]]:
    """The columns of a table for people; those that say nothing are left out."""
    serves = isinstance(answer.request.workload, Serving)
    own, last = (_SERVING_COLUMNS, _TOKEN_COLUMNS) if serves else (_TRAINING_COLUMNS, ())
    named = {column.name: column for column in RECOMMENDATION_COLUMNS}
    columns = [named[name] for name in (*_COMMON_COLUMNS, *own, *_MONEY_COLUMNS, *last)]
    return [column for column in columns if any(column.value(item) not in {None, _USUAL.get(column.name)} for item in shown)]


def _task(answer: Plan, language: Language) -> str:
    work = answer.request.workload
    if isinstance(work, Serving):
        rate = numbers.exact(work.requests_per_s, language)
        return tr("Serve {model} at {rate} requests/s", language, model=answer.model_name, rate=rate)
    return tr(_TRAINING_TASKS[work.method], language, model=answer.model_name, tokens=numbers.count(work.tokens, language))


def _headline(best: Recommendation, language: Language) -> str:
    cost = numbers.money_over(best.cost.total_usd, best.cost.period_days, language)
    message = (
        mark("Rent {count} × {accelerator}: {cost}, {power}; limited by {resource}.")
        if best.cost.acquisition == "rent"
        else mark("Buy {count} × {accelerator}: {cost}, {power}; limited by {resource}.")
    )
    return tr(
        message,
        language,
        count=numbers.whole(best.devices, language),
        accelerator=_accelerators(best, language),
        cost=tr("at least {money}", language, money=cost) if best.cost.at_least else cost,
        power=numbers.power(numbers.known(best.power.facility_w), language),
        resource=words.word(words.RESOURCES, best.bottleneck.resource, language),
    )


def _accelerators(best: Recommendation, language: Language) -> str:
    """Name of the accelerators, of both kinds where others prefill."""
    if best.prefill is None:
        return best.accelerator_name
    count, name = numbers.whole(best.prefill.devices, language), best.prefill.accelerator_name
    if best.prefill.accelerator_id == best.accelerator_id:
        return tr("{accelerator}, {count} of them to prefill", language, accelerator=name, count=count)
    return tr(
        "{accelerator}, {count} of them {prefill} that prefill", language, accelerator=best.accelerator_name, count=count, prefill=name
    )


def _bill(item: Recommendation, language: Language) -> str:
    if not item.bill:
        return tr("Option {rank} is rented: nothing is bought.", language, rank=str(item.rank)) + "\n"
    title = tr("Bill of materials of option {rank}", language, rank=str(item.rank))
    return f"{title}\n{text_table(BILL_COLUMNS, item.bill, language)}\n"


def _room(item: Recommendation, built: Fabric, language: Language) -> str:
    """Switches between accelerators and racks of a bought option in a line."""
    compute = next((network for network in built.networks if network.name == "compute"), None)
    network = (
        tr(
            "{switches} × {switch}, tiers: {tiers}, oversubscription: {ratio}",
            language,
            switches=numbers.whole(compute.leaves + compute.spines + compute.cores, language),
            switch=compute.switch_id,
            tiers=numbers.whole(compute.tiers, language),
            ratio=numbers.exact(round(compute.oversubscription, 2), language),
        )
        if compute
        else tr("no switches between accelerators", language)
    )
    return tr(
        "Option {rank}: {network}; racks: {racks}, at most {power} each, {cooling}.",
        language,
        rank=str(item.rank),
        network=network,
        racks=numbers.whole(built.racks.racks, language),
        power=numbers.power(numbers.known(built.racks.fullest_rack_w or None), language),
        cooling=words.word(words.COOLING, built.racks.cooling_class, language),
    )


def _account(answer: Plan, language: Language) -> str:
    search = answer.search
    text = tr(
        "{evaluated} configurations of {accelerators} accelerators evaluated, {pruned} left out by a bound, {feasible} fit.",
        language,
        evaluated=numbers.whole(search.evaluated, language),
        accelerators=numbers.whole(search.accelerators, language),
        pruned=numbers.whole(search.pruned, language),
        feasible=numbers.whole(search.feasible, language),
    )
    if not search.rejected:
        return text
    counts = ", ".join(
        f"{words.word(words.LIMITS, code, language)} {numbers.whole(count, language)}" for code, count in search.rejected.items()
    )
    return f"{text}\n{tr('Rejected: {counts}.', language, counts=counts)}"


def _refused(answer: Plan, language: Language) -> list[str]:
    """What the serving software is known not to run, by number format."""
    lines: dict[tuple[str, str, str, str], list[str]] = {}
    for one in answer.search.refused:
        lines.setdefault((one.precision, f"{one.engine} {one.release}", one.read, "; ".join(one.sources)), []).append(one.accelerator_id)
    return [
        tr(
            "{software} does not run {precision} on {accelerators} (read on {date}: {sources}).",
            language,
            software=software,
            precision=precision.upper(),
            accelerators=", ".join(ids),
            date=date,
            sources=sources,
        )
        for (precision, software, date, sources), ids in lines.items()
    ]


def _misses(answer: Plan, language: Language) -> list[str]:
    """When nothing fits: the nearest misses, with the change of the request that would let each in."""
    if answer.recommendations:
        return []
    return [
        tr(
            "{accelerator} misses the limit on {limit} by {share}; it fits with {change}.",
            language,
            accelerator=miss.accelerator_id,
            limit=words.word(words.LIMITS, miss.reason, language),
            share=numbers.percent(miss.over_by, language),
            change=", ".join(f"{field}: {value}" for field, value in miss.change.items()),
        )
        for miss in [miss for miss in answer.search.nearest if miss.change][:_SHOWN_MISSES]
    ]


def _change(snapshot: Snapshot | None, answer: Plan, language: Language) -> list[str]:
    """What a link's maker saw, where the catalog has changed since."""
    if snapshot is None or snapshot.library_digest == answer.library_digest:
        return []
    return [
        tr(
            "The catalog has changed since this link was made; then it was {count} accelerators, {cost}, {power}.",
            language,
            count=numbers.whole(snapshot.devices, language),
            cost=numbers.money(snapshot.cost_usd, language),
            power=numbers.power(snapshot.facility_w, language),
        )
    ]
