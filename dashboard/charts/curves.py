"""Lines over a logarithmic axis, each labelled at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from dashboard.charts.colours import Meaning
from dashboard.charts.figure import FONT_SIZE, INK, layered, meaning_colour

HEIGHT = 260
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: what it is, its values in the axis' unit, and each value in words."""

    name: str
    values: Sequence[float]
    texts: Sequence[str]


def curves(xs: Sequence[float], lines: Sequence[Curve], titles: tuple[str, str, str], meaning: Meaning, *, log_y: bool) -> alt.LayerChart:
    """`lines` over `xs`; `titles` are those of the axes and of the lines. Lines differ by dash, so colour keeps its meaning."""
    x_title, y_title, line_title = titles
    data = pd.DataFrame(
        [
            (line.name, x, value, text, meaning, f"{line.name}: {text}")
            for line in lines
            for x, value, text in zip(xs, line.values, line.texts, strict=True)
            if value > 0 or not log_y
        ],
        columns=["line", "x", "y", "text", "meaning", "label"],
    )
    y_scale = alt.Scale(type="log") if log_y else alt.Scale(zero=True)
    base = alt.Chart(data).encode(
        x=alt.X("x:Q", title=x_title, scale=alt.Scale(type="log", nice=False), axis=alt.Axis(tickCount=6, format="~s")),
        y=alt.Y("y:Q", title=y_title, scale=y_scale, axis=alt.Axis(tickCount=5, format="~s")),
    )
    names = [line.name for line in lines]
    drawn = base.mark_line(strokeWidth=2).encode(
        color=meaning_colour("meaning"),
        strokeDash=alt.StrokeDash("line:N", scale=alt.Scale(domain=names, range=list(DASHES[: len(names)])), legend=None),
    )
    points = base.mark_point(size=60, filled=True).encode(
        color=meaning_colour("meaning"),
        description=alt.Description("label:N"),
        tooltip=[alt.Tooltip("line:N", title=line_title), alt.Tooltip("text:N", title=y_title)],
    )
    ends = (
        base.transform_filter(alt.datum.x == xs[-1])
        .mark_text(align="right", baseline="bottom", fontSize=FONT_SIZE, color=INK, dy=-6, aria=False)
        .encode(text="line:N")
    )
    return layered([drawn, points, ends], HEIGHT)
