"""Where does the power go? One stacked bar per option up to the meter, with the site's limit as a line."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import figures
from dashboard.charts.cost import ordered
from dashboard.charts.figure import Figure
from dashboard.charts.stacked import Axis, Segment, stacked_bars
from dashboard.language import language, say
from dashboard.tables import Column, Table
from dashboard.wording import part_meaning, part_name
from planner.answer import Recommendation
from texts import numbers
from texts.translations import mark

COLUMNS = (
    Column("option", mark("Option")),
    Column("part", mark("Part")),
    Column("power_w", mark("Power (W)"), 0),
)


def power_figure(options: Sequence[Recommendation], shown: Recommendation, limit_w: float | None) -> Figure:
    """Power by part of `options` under load; the title speaks of `shown`."""
    rows = [(figures.option_label(option), part_name(part), watts) for option in options for part, watts in parts_w(option).items()]
    labels = {figures.option_label(option): f"{figures.option_label(option)}: {figures.power(option)}" for option in options}
    finding = _finding(shown, limit_w)
    axis = Axis(
        say("Facility power under load (kW)"),
        say("Part"),
        say("Option"),
        None if limit_w is None else limit_w / 1e3,
        "" if limit_w is None else say("Site limit: {limit}", limit=numbers.power(limit_w, language())),
    )
    return Figure(
        "power",
        finding,
        finding + ". " + "; ".join(labels.values()),
        stacked_bars(power_segments(options), labels, axis),
        Table(COLUMNS, tuple(rows)),
        say("Rated power of the catalog times the measured share under load; cooling and losses by PUE."),
    )


def power_segments(options: Sequence[Recommendation]) -> list[Segment]:
    """The parts of every option's bar, in kW."""
    return [
        Segment(figures.option_label(option), part_name(part), part_meaning(part), watts / 1e3, numbers.power(watts, language()))
        for option in options
        for part, watts in parts_w(option).items()
    ]


def parts_w(option: Recommendation) -> dict[str, float]:
    """Known IT parts and cooling: they add up to the facility's draw where all are known."""
    parts = option.power.it_parts_w | {"cooling": option.power.cooling_w or 0.0}
    return {part: parts[part] for part in ordered(parts)}


def _finding(shown: Recommendation, limit_w: float | None) -> str:
    total_w = shown.power.facility_w
    if total_w is None:
        return say("Power: unknown for option {rank}, since a part has no rating", rank=str(shown.rank))
    parts = parts_w(shown)
    largest = max(parts, key=lambda part: parts[part])
    fields = {"part": part_name(largest), "share": numbers.percent(parts[largest] / total_w, language()), "rank": str(shown.rank)}
    if limit_w is None:
        return say("Power: {part}, {share} of option {rank}", **fields)
    return say(
        "Power: {part}, {share} of option {rank}; {headroom} of the site's {limit} is free",
        headroom=numbers.percent(1 - total_w / limit_w, language()),
        limit=numbers.power(limit_w, language()),
        **fields,
    )
