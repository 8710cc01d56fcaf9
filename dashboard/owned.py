"""A cluster that the asker owns: how it is described, what of it is in stock, what is asked of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import streamlit as st

from dashboard.engine import library
from dashboard.language import say
from planner.cluster.ports import devices_per_server
from planner.cluster.servers import is_rented
from planner.request import Owned, PlanRequest, Training

MOST_DEVICES = 100_000
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


def stock_of(cluster: Cluster) -> tuple[Owned, ...]:
    """The accelerators of a cluster, and the servers that they usually stand in."""
    hardware = library().hardware
    chip = hardware.accelerators[cluster.accelerator_id]
    server = hardware.servers.get(chip.server_id or "")
    stock = (Owned(id=chip.id, quantity=cluster.devices),)
    if server is None or is_rented(server):
        return stock
    return (*stock, Owned(id=server.id, quantity=-(-cluster.devices // devices_per_server(chip, server))))


def request_for(asked: PlanRequest, cluster: Cluster) -> PlanRequest:
    """The question put to `cluster` alone: it is there already and not bought again; a training run uses all of it."""
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
    work = asked.workload
    if isinstance(work, Training):
        work = work.model_copy(update={"devices": cluster.devices})
    return asked.model_copy(update={"limits": limits, "site": site, "stock": stock_of(cluster), "workload": work})


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
