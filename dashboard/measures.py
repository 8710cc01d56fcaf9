"""The figures by which options are compared: how each is read, how it is said, and which way is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.language import language, say
from planner.answer import Plan, Recommendation
from texts import numbers

ALIKE = 0.005  # relative difference that is not worth a word


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of an option. `better` is -1 where less of it is better, 1 where more is, 0 where neither."""

    value: Callable[[Recommendation], float | None]
    show: Callable[[float], str]
    better: int = -1


@dataclass(frozen=True, slots=True)
class Other:
    """The option that others are compared with, and what it is called in a sentence."""

    name: str
    option: Recommendation


def next_best(plan: Plan, shown: Recommendation) -> Other | None:
    """The best option beside the shown one."""
    option = next((option for option in plan.recommendations if option.rank != shown.rank), None)
    return None if option is None else Other(say("option {rank}", rank=str(option.rank)), option)


def _money(usd: float) -> str:
    return numbers.money(usd, language())


def _seconds(seconds: float) -> str:
    return numbers.duration(seconds, language())


COST = Measure(lambda option: option.cost.total_usd, _money)
TOKEN_COST = Measure(lambda option: option.cost.usd_per_million_tokens, _money)
POWER = Measure(lambda option: option.power.facility_w, lambda watts: numbers.power(watts, language()))
CARBON = Measure(lambda option: option.power.carbon_kgco2e, lambda kilograms: numbers.carbon(kilograms, language()))
TOKENS = Measure(lambda option: option.performance.tokens_per_s, lambda rate: numbers.count(rate, language()), better=1)
RUN_TIME = Measure(lambda option: option.performance.run_s, _seconds)
FIRST_TOKEN = Measure(lambda option: option.performance.ttft_s, _seconds)
TOKEN_TIME = Measure(lambda option: option.performance.tpot_s, _seconds)
DEVICES = Measure(lambda option: option.devices, lambda count: numbers.whole(int(count), language()), better=0)
SERVERS = Measure(lambda option: option.servers, lambda count: numbers.whole(int(count), language()), better=0)


def time(option: Recommendation) -> Measure:
    """Training is judged by its run, serving by the time of a token."""
    return TOKEN_TIME if option.performance.run_s is None else RUN_TIME


def against(shown: Recommendation, other: Other | None, measure: Measure) -> str:
    """The difference and what it means: "−$310 k, −14%: better than option 2"; nothing where a figure is unknown."""
    if other is None:
        return ""
    if other.option == shown:
        return other.name
    mine, theirs = measure.value(shown), measure.value(other.option)
    if not mine or not theirs:
        return ""
    if abs(mine / theirs - 1) < ALIKE:
        return say("the same as {other}", other=other.name)
    fields = {"difference": difference(mine, theirs, measure), "other": other.name}
    if measure.better == 0:
        return say("{difference} against {other}", **fields)
    better = (mine > theirs) == (measure.better > 0)
    return say("{difference}: better than {other}", **fields) if better else say("{difference}: worse than {other}", **fields)


def difference(mine: float, theirs: float, measure: Measure) -> str:
    """Absolute and relative: "−$310 k, −14%"."""
    return say(
        "{difference}, {share}",
        difference=numbers.signed(mine - theirs, measure.show),
        share=numbers.percent(mine / theirs - 1, language(), signed=True),
    )
