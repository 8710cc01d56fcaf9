"""The plan on a few sheets that a manager can read and print: one HTML file that asks nothing of a network.

Sentences, figures and tables are those of the page; charts are drawn as SVG, in the light colours, since a file has no
theme. A content policy in the file forbids it to load anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dashboard import figures
from dashboard.charts.bottleneck import bottleneck_figure
from dashboard.charts.colours import Meaning
from dashboard.charts.cost import cost_segments
from dashboard.charts.memory import memory_finding
from dashboard.charts.power import power_segments
from dashboard.charts.stacked import Segment
from dashboard.language import language, say
from dashboard.measures import COST, FIRST_TOKEN, POWER, RUN_TIME, TOKEN_TIME, TOKENS, Other, against, next_best
from dashboard.report_charts import stacked_bars
from dashboard.sections.assumptions import assumption_table
from dashboard.sections.headline import answer_text
from dashboard.sections.search import misses_table
from dashboard.sections.why import compared
from dashboard.tables import Table, table_of
from dashboard.wording import MEMORY_PARTS, OPERATIONS, REASONS, RESOURCE_MEANINGS, resource_name, word
from planner.answer import Plan, Recommendation
from planner.tables import BILL_COLUMNS, RECOMMENDATION_COLUMNS
from texts import numbers
from texts.csv_cells import Cell
from texts.numbers import Absent, absent
from texts.translations import translation
from texts.words import LIMITS

ALTERNATIVES = 10
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_BILL = ("part", "catalog_id", "quantity", "unit_typical_usd", "subtotal_usd", "price_date", "price_basis")
_OPTIONS = (
    "rank",
    "accelerator",
    "accelerators",
    "precision",
    "tokens_per_s",
    "acquisition",
    "total_usd",
    "total_is",
    "facility_w",
    "bottleneck",
)
_LONG = {"accelerator", "catalog_id", "meaning", "source", "change"}
_STYLE = """
body { font: 15px/1.5 "Source Sans 3", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
body { color: #0b0f17; background: #fff; max-width: 720px; margin: 32px auto; padding: 0 16px; }
h1 { font-size: 24px; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 28px 0 8px; line-height: 1.3; overflow-wrap: anywhere; }
.answer { font-size: 18px; overflow-wrap: anywhere; }
footer, .note { font-size: 13px; color: #4a5260; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; vertical-align: top; padding: 4px 8px 4px 0; border-bottom: 1px solid #d5dae1; overflow-wrap: break-word; }
td.long { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
ul { padding-left: 20px; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; }
@page { size: A4; margin: 16mm 14mm; }
@media print {
  body { margin: 0; padding: 0; max-width: none; font-size: 13px; color: #000; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  h2 { break-after: avoid; }
  svg, tr, .whole { break-inside: avoid; }
  thead { display: table-header-group; }
  .wide { overflow: visible; }
}
"""


def report(plan: Plan, shown: Recommendation | None, link: str, other: Other | None = None) -> str:
    """The whole document, in the language that is spoken. `shown` None: nothing fits, and it says why.

    `other` is what figures are compared with; the best other option where it is not given.
    """
    title = figures.task(plan)
    body = [
        f"<h1>{escape(title)}</h1>",
        *(_answered(plan, shown, other or next_best(plan, shown)) if shown else _nothing(plan)),
        _search(plan),
        _link(link),
    ]
    tongue = "zh-CN" if language() == "zh" else "en"
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    foot = f"<footer><p>{escape(_foot(plan))}</p></footer>"
    return f'<!doctype html>\n<html lang="{tongue}"><head>{head}</head><body><main>{"".join(body)}</main>{foot}</body></html>\n'


def _answered(plan: Plan, shown: Recommendation, other: Other | None) -> list[str]:
    options = compared(plan.recommendations, shown)
    costs = {figures.option_label(option): f"{figures.option_label(option)}: {figures.cost(option.cost)}" for option in options}
    powers = {figures.option_label(option): f"{figures.option_label(option)}: {figures.power(option)}" for option in options}
    limit_w = plan.request.limits.power_w
    limit = None if limit_w is None else (limit_w, say("Site limit: {limit}", limit=numbers.power(limit_w, language())))
    limits = bottleneck_figure(shown)
    return [
        f'<p class="answer">{_bold(answer_text(plan, shown, _plain))}</p>',
        _section(say("Headline figures"), _headline(shown, other)),
        _section(say("Cost"), stacked_bars(cost_segments(options), costs) + _parts(cost_segments([shown]))),
        _section(say("Facility power under load"), stacked_bars(power_segments(options), powers, limit) + _parts(power_segments([shown]))),
        _section(limits.finding, _steps(shown) + _note(limits.source)),
        _section(memory_finding(shown.memory), _memory(shown)),
        _section(say("Alternatives"), _alternatives(plan)),
        _section(say("Bill of materials"), _bill(shown), whole=False),
        _section(say("Assumptions"), _table(_only(assumption_table(plan), "meaning", "value", "unit", "basis", "source")), whole=False),
        _section(say("Sources"), _sources(plan, shown), whole=False),
    ]


def _nothing(plan: Plan) -> list[str]:
    text = say("No single change of a limit would help; the list below says why each accelerator is out.")
    misses = [miss for miss in plan.search.nearest if miss.change]
    if misses:
        near = misses[0]
        text = say(
            "The nearest is {accelerator}: it misses the limit on {limit} by {share}.",
            accelerator=near.accelerator_id,
            limit=word(LIMITS, near.reason),
            share=numbers.percent(near.over_by, language()),
        )
    return [
        f'<p class="answer"><strong>{escape(say("Nothing fits."))}</strong> {escape(text)}</p>',
        _section(say("Nearest miss of each accelerator without a plan"), _table(misses_table(plan)), whole=False),
        _section(say("Assumptions"), _table(_only(assumption_table(plan), "meaning", "value", "unit", "basis", "source")), whole=False),
    ]


def _headline(shown: Recommendation, other: Other | None) -> str:
    """Each figure with its unit, and beside it how it compares with the next option."""
    tongue, speed = language(), shown.performance
    rows = [
        (say("Cost"), figures.cost(shown.cost), against(shown, other, COST)),
        (say("Cost of an accelerator-hour"), numbers.money_per_hour(shown.cost.usd_per_device_hour, tongue), ""),
        (say("Cost of tokens"), numbers.money_per_million_tokens(shown.cost.usd_per_million_tokens, tongue), ""),
        *_per_token(shown),
        (say("Facility power"), figures.power(shown), against(shown, other, POWER)),
        (say("Tokens/s"), _tokens_per_s(shown), against(shown, other, TOKENS)),
    ]
    if speed.run_s is not None:
        rows.append((say("Run time"), figures.latency(shown), against(shown, other, RUN_TIME)))
    else:
        first = numbers.duration(figures.known(speed.ttft_s), tongue)
        rows.append((say("Time to first token"), first, against(shown, other, FIRST_TOKEN)))
        rows.append((say("Time per token"), figures.latency(shown), against(shown, other, TOKEN_TIME)))
    if shown.headroom:
        limit, share = min(shown.headroom.items(), key=lambda item: item[1])
        rows.append((say("Headroom"), numbers.percent(share, tongue), say("to the limit on {limit}", limit=word(LIMITS, limit))))
    rows.append((say("Parallelism"), figures.parallelism(shown), shown.strategy.precision.upper()))
    cells = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><strong>{escape(value)}</strong></td><td>{escape(note)}</td></tr>'
        for name, value, note in rows
    )
    return f"<table><tbody>{cells}</tbody></table>"


def _per_token(shown: Recommendation) -> list[tuple[str, str, str]]:
    """Money and energy of tokens read and written."""
    tongue, cost, power = language(), shown.cost, shown.power
    if cost.usd_per_million_input_tokens is None or cost.usd_per_million_output_tokens is None:
        return []
    read, written = (figures.joules(joules) for joules in (power.joules_per_input_token, power.joules_per_output_token))
    return [
        (say("Cost of tokens read"), numbers.money_per_million_tokens(cost.usd_per_million_input_tokens, tongue), read),
        (say("Cost of tokens written"), numbers.money_per_million_tokens(cost.usd_per_million_output_tokens, tongue), written),
    ]


def _tokens_per_s(shown: Recommendation) -> str:
    tongue, span = language(), shown.performance.interval
    text = numbers.count(shown.performance.tokens_per_s, tongue)
    if span is None:
        return text
    return f"{text} ({numbers.likely_between(span.low, span.high, span.coverage, lambda value: numbers.count(value, tongue), tongue)})"


def _parts(segments: Sequence[Segment]) -> str:
    """The parts of a bar in words: a narrow one has no room for its name."""
    return _note("; ".join(f"{segment.part}: {segment.text}" for segment in segments))


def _steps(shown: Recommendation) -> str:
    """The time of a step by resource and by operation, longest first."""
    limits = shown.bottleneck
    meanings = {say("by resource"): [(resource_name(code), RESOURCE_MEANINGS[code], time_s) for code, time_s in limits.resources_s.items()]}
    longest: Meaning = RESOURCE_MEANINGS[limits.resource]
    meanings[say("by operation")] = [(word(OPERATIONS, code), longest, time_s) for code, time_s in limits.time_parts_s.items()]
    segments = [
        Segment(split, name, meaning, time_s, numbers.duration(time_s, language()))
        for split, times in meanings.items()
        for name, meaning, time_s in sorted(times, key=lambda item: -item[2])
        if time_s > 0
    ]
    step = say("training step") if shown.performance.step_s is not None else say("decode step")
    labels = {split: f"{step}, {split}" for split in meanings}
    return stacked_bars(segments, labels) + _parts(segments)


def _memory(shown: Recommendation) -> str:
    use = shown.memory
    parts = sorted(((code, size) for code, size in use.parts.items() if size > 0), key=lambda item: -item[1])
    option = figures.option_label(shown)
    segments = [Segment(option, word(MEMORY_PARTS, code), "memory", size, numbers.memory(size, language())) for code, size in parts]
    capacity = numbers.memory(use.capacity_bytes, language())
    bars = stacked_bars(segments, {option: option}, (use.capacity_bytes, say("Usable: {capacity}", capacity=capacity)))
    return bars + _parts(segments)


def _alternatives(plan: Plan) -> str:
    options = plan.recommendations[:ALTERNATIVES]
    table = _table(_only(table_of(RECOMMENDATION_COLUMNS, options), *_OPTIONS))
    lost = [f"{option.rank}: {word(REASONS, option.why_not_first)}" for option in options if option.why_not_first]
    return table + (_note(say("Why not first: {reasons}.", reasons="; ".join(lost))) if lost else "")


def _bill(shown: Recommendation) -> str:
    if shown.cost.acquisition == "rent":
        return _note(say("This option is rented: the bill lists what is used, not what is bought.")) + _bill_table(shown)
    total = numbers.money(shown.cost.capital_usd, language())
    whole = say("Purchase price: at least {total}; parts without a price need a quote.", total=total)
    return _note(whole if shown.cost.at_least else say("Purchase price: {total}.", total=total)) + _bill_table(shown)


def _bill_table(shown: Recommendation) -> str:
    return _table(_only(table_of(BILL_COLUMNS, shown.bill), *_BILL)) if shown.bill else ""


def _sources(plan: Plan, shown: Recommendation) -> str:
    """Where the figures of what is recommended were read; those of the other options stand in the plan's JSON."""
    read = {entry: plan.sources.get(entry, ()) for entry in (shown.accelerator_id, shown.server_id)}
    read |= {line.catalog_id: (*read.get(line.catalog_id, ()), line.source) for line in shown.bill if line.source}
    items = (f"<li>{escape(entry)}: {escape('; '.join(sources))}</li>" for entry, sources in read.items() if sources)
    return f'<ul class="note">{"".join(items)}</ul>'


def _search(plan: Plan) -> str:
    search, tongue = plan.search, language()
    text = say(
        "{evaluated} configurations of {accelerators} accelerators evaluated, {pruned} left out by a bound, {feasible} fit.",
        evaluated=numbers.whole(search.evaluated, tongue),
        accelerators=numbers.whole(search.accelerators, tongue),
        pruned=numbers.whole(search.pruned, tongue),
        feasible=numbers.whole(search.feasible, tongue),
    )
    lost = [f"{word(LIMITS, code)} {numbers.whole(count, tongue)}" for code, count in search.rejected.items() if count]
    return _section(say("Search"), f"<p>{escape(text)}</p>" + (_note(say("Rejected: {counts}.", counts=", ".join(lost))) if lost else ""))


def _link(link: str) -> str:
    return _section(say("Link"), f'<p class="note">{escape(link)}</p>') if link else ""


def _section(title: str, body: str, *, whole: bool = True) -> str:
    kept = ' class="whole"' if whole else ""
    return f"<section{kept}><h2>{escape(title)}</h2>{body}</section>"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _table(table: Table) -> str:
    """A table as HTML, digits at the right; names and sources of any length may break anywhere."""
    kinds = ["number" if column.digits is not None else "long" if column.name in _LONG else "word" for column in table.columns]
    head = "".join(
        f'<th scope="col" class="{kind}">{escape(say(column.label))}</th>' for column, kind in zip(table.columns, kinds, strict=True)
    )
    rows = []
    for row in table.rows:
        texts = (_cell(cell, column.digits) for cell, column in zip(row, table.columns, strict=True))
        rows.append("<tr>" + "".join(f'<td class="{kind}">{escape(text)}</td>' for text, kind in zip(texts, kinds, strict=True)) + "</tr>")
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _cell(cell: Cell, digits: int | None) -> str:
    if isinstance(cell, Absent):
        return absent(cell, language())
    if isinstance(cell, str) or digits is None:
        return translation(str(cell), language())
    return f"{cell:,.{digits}f}"


def _only(table: Table, *names: str) -> Table:
    """The columns called so: a sheet of paper is narrow."""
    kept = [index for index, column in enumerate(table.columns) if column.name in names]
    return Table(tuple(table.columns[index] for index in kept), tuple(tuple(row[index] for index in kept) for row in table.rows))


def _plain(text: str) -> str:
    """`text` with nothing in it that HTML or the marks of an answer would act on."""
    return escape(text).replace("*", "&#42;")


def _bold(marked: str) -> str:
    """The one mark that an answer has, as HTML."""
    pieces = marked.split("**")
    return "".join(f"<strong>{piece}</strong>" if index % 2 else piece for index, piece in enumerate(pieces))


def _foot(plan: Plan) -> str:
    return say(
        "Rackwright {version}. Hardware catalog of {release}, library {digest}.",
        version=plan.version,
        release=plan.catalog_release,
        digest=plan.library_digest,
    )
