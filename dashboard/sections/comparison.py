"""Two to four plans side by side: same rows, same units, differences against a named one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dashboard import figures
from dashboard.language import language, say
from dashboard.tables import Column, Table
from dashboard.wording import resource_name
from planner.answer import Plan, Recommendation
from texts import numbers
from texts.translations import mark


@dataclass(frozen=True, slots=True)
class Candidate:
    """One plan to compare: the question's answer and the option of it that counts."""

    name: str
    plan: Plan
    option: Recommendation


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: how it is said and, where it is a number, the number itself."""

    label: str
    text: Callable[[Candidate], str]
    value: Callable[[Candidate], float | None] | None = None


ROWS = (
    Row(mark("Question"), lambda one: figures.task(one.plan)),
    Row(mark("Configuration"), lambda one: figures.configuration(one.option)),
    Row(mark("Accelerators"), lambda one: numbers.whole(one.option.devices, language()), lambda one: one.option.devices),
    Row(mark("Servers"), lambda one: numbers.whole(one.option.servers, language()), lambda one: one.option.servers),
    Row(mark("Format"), lambda one: one.option.strategy.precision.upper()),
    Row(mark("Parallelism"), lambda one: figures.parallelism(one.option)),
    Row(mark("Bought or rented"), lambda one: say("rented") if one.option.cost.acquisition == "rent" else say("bought")),
    Row(mark("Cost"), lambda one: figures.cost(one.option.cost), lambda one: one.option.cost.total_usd),
    Row(
        mark("Cost per million tokens"),
        lambda one: numbers.money(one.option.cost.usd_per_million_tokens, language()),
        lambda one: one.option.cost.usd_per_million_tokens,
    ),
    Row(mark("Facility power"), lambda one: figures.power(one.option), lambda one: one.option.power.facility_w),
    Row(
        mark("Carbon of its energy"),
        lambda one: numbers.carbon(figures.known(one.option.power.carbon_kgco2e), language()),
        lambda one: one.option.power.carbon_kgco2e,
    ),
    Row(
        mark("Tokens/s"),
        lambda one: numbers.count(one.option.performance.tokens_per_s, language()),
        lambda one: one.option.performance.tokens_per_s,
    ),
    Row(mark("Run time or time per token"), lambda one: figures.latency(one.option), lambda one: _time_s(one.option)),
    Row(
        mark("Memory used"),
        lambda one: numbers.percent(one.option.memory.used_bytes / one.option.memory.capacity_bytes, language()),
        lambda one: one.option.memory.used_bytes / one.option.memory.capacity_bytes,
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
    """Behind a number that differs from that of the baseline: " (+12%)"."""
    if row.value is None or one is baseline:
        return ""
    mine, theirs = row.value(one), row.value(baseline)
    if not mine or not theirs or mine == theirs:
        return ""
    return say(" ({share})", share=numbers.percent(mine / theirs - 1, language(), signed=True))


def _time_s(option: Recommendation) -> float | None:
    return option.performance.run_s if option.performance.run_s is not None else option.performance.tpot_s
