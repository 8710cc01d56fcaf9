"""Horizontal bars, one a row, named above the bar: what is large among the parts of one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from dashboard.charts.colours import Meaning
from dashboard.charts.figure import FONT_SIZE, INK, layered, meaning_colour

ROW = 40  # px for one bar: its label and itself


@dataclass(frozen=True, slots=True)
class Bar:
    """`label` names the bar and tells its amount in words."""

    label: str
    amount: float
    meaning: Meaning


def bars(rows: Sequence[Bar], title: str, rules: Sequence[float] = ()) -> alt.LayerChart:
    """Bars in the order given; `title` heads the axis, `rules` are amounts to compare with."""
    data = pd.DataFrame(
        {"label": [row.label for row in rows], "amount": [row.amount for row in rows], "meaning": [row.meaning for row in rows]}
    )
    base = alt.Chart(data).encode(
        y=alt.Y("label:N", sort=list(data["label"]), axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0)),
        x=alt.X("amount:Q", title=title, axis=alt.Axis(tickCount=5), scale=alt.Scale(zero=True)),
    )
    marks = base.mark_bar(height=14, yOffset=8).encode(
        color=meaning_colour("meaning"), description=alt.Description("label:N"), tooltip=[alt.Tooltip("label:N", title=title)]
    )
    names = base.mark_text(
        align="left", baseline="bottom", fontSize=FONT_SIZE, color=INK, yOffset=-3, aria=False, limit=alt.ExprRef("width")
    ).encode(x=alt.datum(0), text="label:N")
    layers = [marks, names]
    if rules:
        line = alt.Chart(pd.DataFrame({"amount": list(rules)})).mark_rule(color=INK, strokeDash=[4, 3])
        layers.append(line.encode(x="amount:Q"))
    return layered(layers, ROW * len(rows))
