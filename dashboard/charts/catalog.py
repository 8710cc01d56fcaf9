"""Accelerators against each other: what they compute, move and cost, and when they came."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import altair as alt

from dashboard.charts.figure import INK, Figure, layered, meaning_colour, records
from dashboard.language import language, say
from dashboard.tables import Column, Table
from hardware_db.records import Accelerator
from texts import numbers
from texts.translations import mark

HEIGHT = 420
LABELS = 6  # the highest of each vendor; more would cover each other
HALF = ("bf16", "fp16")


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of an accelerator: how to read it, its axis title, its CSV column, how it is said."""

    column: str
    title: str
    value: Callable[[Accelerator], float | None]


def half_flops_per_s(entry: Accelerator) -> float | None:
    """Dense 16-bit peak."""
    return next((entry.peak_flops_per_s[name] for name in HALF if entry.peak_flops_per_s.get(name)), None)


def _usd_per(figure: Callable[[Accelerator], float | None], unit: float) -> Callable[[Accelerator], float | None]:
    def value(entry: Accelerator) -> float | None:
        amount = figure(entry)
        return entry.price.typical_usd / (amount / unit) if entry.price and amount else None

    return value


def _scaled(figure: Callable[[Accelerator], float | None], unit: float) -> Callable[[Accelerator], float | None]:
    def value(entry: Accelerator) -> float | None:
        amount = figure(entry)
        return amount / unit if amount else None

    return value


MEASURES = {
    measure.column: measure
    for measure in (
        Measure("peak_16_bit_tflops", mark("16-bit peak (TFLOP/s dense)"), _scaled(half_flops_per_s, 1e12)),
        Measure("bandwidth_gb_per_s", mark("Memory bandwidth (GB/s)"), _scaled(lambda entry: entry.memory_bandwidth_bytes_per_s, 1e9)),
        Measure("memory_gib", mark("Memory (GiB)"), _scaled(lambda entry: entry.memory_bytes, 2.0**30)),
        Measure("rated_power_w", mark("Rated power (W)"), _scaled(lambda entry: entry.tdp_w, 1)),
        Measure("price_usd", mark("Price (USD)"), lambda entry: entry.price.typical_usd if entry.price else None),
        Measure("usd_per_tflops", mark("Price per 16-bit peak (USD per TFLOP/s)"), _usd_per(half_flops_per_s, 1e12)),
        Measure(
            "usd_per_gb_per_s", mark("Price per bandwidth (USD per GB/s)"), _usd_per(lambda entry: entry.memory_bandwidth_bytes_per_s, 1e9)
        ),
        Measure("release_year", mark("Release (year)"), lambda entry: _year(entry.release)),
    )
}


def comparison_figure(entries: Sequence[Accelerator], across: str, up: str) -> Figure:
    """Accelerators by the measures `across` and `up`; those without both figures are counted in the source line."""
    x, y = MEASURES[across], MEASURES[up]
    rows = [(entry, x.value(entry), y.value(entry)) for entry in entries]
    known = [(entry, right, top) for entry, right, top in rows if right is not None and top is not None]
    best = max(known, key=lambda row: row[2], default=None)
    finding = (
        say("No accelerator here has both figures")
        if best is None
        else say(
            "{accelerator} has the highest: {title}, {value}",
            accelerator=best[0].name,
            title=say(y.title),
            value=numbers.number(best[2], language()),
        )
    )
    table = Table(
        (
            Column("accelerator", mark("Accelerator")),
            Column("vendor", mark("Vendor")),
            Column(x.column, x.title, 2),
            Column(y.column, y.title, 2),
        ),
        tuple((entry.name, entry.vendor, right, top) for entry, right, top in known),
    )
    source = say("Hardware catalog; {count} accelerators without both figures are left out.", count=str(len(rows) - len(known)))
    return Figure("catalog", finding, finding, _scatter(known, x, y), table, source)


def _scatter(known: Sequence[tuple[Accelerator, float, float]], x: Measure, y: Measure) -> alt.LayerChart:
    named = _named([(entry.vendor, right, top) for entry, right, top in known])
    rows = [
        (
            entry.name,
            entry.vendor,
            right,
            top,
            "compute",
            _told(entry.name, (x, right), (y, top)),
            named.get(index, ""),
        )
        for index, (entry, right, top) in enumerate(known)
    ]
    base = alt.Chart(records(("name", "vendor", "x", "y", "meaning", "label", "side"), rows)).encode(x=_x(x), y=_y(y))
    points = base.mark_point(filled=True, size=70, opacity=0.75).encode(
        color=meaning_colour("meaning"),
        description=alt.Description("label:N"),
        tooltip=[
            alt.Tooltip("name:N", title=say("Accelerator")),
            alt.Tooltip("vendor:N", title=say("Vendor")),
            alt.Tooltip("x:Q", title=say(x.title), format=",.4~g"),
            alt.Tooltip("y:Q", title=say(y.title), format=",.4~g"),
        ],
    )
    right_of, left_of = (base.transform_filter(f"datum.side == '{side}'").encode(text=alt.Text("name:N")) for side in ("right", "left"))
    return layered(
        [
            points,
            right_of.mark_text(align="left", dx=7, fontSize=12, color=INK, aria=False, limit=150),
            left_of.mark_text(align="right", dx=-7, fontSize=12, color=INK, aria=False, limit=150),
        ],
        HEIGHT,
    )


def _named(points: Sequence[tuple[str, float, float]]) -> dict[int, Literal["left", "right"]]:
    """Which of (vendor, x, y) have their name beside them, and on which side: the highest of each vendor that has room for it."""
    if not points:
        return {}
    ups = [math.log(top) for _, _, top in points]
    middle = (min(right for _, right, _ in points) * max(right for _, right, _ in points)) ** 0.5
    room = (max(ups) - min(ups)) / 14 or 1.0  # of a line of text, of the height
    named: dict[int, Literal["left", "right"]] = {}
    vendors: set[str] = set()
    for index in sorted(range(len(points)), key=lambda index: -ups[index]):
        vendor = points[index][0]
        if vendor in vendors or len(named) == LABELS:
            continue
        vendors.add(vendor)
        if all(abs(ups[index] - ups[other]) >= room for other in named):
            named[index] = "left" if points[index][1] > middle else "right"
    return named


def _told(name: str, *figures: tuple[Measure, float]) -> str:
    """A point in words."""
    return "; ".join((name, *(f"{say(measure.title)}: {numbers.number(value, language(), 4)}" for measure, value in figures)))


def _x(measure: Measure) -> alt.X:
    title, scale, axis = _axis(measure)
    return alt.X("x:Q", title=title, scale=scale, axis=axis)


def _y(measure: Measure) -> alt.Y:
    title, scale, axis = _axis(measure)
    return alt.Y("y:Q", title=title, scale=scale, axis=axis)


def _axis(measure: Measure) -> tuple[str, alt.Scale, alt.Axis]:
    """Years are even, everything else is logarithmic and says so."""
    title = say(measure.title)
    if measure.column == "release_year":
        return title, alt.Scale(zero=False), alt.Axis(format="d", tickCount=8)
    return say("{title}, log scale", title=title), alt.Scale(type="log"), alt.Axis(format="~s", tickCount=6, grid=False)


def _year(release: str) -> float | None:
    year, _, month = release.partition("-")
    return float(year) + (int(month) - 1) / 12 if year.isdigit() and month.isdigit() else float(year) if year.isdigit() else None
