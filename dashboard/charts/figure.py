"""A chart with all that every chart must have: a finding as its title, a spoken alternative, a source, a table, a CSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import altair as alt
import streamlit as st
from altair.utils import schemapi

from dashboard.charts.colours import MEANINGS
from dashboard.language import say
from dashboard.tables import Table, csv_button, show_table
from dashboard.wording import MEANING_NAMES, plain

BACKGROUND = alt.ExprRef("background")  # what text inside a coloured bar is written in: the page's own colour
INK = alt.ExprRef("luminance(background) > 0.5 ? '#0B0F17' : '#E8ECF2'")  # the theme's text, light or dark
FONT_SIZE = 13
schemapi.disable_debug_mode()  # nor is each part validated while it is made


# Marks say themselves in the reader's language, and the alternative says the chart; axes and legends would speak English.
_SILENT = alt.Config(axis=alt.AxisConfig(aria=False), legend=alt.LegendConfig(aria=False))


@dataclass(frozen=True, slots=True)
class Figure:
    """`finding` says what the chart shows, `alternative` tells it to who cannot see it, `source` what it rests on."""

    key: str
    finding: str
    alternative: str
    chart: alt.LayerChart
    table: Table
    source: str


def show_figure(figure: Figure, file_name: str, on_select: Callable[[], None] | None = None, selection: str = "") -> None:
    """Draw `figure` at the width there is; the table and its CSV are one step away.

    `on_select` is called when the chart's `selection` has changed, which stands in the session under `chart:` and the figure's key.
    """
    st.subheader(plain(figure.finding), anchor=False)
    spec = figure.chart.to_dict(validate=False)  # half of the time otherwise; the tests validate
    key = f"chart:{figure.key}"
    if on_select is None:
        st.vega_lite_chart(spec, alt=figure.alternative, key=key, width="stretch")
    else:
        st.vega_lite_chart(spec, alt=figure.alternative, key=key, width="stretch", on_select=on_select, selection_mode=selection)
    _table_below(figure, file_name)


@st.fragment
def _table_below(figure: Figure, file_name: str) -> None:
    st.caption(plain(figure.source))
    below = st.expander(say("Table"), key=f"table:{figure.key}", on_change="rerun", type="compact")
    if below.open:
        with below:
            show_table(figure.table, figure.alternative)
            csv_button(say("Export CSV"), figure.table, file_name, f"csv:{figure.key}")


def records(names: Sequence[str], rows: Iterable[Sequence[object]]) -> alt.InlineData:
    """`rows` as the data of a chart; a frame would cost more than the chart that is made of it."""
    return alt.InlineData(values=[dict(zip(names, row, strict=True)) for row in rows])


def layered(layers: Sequence[alt.Chart], height: int) -> alt.LayerChart:
    """`layers` over each other; `height` is that of the marks, axes and legend come on top, the width follows the page."""
    size = alt.AutoSizeParams(type="fit-x", contains="padding")
    return alt.LayerChart(layer=list(layers), height=height, autosize=size, config=_SILENT)


def meaning_colour(field: str, shown: list[str] | None = None) -> alt.Color:
    """Colour by a column that holds `Meaning`s: the theme gives the colours in the order of the scale.

    `shown` lists the meanings of the legend; without it there is none, since the marks are labelled.
    """
    legend = (
        None
        if shown is None
        else alt.Legend(title=None, orient="bottom", columns=4, values=shown, labelExpr=_names_expression(), labelLimit=200)
    )
    return alt.Color(field, type="nominal", scale=alt.Scale(domain=list(MEANINGS)), legend=legend)


def _names_expression() -> str:
    """A Vega expression from a meaning to its name in the reader's language."""
    names = ", ".join(f"{meaning}: {json.dumps(say(name))}" for meaning, name in MEANING_NAMES.items())
    return f"({{{names}}})[datum.value]"
