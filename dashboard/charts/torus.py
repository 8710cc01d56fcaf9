"""How is a slice of a torus pod wired? Devices in a box, each linked with its neighbours along every axis."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import altair as alt

from dashboard.charts.figure import INK, Figure, layered, meaning_colour, records
from dashboard.language import language, say
from dashboard.tables import Column, Table
from hardware_db.records import ScaleUpLink
from planner.cluster.slices import Slice, slice_for
from texts import numbers
from texts.translations import mark

MOST_DRAWN = {1: 16, 2: 8, 3: 4}  # devices of an axis, by axes
ROW = 64  # px from one device to the one below
LEAST_WIDTH = 9.0  # of the sketch in devices, so that a small slice is not stretched
DEPTH = (0.24, -0.2)  # how far a device of the third axis stands to the right and up
STUB = 0.35  # of a link that closes a ring, drawn at both of its ends
COLUMNS = (
    Column("axis", mark("Axis"), 0),
    Column("devices", mark("Devices"), 0),
    Column("closed", mark("Closed to a ring")),
    Column("links", mark("Links"), 0),
)
Place = tuple[float, float]


def torus_figure(link: ScaleUpLink, devices: int) -> Figure:
    """The smallest slice of `link` that holds `devices` devices."""
    cut = slice_for(link, devices)
    rate = link.per_accel_bytes_per_s / (2 * len(cut.shape))
    finding = say(
        "Torus of {shape} devices: {links} links of {rate} each way",
        shape=_shape(cut),
        links=numbers.whole(sum(cut.links), language()),
        rate=numbers.bandwidth(rate, language()),
    )
    axes = [_axis(index, cut) for index in range(len(cut.shape))]
    rows = tuple(
        (index + 1, side, say("yes") if wraps else say("no"), links)
        for index, (side, wraps, links) in enumerate(zip(cut.shape, cut.wraps, cut.links, strict=True))
    )
    drawn = tuple(min(side, MOST_DRAWN[len(cut.shape)]) for side in cut.shape)
    source = (
        say("Stubs at the edge close the ring to the other side.") if any(cut.wraps) else say("No axis of this slice closes to a ring.")
    )
    if drawn != cut.shape:
        source += " " + say("At most {most} devices of an axis are drawn.", most=numbers.whole(MOST_DRAWN[len(cut.shape)], language()))
    return Figure(
        "torus",
        finding,
        " ".join((finding + ".", *axes, *torus_sentences(link, devices))),
        _diagram(drawn, cut),
        Table(COLUMNS, rows),
        source,
    )


def torus_sentences(link: ScaleUpLink, devices: int) -> list[str]:
    """The middle of the slice, and what a failure leaves of it, in words."""
    cut = slice_for(link, devices)
    rate = cut.bisection_bytes_per_s(link.per_accel_bytes_per_s)
    found = [
        say(
            "Across the middle: {links} links, {rate}; the longest path has {hops} links.",
            links=numbers.whole(cut.crossing_links, language()),
            rate=numbers.bandwidth(rate, language()),
            hops=numbers.whole(cut.diameter, language()),
        )
    ]
    if cut.crossing_links > 1:
        left = numbers.percent(1 - 1 / cut.crossing_links, language(), 3)
        found.append(say("Without one of them {left} of that is left; its traffic takes the other way round or another row.", left=left))
    return found


def _shape(cut: Slice) -> str:
    return " × ".join(numbers.whole(side, language()) for side in cut.shape)


def _axis(index: int, cut: Slice) -> str:
    fields = {
        "axis": numbers.whole(index + 1, language()),
        "devices": numbers.whole(cut.shape[index], language()),
        "links": numbers.whole(cut.links[index], language()),
    }
    if cut.wraps[index]:
        return say("Axis {axis}: {devices} devices in a ring, {links} links.", **fields)
    return say("Axis {axis}: {devices} devices in a row, {links} links.", **fields)


def place(index: tuple[int, ...]) -> Place:
    """Where the device at `index` stands: the last axis to the right, the one before down, the first into the depth."""
    *depth, down, right = (0, *index) if len(index) == 1 else index
    lean = depth[0] if depth else 0
    return right + DEPTH[0] * lean, down + DEPTH[1] * lean


def edges(shape: tuple[int, ...], wraps: tuple[bool, ...]) -> Iterator[tuple[Place, Place]]:
    """Lines between neighbours, and a stub at both ends of an axis that closes to a ring."""
    for index in product(*(range(side) for side in shape)):
        here = place(index)
        for axis, side in enumerate(shape):
            next_place = place((*index[:axis], index[axis] + 1, *index[axis + 1 :]))
            step = (next_place[0] - here[0], next_place[1] - here[1])
            if index[axis] + 1 < side:
                yield here, next_place
            elif wraps[axis]:
                yield here, (here[0] + STUB * step[0], here[1] + STUB * step[1])
            if index[axis] == 0 and wraps[axis]:
                yield here, (here[0] - STUB * step[0], here[1] - STUB * step[1])


def _diagram(drawn: tuple[int, ...], cut: Slice) -> alt.LayerChart:
    places = [place(index) for index in product(*(range(side) for side in drawn))]
    lines = [(*start, *end) for start, end in edges(drawn, cut.wraps)]
    right, low, high = max(x for x, _ in places), max(y for _, y in places), min(y for _, y in places)
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.6, max(right + 0.6, LEAST_WIDTH)], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[low + 0.6, high - 0.6], nice=False))
    links = alt.Chart(records(("x", "y", "x2", "y2"), lines)).mark_rule(color=INK, opacity=0.45, aria=False)
    devices = alt.Chart(records(("x", "y", "meaning"), [(*spot, "compute") for spot in places])).mark_circle(
        size=110, opacity=1, aria=False
    )
    return layered(
        [links.encode(x=x, y=y, x2=alt.X2("x2:Q"), y2=alt.Y2("y2:Q")), devices.encode(x=x, y=y, color=meaning_colour("meaning"))],
        round(ROW * (low - high + 1.2)),
    )
