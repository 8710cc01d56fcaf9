"""What does it cost? One stacked bar per option, bought parts first, then what is paid as it runs."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import figures
from dashboard.charts.figure import Figure
from dashboard.charts.stacked import Axis, Segment, stacked_bars
from dashboard.language import language, say
from dashboard.tables import Column, Table
from dashboard.wording import PARTS, part_meaning, part_name
from planner.answer import Recommendation
from texts import numbers
from texts.translations import mark

COLUMNS = (
    Column("option", mark("Option")),
    Column("part", mark("Part")),
    Column("kind", mark("Paid")),
    Column("cost_usd", mark("Cost (USD)"), 0),
    Column("share", mark("Share"), 3),
)


def cost_figure(options: Sequence[Recommendation], shown: Recommendation, release: str) -> Figure:
    """Cost by part of `options`; the title speaks of `shown`, the source of its prices against the catalog's `release`."""
    unit_usd, title = _axis(max(option.cost.total_usd for option in options))
    rows = [
        (
            figures.option_label(option),
            part_name(part),
            _paid(part),
            option.cost.parts[part],
            option.cost.parts[part] / option.cost.total_usd,
        )
        for option in options
        for part in ordered(option.cost.parts)
    ]
    labels = {figures.option_label(option): f"{figures.option_label(option)}: {figures.cost(option.cost)}" for option in options}
    largest = max(shown.cost.parts, key=lambda part: shown.cost.parts[part])
    finding = say(
        "Cost: {part}, {share} of option {rank}",
        part=part_name(largest),
        share=numbers.percent(shown.cost.parts[largest] / shown.cost.total_usd, language()),
        rank=str(shown.rank),
    )
    return Figure(
        "cost",
        finding,
        finding + ". " + "; ".join(labels.values()),
        stacked_bars(cost_segments(options, unit_usd), labels, Axis(title, say("Part"), say("Option"))),
        Table(COLUMNS, tuple(rows)),
        _source(shown, release),
    )


def cost_segments(options: Sequence[Recommendation], unit_usd: float = 1.0) -> list[Segment]:
    """The parts of every option's bar."""
    return [
        Segment(
            figures.option_label(option),
            part_name(part),
            part_meaning(part),
            option.cost.parts[part] / unit_usd,
            numbers.money(option.cost.parts[part], language()),
        )
        for option in options
        for part in ordered(option.cost.parts)
    ]


def _axis(largest_usd: float) -> tuple[float, str]:
    """The axis' unit and its title."""
    if largest_usd >= 2e6:
        return 1e6, say("Cost over the period (million USD)")
    return 1e3, say("Cost over the period (thousand USD)")


def ordered(parts: dict[str, float]) -> list[str]:
    """Parts that cost or draw something, bought ones first, in the order of the words' table."""
    order = list(PARTS)
    return sorted(
        (part for part, amount in parts.items() if amount > 0), key=lambda part: order.index(part) if part in order else len(order)
    )


def _paid(part: str) -> str:
    return say("once") if PARTS.get(part, ("", "facility", False))[2] else say("as it runs")


def _source(shown: Recommendation, release: str) -> str:
    if not shown.cost.price_date:
        return say("Prices: hardware catalog.")
    return say("Prices: hardware catalog, newest of {date}.", date=figures.price_date(shown.cost.price_date, release))
