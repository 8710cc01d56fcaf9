"""What else is possible? Every configuration of the shortlist by two figures, the frontier of cost and time marked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from dashboard import figures
from dashboard.charts.figure import FONT_SIZE, INK, Figure, layered, meaning_colour
from dashboard.language import language, say
from dashboard.tables import table_of
from planner.answer import FrontierPoint, Plan, Recommendation
from planner.tables import FRONTIER_COLUMNS
from texts import numbers
from texts.translations import mark

HEIGHT = 380


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a point: its axis title, the figure in the axis' unit, and how it is said."""

    title: str
    value: Callable[[FrontierPoint], float | None]
    text: Callable[[FrontierPoint], str]


def _cost(point: FrontierPoint) -> str:
    text = numbers.money(point.cost_usd, language())
    return say("at least {money}", money=text) if point.at_least else text


MEASURES: Mapping[str, Measure] = {
    "cost": Measure(
        mark("Cost over the period (thousand USD)"),
        lambda point: point.cost_usd / 1e3,
        _cost,
    ),
    "time": Measure(
        mark("Time of the run or of a request (s)"), lambda point: point.time_s, lambda point: numbers.duration(point.time_s, language())
    ),
    "tokens": Measure(
        mark("Throughput (tokens/s)"), lambda point: point.tokens_per_s, lambda point: numbers.count(point.tokens_per_s, language())
    ),
    "power": Measure(
        mark("Facility power (kW)"),
        lambda point: None if point.facility_w is None else point.facility_w / 1e3,
        lambda point: numbers.power(figures.known(point.facility_w), language()),
    ),
    "carbon": Measure(
        mark("Carbon of the energy (t CO₂e)"),
        lambda point: None if point.carbon_kgco2e is None else point.carbon_kgco2e / 1e3,
        lambda point: numbers.carbon(figures.known(point.carbon_kgco2e), language()),
    ),
    "devices": Measure(mark("Accelerators"), lambda point: point.devices, lambda point: numbers.whole(point.devices, language())),
}


def frontier_figure(plan: Plan, shown: Recommendation, names: Mapping[str, str], across: str, up: str) -> Figure:
    """Points by the measures `across` and `up`; `names` are those of the accelerators."""
    x, y = MEASURES[across], MEASURES[up]
    known = [point for point in plan.frontier if x.value(point) and y.value(point)]  # an unknown price counts as none
    optimal = sum(point.pareto for point in known)
    finding = say(
        "{count} configurations fit; {optimal} of them are beaten by none in both cost and time",
        count=numbers.whole(len(known), language()),
        optimal=numbers.whole(optimal, language()),
    )
    return Figure(
        "frontier",
        finding,
        finding,
        _scatter(known, shown, names, (x, y), line={across, up} == {"cost", "time"}),
        table_of(FRONTIER_COLUMNS, plan.frontier),
        say("Filled: on the frontier of cost and time. Hollow: another one is cheaper and faster, or a price of it is unknown."),
    )


def _scatter(
    known: Sequence[FrontierPoint], shown: Recommendation, names: Mapping[str, str], axes: tuple[Measure, Measure], *, line: bool
) -> alt.LayerChart:
    """Points of `known`; with `line` the frontier's steps: a point holds until the next one beats its time, or its cost."""
    x, y = axes
    rows = []
    for point in known:
        label = say(
            "{count} × {accelerator}, {precision}: {first}, {second}",
            count=numbers.whole(point.devices, language()),
            accelerator=names.get(point.accelerator_id, point.accelerator_id),
            precision=point.precision.upper(),
            first=x.text(point),
            second=y.text(point),
        )
        rows.append((label, x.value(point), y.value(point), point.pareto, _is(point, shown), "compute"))
    data = pd.DataFrame(rows, columns=["label", "x", "y", "pareto", "shown", "meaning"])
    base = alt.Chart(data).encode(
        x=alt.X(
            "x:Q", title=say("{title}, log scale", title=say(x.title)), scale=alt.Scale(type="log"), axis=alt.Axis(format="~s", tickCount=6)
        ),
        y=alt.Y(
            "y:Q", title=say("{title}, log scale", title=say(y.title)), scale=alt.Scale(type="log"), axis=alt.Axis(format="~s", tickCount=6)
        ),
        color=meaning_colour("meaning"),
        description=alt.Description("label:N"),
        tooltip=[alt.Tooltip("label:N", title=say("Configuration"))],
    )
    steps = (
        alt.Chart(data)
        .transform_filter("datum.pareto")
        .mark_line(interpolate="step-after", color=INK, opacity=0.6, strokeWidth=1.5, aria=False)
        .encode(x="x:Q", y="y:Q")
    )
    others = base.transform_filter("!datum.pareto").mark_point(size=45, opacity=0.45)
    best = base.transform_filter("datum.pareto").mark_point(size=70, filled=True, opacity=1)
    chosen = alt.Chart(data).transform_filter("datum.shown").mark_point(size=220, color=INK, strokeWidth=2).encode(x="x:Q", y="y:Q")
    name = (
        alt.Chart(data)
        .transform_filter("datum.shown")
        .mark_text(align="right", dx=-12, dy=4, fontSize=FONT_SIZE, color=INK, aria=False)
        .encode(x="x:Q", y="y:Q", text=alt.value(say("shown")))
    )
    return layered([*([steps] if line else []), others, best, chosen, name], HEIGHT)


def _is(point: FrontierPoint, option: Recommendation) -> bool:
    """Whether `point` is `option`; by time, since the option's cost is that of its exact cluster and the point's an estimate."""
    speed = option.performance
    return (
        point.accelerator_id == option.accelerator_id
        and point.devices == option.devices
        and point.precision == option.strategy.precision
        and point.time_s == (speed.end_to_end_s if speed.run_s is None else speed.run_s)
    )
