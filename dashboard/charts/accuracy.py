"""How sure are we? Predicted against measured, with the line where both agree and the band that holds four of five."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts.figure import INK, Figure, layered, meaning_colour
from dashboard.language import language, say
from dashboard.tables import Column, Table
from dashboard.wording import QUANTITIES, word
from planner.validation.prediction import Prediction
from texts import numbers
from texts.translations import mark

HEIGHT = 420
MOST_POINTS = 2_000


def accuracy_figure(predictions: Sequence[Prediction], quantity: str, source: str) -> Figure:
    """Scorable rows of one quantity that were predicted."""
    known = [item for item in predictions if item.quantity == quantity and item.scorable and item.predicted and item.measured > 0]
    errors = np.array([abs(item.relative_error or 0.0) for item in known])
    band = float(np.percentile(errors, 80)) if known else 0.0
    finding = say(
        "Half of {count} rows are within {median}, four of five within {band}",
        count=numbers.whole(len(known), language()),
        median=numbers.percent(float(np.median(errors)) if known else 0.0, language()),
        band=numbers.percent(band, language()),
    )
    columns = (
        Column("row", mark("Row"), 0),
        Column("name", mark("Name")),
        Column("measured", mark("Measured (SI units)"), 4),
        Column("predicted", mark("Predicted (SI units)"), 4),
        Column("error", mark("Error (share)"), 3),
    )
    rows = tuple(
        (item.row, item.row_id or str(item.row), item.measured, item.predicted or 0.0, item.relative_error or 0.0) for item in known
    )
    return Figure("accuracy", finding, finding, _scatter(known[:MOST_POINTS], band, quantity), Table(columns, rows), source)


def _scatter(known: Sequence[Prediction], band: float, quantity: str) -> alt.LayerChart:
    data = pd.DataFrame(
        [
            (
                item.row_id or str(item.row),
                item.measured,
                item.predicted,
                numbers.percent(item.relative_error or 0.0, language(), signed=True),
                "compute",
            )
            for item in known
        ],
        columns=["name", "measured", "predicted", "error", "meaning"],
    )
    low, high = (
        (float(data[["measured", "predicted"]].min().min()), float(data[["measured", "predicted"]].max().max())) if known else (1.0, 2.0)
    )
    scale = alt.Scale(type="log", domain=[low / 1.2, high * 1.2])
    words = word(QUANTITIES, quantity)
    line = pd.DataFrame(
        {
            "x": [low, high],
            "same": [low, high],
            "lower": [low / (1 + band), high / (1 + band)],
            "upper": [low * (1 + band), high * (1 + band)],
        }
    )
    x_axis, y_axis = (alt.Axis(format="~s", tickCount=6, grid=False) for _ in range(2))
    area = (
        alt.Chart(line)
        .mark_area(opacity=0.12, clip=True)
        .encode(
            x=alt.X("x:Q", scale=scale, axis=x_axis, title=say("Measured {quantity} (log scale)", quantity=words)),
            y=alt.Y("lower:Q", scale=scale, axis=y_axis, title=say("Predicted {quantity} (log scale)", quantity=words)),
            y2="upper:Q",
        )
    )
    same = alt.Chart(line).mark_line(color=INK, strokeDash=[4, 3]).encode(x="x:Q", y="same:Q")
    points = (
        alt.Chart(data)
        .mark_point(filled=True, size=28, opacity=0.55)
        .encode(
            x="measured:Q",
            y="predicted:Q",
            color=meaning_colour("meaning"),
            description=alt.Description("name:N"),
            tooltip=[alt.Tooltip("name:N", title=say("Name")), alt.Tooltip("error:N", title=say("Error"))],
        )
    )
    return layered([area, same, points], HEIGHT)
