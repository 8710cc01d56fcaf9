"""One page that a manager can read and print: question, answer, charts, assumptions; a single HTML file without a network.

Charts are drawn here as SVG, in the light colours: a file has no theme. What stands in it comes from the same figures and
tables as the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dashboard import figures
from dashboard.charts.bottleneck import bottleneck_figure
from dashboard.charts.colours import LIGHT
from dashboard.charts.cost import cost_segments
from dashboard.charts.power import power_segments
from dashboard.charts.stacked import Segment, room_px
from dashboard.language import language, say
from dashboard.sections.assumptions import assumption_table
from dashboard.sections.headline import answer_text
from dashboard.sections.why import compared
from dashboard.tables import Table, table_of
from planner.answer import Plan, Recommendation
from planner.tables import BILL_COLUMNS

WIDTH = 700
BAND = 48
BAR = 20

_STYLE = """
body { font: 15px/1.5 "Source Sans 3", "Noto Sans CJK SC", system-ui, sans-serif; color: #0b0f17; }
body { max-width: 720px; margin: 32px auto; padding: 0 16px; }
h1 { font-size: 24px; }
h2 { font-size: 18px; margin-top: 28px; }
footer { font-size: 13px; color: #4a5260; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: 4px 8px; border-bottom: 1px solid #d5dae1; overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; }
tr, svg { break-inside: avoid; }
h2 { break-after: avoid; }
@media print { body { margin: 0; max-width: none; } }
"""


def report(plan: Plan, shown: Recommendation, link: str) -> str:
    """The whole document."""
    title = figures.task(plan)
    options = compared(plan.recommendations, shown)
    costs = {figures.option_label(option): f"{figures.option_label(option)}: {figures.cost(option.cost)}" for option in options}
    powers = {figures.option_label(option): f"{figures.option_label(option)}: {figures.power(option)}" for option in options}
    bottleneck = bottleneck_figure(shown)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{_bold(answer_text(plan, shown, escape))}</p>",
        _section(say("Cost"), _bars(cost_segments(options), costs)),
        _section(say("Facility power under load"), _bars(power_segments(options), powers)),
        _section(bottleneck.finding, _table(bottleneck.table)),
        _section(say("Bill of materials"), _table(_without(table_of(BILL_COLUMNS, shown.bill), "unit_low_usd", "unit_high_usd", "source"))),
        _section(say("Assumptions"), _table(_without(assumption_table(plan), "field", "section"))),
        f"<footer><p>{escape(_foot(plan))}</p><p>{escape(link)}</p></footer>",
    ]
    tongue = "zh-CN" if language() == "zh" else "en"
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="{tongue}"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _bars(segments: Sequence[Segment], labels: dict[str, str]) -> str:
    """Stacked bars as SVG, each part named where it has room and always in its title."""
    totals = {option: sum(segment.amount for segment in segments if segment.option == option) for option in labels}
    longest = max(totals.values(), default=0.0) or 1.0
    drawn = []
    for row, (option, label) in enumerate(labels.items()):
        top = row * BAND
        drawn.append(f'<text x="0" y="{top + 16}" font-size="13">{escape(label)}</text>')
        start = 0.0
        for segment in (segment for segment in segments if segment.option == option):
            wide = segment.amount / longest * WIDTH
            told = escape(f"{segment.part}: {segment.text}")
            box = f'x="{start:.1f}" y="{top + 22}" width="{wide:.1f}" height="{BAR}"'
            drawn.append(f'<rect {box} fill="{LIGHT[segment.meaning]}" stroke="#fff"><title>{told}</title></rect>')
            if wide > room_px(segment.part):
                drawn.append(f'<text x="{start + 6:.1f}" y="{top + 36}" font-size="12" fill="#fff">{escape(segment.part)}</text>')
            start += wide
    told = escape("; ".join(f"{segment.option}, {segment.part}: {segment.text}" for segment in segments), quote=True)
    return f'<svg role="img" aria-label="{told}" viewBox="0 0 {WIDTH} {BAND * len(labels)}">{"".join(drawn)}</svg>'


def _table(table: Table) -> str:
    """A table as HTML, digits at the right."""
    frame = table.frame()
    numeric = [column.digits is not None for column in table.columns]
    head = "".join(f"<th{_class(right)}>{escape(str(name))}</th>" for name, right in zip(frame.columns, numeric, strict=True))
    rows = []
    for row in frame.itertuples(index=False):
        cells = (f"{cell:,}" if isinstance(cell, int | float) else str(cell) for cell in row)
        rows.append(
            "<tr>" + "".join(f"<td{_class(right)}>{escape(cell)}</td>" for cell, right in zip(cells, numeric, strict=True)) + "</tr>"
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _without(table: Table, *names: str) -> Table:
    """The table without the columns called so: a page of paper is narrow."""
    kept = [index for index, column in enumerate(table.columns) if column.name not in names]
    return Table(tuple(table.columns[index] for index in kept), tuple(tuple(row[index] for index in kept) for row in table.rows))


def _class(right: bool) -> str:  # noqa: FBT001 one attribute of a cell
    return ' class="number"' if right else ""


def _bold(markdown: str) -> str:
    """The one mark that an answer has, as HTML."""
    pieces = markdown.split("**")
    return "".join(f"<strong>{piece}</strong>" if index % 2 else piece for index, piece in enumerate(pieces))


def _foot(plan: Plan) -> str:
    return say(
        "Rackwright {version}. Hardware catalog of {release}, library {digest}.",
        version=plan.version,
        release=plan.catalog_release,
        digest=plan.library_digest,
    )
