"""Which option of a plan is meant: a recommendation by its rank, or a configuration of a frontier by its place on it.

An option's name is what a link says: "3", "seen.17" (of what the plan has seen), "cost-power.2" (of a frontier over all).
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, get_args

import streamlit as st

from dashboard.engine import library
from facts.errors import RackwrightError
from planner.answer import FrontierPoint, Plan, Recommendation
from planner.chosen import recommendation_of
from planner.pareto import Axes, frontier
from planner.pipeline import Progress
from planner.request import Objective, PlanRequest

Found = TypeVar("Found")
FIRST = "1"
SEEN = "seen"
KEPT = 8
_NAME = re.compile(r"([1-9]\d{0,2})|(?:seen|([a-z_]+)-([a-z_]+))\.(\d{1,4})")


def valid(name: str) -> bool:
    """Whether `name` could name an option of some plan."""
    match = _NAME.fullmatch(name) if name.isascii() else None
    return match is not None and (match[2] is None or axes_of(match[2], match[3]) is not None)


def axes_of(first: str, second: str) -> Axes | None:
    """Two objectives as the engine takes them; None where one of them is none."""
    known: dict[str, Objective] = {name: name for name in get_args(Objective)}
    return (known[first], known[second]) if first in known and second in known else None


def name_of(axes: Axes | None, place: int) -> str:
    """The name of the configuration at `place` of a frontier; no `axes`: of what the plan has seen."""
    return f"{'-'.join(axes) if axes else SEEN}.{place}"


def option(plan: Plan, name: str, progress: Progress | None = None) -> Recommendation | None:
    """The option called `name`; the first where there is none of that name, None where nothing fits.

    A configuration of a frontier takes the rank after the last, since the ranking has the best of each kind alone.
    """
    options = plan.recommendations
    if not options:
        return None
    if valid(name) and not name.isdecimal():
        picked = _configuration(plan, name, progress)
        return picked or options[0]
    return next((option for option in options if str(option.rank) == name), options[0])


def with_option(plan: Plan, picked: Recommendation) -> Plan:
    """`plan` with `picked` among its recommendations, last where the ranking has it not."""
    if picked in plan.recommendations:
        return plan
    return plan.model_copy(update={"recommendations": (*plan.recommendations, picked)})


def ranking(plan: Plan, shown: Recommendation, name: str) -> Plan:
    """`plan` as it was before `with_option`, if the option `shown` has a `name` that is no rank."""
    if name.isdecimal():
        return plan
    return plan.model_copy(update={"recommendations": tuple(one for one in plan.recommendations if one != shown)})


def whole_frontier(request: PlanRequest, axes: Axes, progress: Progress | None = None) -> tuple[FrontierPoint, ...]:
    """What no configuration of the whole space beats in both of `axes`: kept from before, or searched for."""
    return _kept((request.digest(), library().digest, axes), lambda: frontier(request, axes, library(), progress))


def _configuration(plan: Plan, name: str, progress: Progress | None) -> Recommendation | None:
    list_name, _, place = name.partition(".")
    axes = None if list_name == SEEN else axes_of(*list_name.split("-"))
    try:
        points = plan.frontier if axes is None else whole_frontier(plan.request, axes, progress)
        if int(place) >= len(points):
            return None
        point = points[int(place)]
        if ranked := ranked_as(plan, point):
            return ranked
        key = (plan.request.digest(), library().digest, name)
        found = _kept(key, lambda: recommendation_of(plan.request, point, axes, library(), progress))
    except RackwrightError:
        return None
    return found and found.model_copy(update={"rank": len(plan.recommendations) + 1})


def ranked_as(plan: Plan, point: FrontierPoint) -> Recommendation | None:
    """The recommendation that `point` is, if it is one."""
    return next((one for one in plan.recommendations if is_option(point, one)), None)


def is_option(point: FrontierPoint, one: Recommendation) -> bool:
    """Whether `point` is the configuration of `one`.

    By its time, since a recommendation costs what its exact cluster costs and a point what the closed form says.
    """
    speed = one.performance
    time_s = (speed.end_to_end_s if speed.run_s is None else speed.run_s) or 0.0
    prefill = one.prefill.accelerator_id if one.prefill else ""
    key = (one.accelerator_id, one.devices, one.strategy.precision, prefill)
    same = (point.accelerator_id, point.devices, point.precision, point.prefill_accelerator_id) == key
    return same and math.isclose(point.time_s, time_s, rel_tol=1e-9)


def _kept(key: tuple[object, ...], make: Callable[[], Found]) -> Found:
    """What `make` gives, remembered by the session for a while: a search takes seconds, what is shown of it is small."""
    held: OrderedDict[tuple[object, ...], Found] = st.session_state.setdefault("options:kept", OrderedDict())
    if key not in held:
        held[key] = make()
        while len(held) > KEPT:
            held.popitem(last=False)
    return held[key]
