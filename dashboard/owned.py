"""A cluster that the asker owns: how it is described, what is asked of it, what other clusters would bring."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import streamlit as st

from dashboard import figures
from dashboard.engine import library
from dashboard.language import language, say
from dashboard.tables import Column, Table
from planner.answer import Plan, Recommendation
from planner.request import OwnPrice, PlanRequest, Training
from texts import numbers
from texts.csv_cells import Cell
from texts.numbers import Absent
from texts.translations import mark

MOST_DEVICES = 100_000
OPTIONS = 5
EXAMPLE_DEVICES = 16


@dataclass(frozen=True, slots=True)
class Cluster:
    """So many accelerators of one kind."""

    accelerator_id: str
    name: str
    devices: int

    @property
    def text(self) -> str:
        """As it stands in a link."""
        return f"{self.devices}x{self.accelerator_id}"

    def times(self, factor: int) -> Cluster:
        """The same cluster, so many times as large."""
        return replace(self, devices=min(self.devices * factor, MOST_DEVICES))


def cluster_inputs() -> Cluster:
    """The two controls that describe a cluster; a link may have set them."""
    accelerators = library().hardware.accelerators
    names = {entry.id: entry.name for entry in sorted(accelerators.values(), key=lambda entry: entry.name)}
    linked = _linked(st.session_state.get("owned_link", ""))
    st.session_state.setdefault("owned:accelerator", linked[1] if linked[1] in names else _commonest())
    st.session_state.setdefault("owned:devices", linked[0])
    id_ = st.selectbox(
        say("Accelerator"), list(names), format_func=lambda id_: names[id_], key="owned:accelerator", persist_state="session"
    )
    devices = st.number_input(say("How many (accelerators)"), 1, MOST_DEVICES, step=8, key="owned:devices", persist_state="session")
    return Cluster(id_, names[id_], int(devices))


def request_for(asked: PlanRequest, cluster: Cluster) -> PlanRequest:
    """The question put to `cluster` alone: bought already, so its purchase is free; a training run uses all of it."""
    limits = asked.limits.model_copy(
        update={
            "accelerators": (cluster.accelerator_id,),
            "vendors": (),
            "statuses": (),
            "max_devices": cluster.devices,
            "budget_usd": None,
        }
    )
    site = asked.site.model_copy(update={"acquisition": "buy"})
    price = OwnPrice(id=cluster.accelerator_id, buy_usd=0.0)
    work = asked.workload
    if isinstance(work, Training):
        work = work.model_copy(update={"devices": cluster.devices})
    return asked.model_copy(update={"limits": limits, "site": site, "prices": (price,), "workload": work})


def changes_table(now: Recommendation | None, doubled: Plan, alternatives: Plan) -> Table:
    """Twice the cluster, then the best options for the question, each beside what is owned."""
    columns = (
        Column("change", mark("Change")),
        Column("speed", mark("Run time or requests/s within limits")),
        Column("against", mark("Against now")),
        Column("cost_usd", mark("Cost over the period (USD)"), 0),
        Column("power", mark("Facility power")),
    )
    rows: list[tuple[Cell, ...]] = []
    if doubled.recommendations:
        twice = doubled.recommendations[0]
        rows.append((say("Twice as many of the same"), _speed(twice), _against(twice, now), Absent.NOT_APPLICABLE, figures.power(twice)))
    for option in alternatives.recommendations[:OPTIONS]:
        name = say("Replace with {option}", option=figures.configuration(option))
        rows.append((name, _speed(option), _against(option, now), option.cost.total_usd, figures.power(option)))
    return Table(columns, tuple(rows))


def _speed(option: Recommendation) -> str:
    if option.performance.run_s is not None:
        return numbers.duration(option.performance.run_s, language())
    return numbers.number(figures.known(option.performance.capacity_requests_per_s), language())


def _against(option: Recommendation, now: Recommendation | None) -> str:
    """How many times as fast, or as much traffic."""
    if now is None:
        return say("possible at all")
    if option.performance.run_s and now.performance.run_s:
        return say("{factor} × as fast", factor=numbers.number(now.performance.run_s / option.performance.run_s, language()))
    if option.performance.capacity_requests_per_s and now.performance.capacity_requests_per_s:
        factor = option.performance.capacity_requests_per_s / now.performance.capacity_requests_per_s
        return say("{factor} × the traffic", factor=numbers.number(factor, language()))
    return "–"


def _commonest() -> str:
    """The accelerator that most cloud offers have: what the example cluster is made of."""
    offers = Counter(offer.accelerator_id for offer in library().hardware.cloud_offers)
    known = library().hardware.accelerators
    return max(known, key=lambda id_: offers[id_])


def _linked(text: str) -> tuple[int, str]:
    """Count and accelerator of a link's `have`; the example's count where it names none."""
    count, _, id_ = text.partition("x")
    ok = count.isascii() and count.isdigit() and len(count) < 7 and 1 <= int(count) <= MOST_DEVICES
    return (int(count) if ok else EXAMPLE_DEVICES), id_
