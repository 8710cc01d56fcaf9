"""How sure are we? What the inputs that move the answer most do to its cost, one bar each, from lower to higher."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from dashboard.charts.figure import BACKGROUND, FONT_SIZE, INK, Figure, layered, meaning_colour, records
from dashboard.fields import FIELDS
from dashboard.language import language, say
from dashboard.tables import Column, Table
from planner.explain.sensitivity import PRICE, SWING, Sensitivities, Sensitivity
from texts import numbers
from texts.csv_cells import Cell
from texts.numbers import Absent
from texts.translations import mark

DRAWN = 5
ROW = 58  # px of one input: two lines of label and its bar
COLUMNS = (
    Column("input", mark("Input")),
    Column("field", mark("Field")),
    Column("low", mark("Lower value"), 4),
    Column("high", mark("Higher value"), 4),
    Column("cost_at_low_usd", mark("Cost at the lower (USD)"), 0),
    Column("cost_at_high_usd", mark("Cost at the higher (USD)"), 0),
)


def tornado_figure(found: Sensitivities) -> Figure:
    """The inputs that move the cost farthest; the table has all."""
    drawn = [one for one in found.inputs[:DRAWN] if one.reach_usd(found.base_usd) > 0]
    first = found.inputs[0]
    share = numbers.percent(first.reach_usd(found.base_usd) / found.base_usd, language())
    finding = (
        say("{input} can stop it: nothing fits within {swing} of it", input=_name(first), swing=_swing())
        if None in (first.low_usd, first.high_usd)
        else say("{input} moves the cost most: {swing} of it, up to {share}", input=_name(first), swing=_swing(), share=share)
    )
    told = [" ".join(_label(one)) for one in drawn]
    return Figure(
        "tornado",
        finding,
        ". ".join((finding, *told)) + ".",
        _bars(drawn, found.base_usd),
        Table(COLUMNS, tuple(_row(one) for one in found.inputs)),
        say(
            "Each input alone {swing}; the same accelerator and format are planned again. The line: the cost with nothing changed, {cost}.",
            swing=_swing(),
            cost=numbers.money(found.base_usd, language()),
        ),
    )


def _swing() -> str:
    return say("±{share}", share=numbers.percent(SWING, language()))


def _name(one: Sensitivity) -> str:
    return say("Price of the hardware (USD)") if one.field == PRICE else say(FIELDS[one.field].label)


def _value(one: Sensitivity, value: float) -> str:
    """In the unit of the input's label."""
    scale = 1.0 if one.field == PRICE else FIELDS[one.field].scale
    return numbers.exact(float(f"{value / scale:.3g}"), language())


def _label(one: Sensitivity) -> tuple[str, str]:
    """Two lines: the input with its values, the cost at both."""
    low, high = (say("nothing fits") if usd is None else numbers.money(usd, language()) for usd in (one.low_usd, one.high_usd))
    values = {"input": _name(one), "low": _value(one, one.low), "high": _value(one, one.high)}
    return say("{input}: {low} and {high}", **values), say("{low} and {high}", low=low, high=high)


def _row(one: Sensitivity) -> tuple[Cell, ...]:
    ends = (Absent.DOES_NOT_FIT if usd is None else usd for usd in (one.low_usd, one.high_usd))
    return _name(one), one.field, one.low, one.high, *ends


def _bars(drawn: Sequence[Sensitivity], base_usd: float) -> alt.LayerChart:
    unit_usd, title = (1e3, say("Change of the cost (thousand USD)")) if base_usd >= 2e4 else (1.0, say("Change of the cost (USD)"))
    rows = []
    for one in drawn:
        first, second = _label(one)
        ends = [0.0, *(usd - base_usd for usd in (one.low_usd, one.high_usd) if usd is not None)]
        rows.append((f"{first}. {second}", first, second, min(ends) / unit_usd, max(ends) / unit_usd, "compute"))
    data = records(("label", "first", "second", "low", "high", "meaning"), rows)
    y = alt.Y("label:N", sort=[label for label, *_ in rows], axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    base = alt.Chart(data).encode(y=y)
    bars = base.mark_bar(height=12, yOffset=18).encode(
        x=alt.X("low:Q", title=title, axis=alt.Axis(tickCount=5)),
        x2=alt.X2("high:Q"),
        color=meaning_colour("meaning"),
        description=alt.Description("label:N"),
        tooltip=[alt.Tooltip("label:N", title=say("Input"))],
    )
    lines = [
        base.mark_text(
            align="left", baseline="bottom", fontSize=FONT_SIZE, aria=False, limit=alt.ExprRef("width"), x=0, yOffset=offset, **halo
        ).encode(text=alt.Text(f"{name}:N"))
        for name, offset in (("first", -8), ("second", 9))
        for halo in ({"stroke": BACKGROUND, "strokeWidth": 5}, {"color": INK})
    ]
    middle = alt.Chart(records(("x",), [(0.0,)])).mark_rule(color=INK, strokeWidth=2, aria=False).encode(x=alt.X("x:Q"))
    return layered([middle, bars, *lines], ROW * len(rows))
