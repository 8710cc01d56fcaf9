"""Does it fit? The fullest device's memory, part after part, up to its capacity."""

from __future__ import annotations

import altair as alt
import pandas as pd

from dashboard.charts.figure import FONT_SIZE, INK, Figure, layered, meaning_colour
from dashboard.language import language, say
from dashboard.tables import Column, Table
from dashboard.wording import MEMORY_PARTS, word
from planner.answer import MemoryUse, Recommendation
from texts import numbers
from texts.translations import mark

ROW = 40
GIB = 2.0**30
COLUMNS = (
    Column("part", mark("Part")),
    Column("memory_gib", mark("Memory (GiB)"), 2),
    Column("share", mark("Share of the capacity"), 3),
)


def memory_figure(shown: Recommendation) -> Figure:
    """Bytes on the fullest device of `shown`: each part starts where the one before ends."""
    use = shown.memory
    parts = memory_parts(use)
    finding = memory_finding(use)
    rows = tuple((word(MEMORY_PARTS, code), size / GIB, size / use.capacity_bytes) for code, size in parts)
    return Figure(
        "memory",
        finding,
        finding + ". " + "; ".join(f"{word(MEMORY_PARTS, code)}: {numbers.memory(size, language())}" for code, size in parts),
        _cascade(parts, use),
        Table(COLUMNS, rows),
        " ".join((say("Counted from the model's shapes; capacity as the driver leaves it."), *_kept_away(use))),
    )


def _kept_away(use: MemoryUse) -> list[str]:
    """What training keeps off a device."""
    host, drives = (numbers.memory(size, language()) for size in (use.host_bytes, use.nvme_bytes))
    said = [say("Host memory for each device: {size}.", size=host)] if use.host_bytes else []
    return said + ([say("Drives for each device: {size}.", size=drives)] if use.nvme_bytes else [])


def memory_finding(use: MemoryUse) -> str:
    """Whether it fits, and how well."""
    used = numbers.memory(use.used_bytes, language())
    capacity = numbers.memory(use.capacity_bytes, language())
    over = use.used_bytes - use.capacity_bytes
    if over > 0:
        return say(
            "Memory: {used} on a device of {capacity}, over by {over}", used=used, capacity=capacity, over=numbers.memory(over, language())
        )
    return say("Memory: {used} of {capacity} used on the fullest device", used=used, capacity=capacity)


def memory_parts(use: MemoryUse) -> list[tuple[str, float]]:
    """Used parts, largest first, then what is kept free and what is left."""
    parts = sorted(((code, size) for code, size in use.parts.items() if size > 0), key=lambda item: -item[1])
    left = use.capacity_bytes - use.used_bytes
    kept = min(use.reserve_bytes, max(left, 0.0))
    return parts + [(code, size) for code, size in (("free", left - kept), ("reserve", kept)) if size > 0]


def _cascade(parts: list[tuple[str, float]], use: MemoryUse) -> alt.LayerChart:
    rows, start = [], 0.0
    for code, size in parts:
        label = f"{word(MEMORY_PARTS, code)}: {numbers.memory(size, language())}"
        rows.append((label, start / GIB, (start + size) / GIB, code in {"free", "reserve"}))
        start += size
    data = pd.DataFrame(rows, columns=["label", "start", "end", "empty"]).assign(meaning="memory")
    end = max(use.capacity_bytes, use.used_bytes) / GIB
    base = alt.Chart(data).encode(
        y=alt.Y("label:N", sort=list(data["label"]), axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0)),
        x=alt.X(
            "start:Q", title=say("Memory of one device (GiB)"), axis=alt.Axis(tickCount=5), scale=alt.Scale(domain=[0, end], nice=False)
        ),
        description=alt.Description("label:N"),
        tooltip=[alt.Tooltip("label:N", title=say("Part"))],
    )
    used = base.transform_filter("!datum.empty").mark_bar(height=14, yOffset=8).encode(x2="end:Q", color=meaning_colour("meaning"))
    empty = (
        base.transform_filter("datum.empty")
        .mark_bar(height=14, yOffset=8, fillOpacity=0.2, strokeWidth=1)
        .encode(x2="end:Q", color=meaning_colour("meaning"))
    )
    names = base.mark_text(
        align="left", baseline="bottom", fontSize=FONT_SIZE, color=INK, yOffset=-3, aria=False, limit=alt.ExprRef("width")
    ).encode(x=alt.datum(0), text="label:N")
    capacity = (
        alt.Chart(pd.DataFrame({"capacity": [use.capacity_bytes / GIB]}))
        .mark_rule(color=INK, strokeDash=[4, 3], strokeWidth=2)
        .encode(x="capacity:Q")
    )
    return layered([used, empty, names, capacity], ROW * len(data))
