"""Two to four plans side by side: same rows, same units, differences against a named one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dashboard import figures
from dashboard.language import language, say
from dashboard.measures import CARBON, COST, DEVICES, POWER, SERVERS, TOKEN_COST, TOKENS, Measure, difference, time
from dashboard.tables import Column, Table
from dashboard.wording import resource_name
from planner.answer import Plan, Recommendation
from texts import numbers
from texts.translations import mark


@dataclass(frozen=True, slots=True)
class Candidate:
    """One plan to compare: the question's answer and the option of it that counts, and its place among what is kept."""

    name: str
    place: int
    plan: Plan
    option: Recommendation


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: how it is said and, where it is a number, how it is compared."""

    label: str
    text: Callable[[Candidate], str]
    measure: Callable[[Candidate], Measure] | None = None


ROWS = (
    Row(mark("Question"), lambda one: figures.task(one.plan)),
    Row(mark("Configuration"), lambda one: figures.configuration(one.option)),
    Row(mark("Accelerators"), lambda one: numbers.whole(one.option.devices, language()), lambda one: DEVICES),
    Row(mark("Servers"), lambda one: numbers.whole(one.option.servers, language()), lambda one: SERVERS),
    Row(mark("Format"), lambda one: one.option.strategy.precision.upper()),
    Row(mark("Parallelism"), lambda one: figures.parallelism(one.option)),
    Row(mark("Bought or rented"), lambda one: say("rented") if one.option.cost.acquisition == "rent" else say("bought")),
    Row(mark("Cost"), lambda one: figures.cost(one.option.cost), lambda one: COST),
    Row(
        mark("Cost per million tokens"),
        lambda one: numbers.money(one.option.cost.usd_per_million_tokens, language()),
        lambda one: TOKEN_COST,
    ),
    Row(mark("Facility power"), lambda one: figures.power(one.option), lambda one: POWER),
    Row(
        mark("Carbon of its energy"),
        lambda one: numbers.carbon(figures.known(one.option.power.carbon_kgco2e), language()),
        lambda one: CARBON,
    ),
    Row(
        mark("Tokens/s"),
        lambda one: numbers.count(one.option.performance.tokens_per_s, language()),
        lambda one: TOKENS,
    ),
    Row(mark("Run time or time per token"), lambda one: figures.latency(one.option), lambda one: time(one.option)),
    Row(
        mark("Memory used"),
        lambda one: numbers.percent(one.option.memory.used_bytes / one.option.memory.capacity_bytes, language()),
    ),
    Row(mark("Limited by"), lambda one: resource_name(one.option.bottleneck.resource)),
)


def comparison_table(candidates: Sequence[Candidate], *, only_differences: bool) -> Table:
    """One column a plan; numbers with their difference to the first, which is the baseline."""
    columns = (
        Column("figure", mark("Figure")),
        *(Column(f"plan_{number}", candidate.name) for number, candidate in enumerate(candidates, start=1)),
    )
    rows = []
    for row in ROWS:
        texts = [row.text(candidate) for candidate in candidates]
        if only_differences and len(set(texts)) == 1:
            continue
        rows.append(
            (say(row.label), *(f"{text}{_difference(row, candidates[0], one)}" for text, one in zip(texts, candidates, strict=True)))
        )
    return Table(columns, tuple(rows))


def _difference(row: Row, baseline: Candidate, one: Candidate) -> str:
    """Behind a number that differs from that of the baseline: " (−$310 k, −14%, better)"."""
    if row.measure is None or one is baseline:
        return ""
    measure = row.measure(one)
    mine, theirs = measure.value(one.option), measure.value(baseline.option)
    if not mine or not theirs or mine == theirs:
        return ""
    text = difference(mine, theirs, measure)
    if measure.better == 0:
        return say(" ({difference})", difference=text)
    better = (mine > theirs) == (measure.better > 0)
    return say(" ({difference}, better)", difference=text) if better else say(" ({difference}, worse)", difference=text)
