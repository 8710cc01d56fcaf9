"""Horizontal stacked bars, one per option, with the option and its total written above the bar."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from dashboard.charts.colours import Meaning
from dashboard.charts.figure import BACKGROUND, FONT_SIZE, INK, layered, meaning_colour, records

BAND = 58  # px for one option: its label and its bar
BAR = 24


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of an option's bar, as drawn (`amount` in the axis' unit) and as told (`text`)."""

    option: str
    part: str
    meaning: Meaning
    amount: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Titles that people read and hear, and the line of a limit where there is one."""

    amount: str
    part: str
    option: str
    limit: float | None = None
    limit_text: str = ""


def stacked_bars(segments: Sequence[Segment], labels: dict[str, str], axis: Axis) -> alt.LayerChart:
    """Bars in the order of `labels` (option to the line above its bar)."""
    data, order = _laid_out(segments), list(labels)
    y = alt.Y("option:N", sort=order, axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    x = alt.X("start:Q", title=axis.amount, axis=alt.Axis(tickCount=5, grid=True), scale=alt.Scale(nice=False, zero=True))
    tooltip = [alt.Tooltip("option:N", title=axis.option), alt.Tooltip("part:N", title=axis.part), alt.Tooltip("text:N", title=axis.amount)]
    base = alt.Chart(data).encode(y=y)
    bars = base.mark_bar(height=BAR, stroke=BACKGROUND, strokeWidth=1, yOffset=10).encode(
        x=x, x2=alt.X2("end:Q"), color=meaning_colour("meaning", _present(segments)), description=alt.Description("told:N"), tooltip=tooltip
    )
    # A label that its segment has no room for is left out; the legend, the tooltip and the table still name it.
    room = alt.ExprRef("(datum.end - datum.start) / domain('x')[1] * width > datum.room ? datum.part : ''")
    names = base.mark_text(align="center", fontSize=12, color=BACKGROUND, yOffset=10, aria=False, text=room).encode(x=alt.X("middle:Q"))
    heads = (
        alt.Chart(records(("option", "label", "start"), [(option, label, 0.0) for option, label in labels.items()]))
        .mark_text(align="left", baseline="bottom", fontSize=FONT_SIZE, color=INK, yOffset=-7, aria=False, limit=alt.ExprRef("width"))
        .encode(y=y, x=alt.X("start:Q"), text=alt.Text("label:N"))
    )
    layers: list[alt.Chart] = [bars, names, heads]
    if axis.limit is not None:
        line = alt.Chart(records(("limit", "label"), [(axis.limit, axis.limit_text)]))
        layers.append(
            line.mark_rule(color=INK, strokeDash=[4, 3], strokeWidth=2).encode(
                x=alt.X("limit:Q"), description=alt.Description("label:N"), tooltip=alt.Tooltip("label:N", title=axis.amount)
            )
        )
    return layered(layers, BAND * len(order))


def _laid_out(segments: Sequence[Segment]) -> alt.InlineData:
    """Each segment with where it starts, ends and has its middle."""
    ends: dict[str, float] = {}
    rows = []
    for segment in segments:
        start = ends.get(segment.option, 0.0)
        end = ends[segment.option] = start + segment.amount
        told = f"{segment.option}, {segment.part}: {segment.text}"
        rows.append(
            (segment.option, segment.part, segment.meaning, segment.text, told, start, end, (start + end) / 2, room_px(segment.part))
        )
    return records(("option", "part", "meaning", "text", "told", "start", "end", "middle", "room"), rows)


def room_px(text: str) -> float:
    """Pixels that `text` takes in a bar, with a margin: an East Asian letter is as wide as it is high."""
    return 8 + sum(12.5 if unicodedata.east_asian_width(letter) in "WF" else 7.0 for letter in text)


def _present(segments: Sequence[Segment]) -> list[str]:
    return list(dict.fromkeys(segment.meaning for segment in segments if segment.amount > 0))
