"""How close to the hardware's roof? Operations by FLOP a byte and FLOP a second, under the roofs of the data sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from dashboard.charts.colours import Meaning
from dashboard.charts.figure import BACKGROUND, FONT_SIZE, INK, Figure, layered, meaning_colour, records
from dashboard.language import language, say
from dashboard.tables import Column, Table
from dashboard.wording import OPERATIONS, PHASES, word
from planner.answer import Recommendation, Roofline
from planner.explain.roofline import UnderRoof, under_roofs
from texts import numbers
from texts.translations import mark

HEIGHT = 340
TERA = 1e12
ROOM = 3.0  # left around the points, as a factor
NAMES_ROOM = 30.0  # left of the first ridge, where the roofs' names stand
COLUMNS = (
    Column("phase", mark("Phase")),
    Column("operation", mark("Operation")),
    Column("gflop", mark("Work (GFLOP)"), 3),
    Column("moved_gb", mark("Moved (GB)"), 4),
    Column("time_ms", mark("Time (ms)"), 3),
    Column("flop_per_byte", mark("Intensity (FLOP per byte)"), 2),
    Column("tflop_per_s", mark("Reached (TFLOP/s)"), 2),
    Column("share_of_roof", mark("Share of its roof"), 3),
)


@dataclass(frozen=True, slots=True)
class Span:
    """What the axes show: intensity and rate, lowest and highest."""

    x: tuple[float, float]
    y: tuple[float, float]


def roofline_figure(shown: Recommendation) -> Figure | None:
    """Roofs and operations of one accelerator of `shown`; None where its memory's bandwidth is unknown."""
    roofs = shown.roofline
    if roofs is None:
        return None
    found = under_roofs(roofs, shown.strategy.precision)
    wholes = [one for one in found if not one.point.operation]
    finding = say("Roofline: {phases}", phases="; ".join(map(_told, wholes)))
    above = any(one.share_of_roof > 1 for one in found)
    source = say("Roofs: dense peaks and memory bandwidth of the data sheet, one accelerator. Times are those of the plan.")
    if above:
        source += " " + say("A point above a roof: speeds fitted to measured runs exceed this data sheet; doubt one of them.")
    return Figure(
        "roofline",
        finding,
        " ".join((finding + ".", "; ".join(text for _, text in _roofs(roofs)) + ".", "; ".join(map(_label, found)) + ".")),
        _chart(roofs, found, _span(roofs, found)),
        Table(COLUMNS, tuple(_row(one) for one in found)),
        source,
    )


def _told(one: UnderRoof) -> str:
    share = numbers.percent(one.share_of_roof, language())
    if one.memory_bound:
        return say("{phase} reaches {share} of the memory's roof", phase=word(PHASES, one.point.phase), share=share)
    return say("{phase} reaches {share} of the arithmetic roof", phase=word(PHASES, one.point.phase), share=share)


def _label(one: UnderRoof) -> str:
    """A point in words: what it is, how much work a byte, how fast."""
    operation = word(OPERATIONS, one.point.operation) if one.point.operation else say("all of it")
    return say(
        "{phase}, {operation}: {intensity} FLOP per byte, {rate}, {share} of its roof",
        phase=word(PHASES, one.point.phase),
        operation=operation,
        intensity=numbers.number(one.intensity, language()),
        rate=numbers.compute(one.flops_per_s, language()),
        share=numbers.percent(one.share_of_roof, language()),
    )


def _row(one: UnderRoof) -> tuple[str | float, ...]:
    point = one.point
    operation = word(OPERATIONS, point.operation) if point.operation else say("all of it")
    amounts = (point.flops / 1e9, point.moved_bytes / 1e9, point.time_s * 1e3)
    return (word(PHASES, point.phase), operation, *amounts, one.intensity, one.flops_per_s / TERA, one.share_of_roof)


def _roofs(roofs: Roofline) -> list[tuple[float, str]]:
    """Each peak once, with the number formats that have it."""
    formats: dict[float, list[str]] = {}
    for precision, peak in roofs.peak_flops_per_s.items():
        formats.setdefault(peak, []).append(precision.upper())
    return [
        (peak, say("{formats}: {rate}", formats=", ".join(names), rate=numbers.compute(peak, language())))
        for peak, names in formats.items()
    ]


def _span(roofs: Roofline, found: Sequence[UnderRoof]) -> Span:
    lowest, highest = min(roofs.peak_flops_per_s.values()), max(roofs.peak_flops_per_s.values())
    intensities, rates = [one.intensity for one in found], [one.flops_per_s for one in found]
    left = min(min(intensities) / ROOM, lowest / roofs.memory_bytes_per_s / NAMES_ROOM)
    right = max(*intensities, highest / roofs.memory_bytes_per_s) * ROOM
    return Span((left, right), (min(rates) / ROOM, highest * ROOM))


def _chart(roofs: Roofline, found: Sequence[UnderRoof], span: Span) -> alt.LayerChart:
    x, y = _axes(span)
    lines = alt.Chart(_lines(roofs, span)).mark_line(strokeWidth=2, clip=True, aria=False)
    roof_names = alt.Chart(_names(roofs)).mark_text(align="right", dx=-8, fontSize=12, color=INK, aria=False)
    foot = alt.Chart(_foot(roofs, span)).mark_text(align="left", dx=10, dy=6, fontSize=12, color=INK, aria=False)
    corners = alt.Chart(_ridges(roofs)).mark_point(shape="diamond", size=60, color=INK, filled=True, opacity=1)
    spoken = alt.Description("label:N")
    points = alt.Chart(_points(found)).encode(
        x=x, y=y, color=meaning_colour("meaning"), description=spoken, tooltip=[alt.Tooltip("label:N", title=say("Operation"))]
    )
    wholes = points.transform_filter("datum.whole")
    titles = alt.Chart(_points(found)).transform_filter("datum.whole").encode(x=x, y=y, text=alt.Text("phase:N"))
    return layered(
        [
            lines.encode(x=x, y=y, color=meaning_colour("meaning"), detail=alt.Detail("roof:N")),
            roof_names.encode(x=x, y=y, text=alt.Text("label:N")),
            foot.encode(x=x, y=y, text=alt.Text("label:N")),
            corners.encode(x=x, y=y, description=spoken, tooltip=[alt.Tooltip("label:N", title=say("Ridge"))]),
            points.transform_filter("!datum.whole").mark_point(size=50, opacity=0.7),
            wholes.mark_point(size=130, filled=True, opacity=1),
            titles.mark_text(baseline="top", dy=10, fontSize=FONT_SIZE, aria=False, stroke=BACKGROUND, strokeWidth=5),
            titles.mark_text(baseline="top", dy=10, fontSize=FONT_SIZE, aria=False, color=INK),
        ],
        HEIGHT,
    )


def _axes(span: Span) -> tuple[alt.X, alt.Y]:
    axis = alt.Axis(format="~s", tickCount=5, grid=False)
    x_scale = alt.Scale(type="log", domain=list(span.x), nice=False)
    y_scale = alt.Scale(type="log", domain=[bound / TERA for bound in span.y], nice=False)
    return (
        alt.X("x:Q", title=say("Intensity (FLOP per byte, log scale)"), scale=x_scale, axis=axis),
        alt.Y("y:Q", title=say("Rate of one accelerator (TFLOP/s, log scale)"), scale=y_scale, axis=axis),
    )


def _points(found: Sequence[UnderRoof]) -> alt.InlineData:
    rows = [
        (one.intensity, one.flops_per_s / TERA, _meaning(one), _label(one), word(PHASES, one.point.phase), not one.point.operation)
        for one in found
    ]
    return records(("x", "y", "meaning", "label", "phase", "whole"), rows)


def _meaning(one: UnderRoof) -> Meaning:
    return "memory" if one.memory_bound else "compute"


def _lines(roofs: Roofline, span: Span) -> alt.InlineData:
    """The slope of the memory up to the highest ridge, and a flat roof from each ridge on."""
    bandwidth, highest = roofs.memory_bytes_per_s, max(roofs.peak_flops_per_s.values())
    rows: list[tuple[str, float, float, Meaning]] = [
        ("memory", span.x[0], bandwidth * span.x[0] / TERA, "memory"),
        ("memory", highest / bandwidth, highest / TERA, "memory"),
    ]
    for peak, text in _roofs(roofs):
        rows += [(text, peak / bandwidth, peak / TERA, "compute"), (text, span.x[1], peak / TERA, "compute")]
    return records(("roof", "x", "y", "meaning"), rows)


def _names(roofs: Roofline) -> alt.InlineData:
    """The flat roofs' names left of their ridges, above the slope of the memory, where no point can be."""
    return records(("x", "y", "label"), [(peak / roofs.memory_bytes_per_s, peak / TERA, text) for peak, text in _roofs(roofs)])


def _ridges(roofs: Roofline) -> alt.InlineData:
    """Where a flat roof begins: the least work a byte that can keep the arithmetic busy."""
    rows = [
        (
            peak / roofs.memory_bytes_per_s,
            peak / TERA,
            say(
                "{roof}, from {intensity} FLOP per byte on",
                roof=text,
                intensity=numbers.number(peak / roofs.memory_bytes_per_s, language()),
            ),
        )
        for peak, text in _roofs(roofs)
    ]
    return records(("x", "y", "label"), rows)


def _foot(roofs: Roofline, span: Span) -> alt.InlineData:
    """The memory's rate at the foot of its slope."""
    bandwidth = roofs.memory_bytes_per_s
    x = max(span.x[0], span.y[0] / bandwidth) * 1.3
    return records(("x", "y", "label"), [(x, bandwidth * x / TERA, numbers.bandwidth(bandwidth, language()))])
