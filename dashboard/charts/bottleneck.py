"""What limits? The time of one step by resource, longest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import altair as alt

from dashboard.charts.figure import FONT_SIZE, INK, Figure, layered, meaning_colour, records
from dashboard.language import language, say
from dashboard.tables import Column, Table
from dashboard.wording import OPERATIONS, RESOURCE_MEANINGS, resource_name, word
from planner.answer import Recommendation
from texts import numbers
from texts.translations import mark

LEAST_SHARE = 0.001  # of the step; less would be a bar without width, the table still has it
ROW = 44  # px for one resource: its label and its bar
COLUMNS = (
    Column("by", mark("Split by")),
    Column("name", mark("Name")),
    Column("time_ms", mark("Time (ms)"), 3),
    Column("share", mark("Share of the step"), 3),
)


def bottleneck_figure(shown: Recommendation) -> Figure:
    """Time of a training step, or of a decode step, of `shown`."""
    limits = shown.bottleneck
    total_s = sum(limits.resources_s.values())
    resources = _longest_first(limits.resources_s.items())
    operations = _longest_first(limits.time_parts_s.items())
    drawn = [(code, time_s) for code, time_s in resources if time_s >= LEAST_SHARE * total_s]
    unit_s, title = (1.0, say("Time per step (s)")) if total_s >= 1 else (1e-3, say("Time per step (ms)"))
    step = say("training step") if shown.performance.step_s is not None else say("decode step")
    name, longest_s = resources[0]
    finding = say(
        "Bottleneck: {resource}, {share} of a {step}",
        resource=resource_name(name),
        share=numbers.percent(longest_s / total_s, language()),
        step=step,
    )
    bars = [(resource_name(code), RESOURCE_MEANINGS[code], time_s / unit_s, _label(code, time_s, total_s)) for code, time_s in drawn]
    rows = tuple(
        (split, text, time_s * 1e3, time_s / total_s)
        for split, text, time_s in [(say("resource"), resource_name(code), time_s) for code, time_s in resources]
        + [(say("operation"), word(OPERATIONS, code), time_s) for code, time_s in operations]
    )
    return Figure(
        "bottleneck",
        finding,
        finding + ". " + "; ".join(label for *_, label in bars),
        _bars(bars, title),
        Table(COLUMNS, rows),
        say("Times as the step spends them: where arithmetic and memory traffic overlap, each has its share of the operation."),
    )


def _longest_first(times_s: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    return sorted(((code, time_s) for code, time_s in times_s if time_s > 0), key=lambda item: -item[1])


def _label(code: str, time_s: float, total_s: float) -> str:
    return say(
        "{resource}: {time}, {share}",
        resource=resource_name(code),
        time=numbers.duration(time_s, language()),
        share=numbers.percent(time_s / total_s, language()),
    )


def _bars(rows: Sequence[tuple[str, str, float, str]], title: str) -> alt.LayerChart:
    """Bars of resource, meaning, time and label, in the order given."""
    base = alt.Chart(records(("resource", "meaning", "time", "label"), rows)).encode(
        y=alt.Y("resource:N", sort=[resource for resource, *_ in rows], axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0)),
        x=alt.X("time:Q", title=title, axis=alt.Axis(tickCount=5)),
    )
    bars = base.mark_bar(height=16, yOffset=9).encode(
        color=meaning_colour("meaning"),
        description=alt.Description("label:N"),
        tooltip=[alt.Tooltip("label:N", title=say("Time per step"))],
    )
    names = base.mark_text(
        align="left", baseline="bottom", fontSize=FONT_SIZE, color=INK, yOffset=-3, aria=False, limit=alt.ExprRef("width")
    ).encode(x=alt.XDatum(0), text=alt.Text("label:N"))
    return layered([bars, names], ROW * len(rows))
