"""What else is possible? Configurations by any two figures: the frontier as steps, what it beats pale, what does not fit hollow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import altair as alt
import numpy as np

from dashboard import figures
from dashboard.charts.figure import FONT_SIZE, INK, Figure, layered, meaning_colour, records
from dashboard.language import language, say
from dashboard.options import axes_of, is_option, name_of, ranked_as
from dashboard.tables import table_of
from dashboard.wording import word
from planner.answer import FrontierPoint, NearestMiss, Plan, Recommendation
from planner.outcomes import undominated
from planner.pareto import Axes
from planner.tables import FRONTIER_COLUMNS
from texts import numbers
from texts.translations import mark
from texts.words import LIMITS

HEIGHT = 380
CHOICE = "option"  # the chart's selection: by the name of the option
TARGET = 576  # px²: 24 px wide, for a finger


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a point: its axis title, the figure in the axis' unit, how it is said; `better` as in `measures`."""

    title: str
    value: Callable[[FrontierPoint], float | None]
    text: Callable[[FrontierPoint], str]
    better: int = -1


def _cost(point: FrontierPoint) -> str:
    text = numbers.money(point.cost_usd, language())
    return say("at least {money}", money=text) if point.at_least else text


MEASURES: Mapping[str, Measure] = {
    "cost": Measure(mark("Cost over the period (thousand USD)"), lambda point: point.cost_usd / 1e3, _cost),
    "time": Measure(
        mark("Time of the run or of a request (s)"), lambda point: point.time_s, lambda point: numbers.duration(point.time_s, language())
    ),
    "throughput": Measure(
        mark("Throughput (tokens/s)"),
        lambda point: point.tokens_per_s,
        lambda point: numbers.count(point.tokens_per_s, language()),
        better=1,
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


@dataclass(frozen=True, slots=True)
class Shown:
    """The two figures across and up, and the frontier of them over the whole space where it was searched for."""

    across: str
    up: str
    whole: tuple[FrontierPoint, ...] | None = None

    @property
    def axes(self) -> Axes | None:
        """As the engine's objectives; None where one of them is none."""
        return axes_of(self.across, self.up)


@dataclass(frozen=True, slots=True)
class _Dot:
    """A point as drawn: what it is called in a link, whether the frontier has it."""

    name: str
    point: FrontierPoint
    optimal: bool


def frontier_figure(plan: Plan, shown: Recommendation, names: Mapping[str, str], view: Shown) -> Figure:
    """Configurations by the figures of `view`; `names` are those of the accelerators."""
    x, y = MEASURES[view.across], MEASURES[view.up]
    dots = [dot for dot in _dots(plan, view) if x.value(dot.point) and y.value(dot.point)]  # an unknown price counts as none
    misses = [miss for miss in plan.search.nearest if miss.point and x.value(miss.point) and y.value(miss.point)]
    finding = say(
        "{count} configurations; {optimal} of them are beaten by none in both figures",
        count=numbers.whole(len(dots), language()),
        optimal=numbers.whole(sum(dot.optimal for dot in dots), language()),
    )
    source = say("Line: what none beats in both. Pale: something beats it, or a price of it is unknown. Hollow: does not fit.")
    extent = say("Of all configurations.") if view.whole is not None else say("Of those that the search for the plan kept.")
    return Figure(
        "frontier",
        finding,
        finding,
        _scatter(dots, misses, shown, names, (x, y)),
        table_of(FRONTIER_COLUMNS, [dot.point for dot in dots]),
        f"{source} {extent}",
    )


def frontier_dots(plan: Plan, view: Shown, names: Mapping[str, str]) -> list[tuple[str, str, bool]]:
    """Of all that the chart shows, the name, the configuration in words, and whether nothing beats it: the frontier first."""
    measures = x, y = MEASURES[view.across], MEASURES[view.up]
    known = [dot for dot in _dots(plan, view) if x.value(dot.point) and y.value(dot.point)]
    known.sort(key=lambda dot: (not dot.optimal, -x.better * (x.value(dot.point) or 0.0)))
    return [(dot.name, _label(dot.point, names, measures), dot.optimal) for dot in known]


def _dots(plan: Plan, view: Shown) -> list[_Dot]:
    seen = [_Dot(_name(plan, point, None, place), point, optimal=False) for place, point in enumerate(plan.frontier)]
    if view.whole is not None:
        priced = "cost" in (view.across, view.up)  # what lacks a price stands last on the engine's frontier, and nowhere on the chart's
        best = [
            _Dot(_name(plan, point, view.axes, place), point, not (priced and point.at_least)) for place, point in enumerate(view.whole)
        ]
        figures_of_best = {_figures(dot.point) for dot in best}
        return [*best, *(dot for dot in seen if _figures(dot.point) not in figures_of_best)]
    losses = [_losses(plan.frontier, name) for name in (view.across, view.up)]
    optimal = undominated(*losses) & np.isfinite(losses).all(axis=0)
    return [_Dot(dot.name, dot.point, bool(best)) for dot, best in zip(seen, optimal, strict=True)]


def _name(plan: Plan, point: FrontierPoint, axes: Axes | None, place: int) -> str:
    ranked = ranked_as(plan, point)
    return name_of(axes, place) if ranked is None else str(ranked.rank)


def _figures(point: FrontierPoint) -> tuple[str, int, str, float, float]:
    return f"{point.prefill_accelerator_id}>{point.accelerator_id}", point.devices, point.precision, point.cost_usd, point.time_s


def _losses(points: Sequence[FrontierPoint], name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The figure, smaller is better; infinite where it is unknown."""
    measure = MEASURES[name]
    unknown = [measure.value(point) is None or (name == "cost" and point.at_least) for point in points]
    return np.where(unknown, np.inf, [-measure.better * (measure.value(point) or 0.0) for point in points])


def _scatter(
    dots: Sequence[_Dot],
    misses: Sequence[NearestMiss],
    shown: Recommendation,
    names: Mapping[str, str],
    measures: tuple[Measure, Measure],
) -> alt.LayerChart:
    x_measure, y_measure = measures

    def spot(point: FrontierPoint) -> tuple[float, float]:
        return x_measure.value(point) or 0.0, y_measure.value(point) or 0.0

    rows = [
        (*spot(dot.point), _label(dot.point, names, measures), dot.name, dot.optimal, is_option(dot.point, shown), "compute")
        for dot in dots
    ]
    hollow = [(*spot(miss.point), f"{_label(miss.point, names, measures)}. {_reason(miss)}") for miss in misses if miss.point]
    data = records(("x", "y", "label", "name", "optimal", "shown", "meaning"), rows)
    x, y = _axes(x_measure, y_measure)
    base = alt.Chart(data).encode(x=x, y=y)
    steps: Literal["step-after", "step-before"] = "step-after" if x_measure.better < 0 else "step-before"
    spoken, tooltip = alt.Description("label:N"), [alt.Tooltip("label:N", title=say("Configuration"))]
    chosen = alt.selection_point(name=CHOICE, fields=["name"], on="click", empty=False)
    best, shown_one = base.transform_filter("datum.optimal"), base.transform_filter("datum.shown")
    outside = alt.Chart(records(("x", "y", "label"), hollow)).encode(x=x, y=y, description=spoken, tooltip=tooltip)
    return layered(
        [
            outside.mark_point(size=40, color=INK, opacity=0.5, strokeWidth=1),
            best.mark_line(interpolate=steps, color=INK, opacity=0.6, strokeWidth=1.5, aria=False),
            base.transform_filter("!datum.optimal").mark_circle(size=35, opacity=0.35, aria=False).encode(color=meaning_colour("meaning")),
            best.mark_circle(size=75, opacity=1, aria=False).encode(color=meaning_colour("meaning")),
            shown_one.mark_point(size=220, color=INK, strokeWidth=2, aria=False),
            shown_one.mark_text(align="right", dx=-12, dy=4, fontSize=FONT_SIZE, color=INK, aria=False).encode(
                text=alt.value(say("shown"))
            ),
            base.mark_circle(size=TARGET, opacity=0, cursor="pointer").encode(description=spoken, tooltip=tooltip).add_params(chosen),
        ],
        HEIGHT,
    )


def _axes(x: Measure, y: Measure) -> tuple[alt.X, alt.Y]:
    """Both logarithmic."""
    scale, axis = alt.Scale(type="log", nice=False, padding=16), alt.Axis(format="~s", tickCount=6, grid=False)
    x_title, y_title = (say("{title}, log scale", title=say(measure.title)) for measure in (x, y))
    return alt.X("x:Q", title=x_title, scale=scale, axis=axis), alt.Y("y:Q", title=y_title, scale=scale, axis=axis)


def _label(point: FrontierPoint, names: Mapping[str, str], measures: tuple[Measure, Measure]) -> str:
    first, second = measures
    return say(
        "{count} × {accelerator}, {precision}: {first}, {second}",
        count=numbers.whole(point.devices, language()),
        accelerator=_machines(point, names),
        precision=point.precision.upper(),
        first=first.text(point),
        second=second.text(point),
    )


def _machines(point: FrontierPoint, names: Mapping[str, str]) -> str:
    """The accelerator, or from that which prefills to that which decodes."""
    decode, prefill = (names.get(id_, id_) for id_ in (point.accelerator_id, point.prefill_accelerator_id))
    return say("{prefill} → {decode}", prefill=prefill, decode=decode) if prefill else decode


def _reason(miss: NearestMiss) -> str:
    return say(
        "Does not fit: it misses the limit on {limit} by {share}.",
        limit=word(LIMITS, miss.reason),
        share=numbers.percent(miss.over_by, language()),
    )
