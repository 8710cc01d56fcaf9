"""How it is wired and where it stands: networks with what a failure leaves of them, racks with their load."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.fabric import fabric_figure, failure_sentences
from dashboard.charts.figure import show_figure
from dashboard.charts.torus import torus_figure, torus_sentences
from dashboard.engine import library
from dashboard.language import language, say
from dashboard.tables import Column, Table, csv_button, file_name, show_table
from dashboard.wording import plain, word
from planner.answer import Fabric, Plan, Recommendation
from planner.cluster.slices import torus_axes
from texts import numbers
from texts.csv_cells import Cell
from texts.translations import mark
from texts.words import COOLING, FAILURES, NETWORKS

NETWORK_COLUMNS = (
    Column("network", mark("Network")),
    Column("switch_id", mark("Switch")),
    Column("tiers", mark("Tiers"), 0),
    Column("leaves", mark("Leaf switches"), 0),
    Column("spines", mark("Spine switches"), 0),
    Column("cores", mark("Core switches"), 0),
    Column("planes", mark("Planes"), 0),
    Column("endpoint_gb_per_s", mark("Rate of a port (GB/s)"), 1),
    Column("oversubscription", mark("Oversubscription (to 1)"), 2),
    Column("hops", mark("Switches on the longest path"), 0),
    Column("latency_us", mark("One way over it (µs)"), 1),
    Column("free_ports", mark("Free leaf ports"), 0),
)
FAILURE_COLUMNS = (
    Column("network", mark("Network")),
    Column("lost", mark("When it loses")),
    Column("bisection_left", mark("Bisection left (share)"), 3),
    Column("rate_left", mark("Rate left to the worst hit (share)"), 3),
    Column("cut_off", mark("Ports cut off"), 0),
)


def room(plan: Plan, shown: Recommendation) -> None:
    """Networks, failures and racks of the shown option; a rented one has a provider's."""
    _torus(plan, shown)
    built = shown.fabric
    if built is None:
        st.markdown(plain(say("This option is rented: its network and racks are the provider's.")))
        return
    st.markdown(plain(_racks(built)))
    if not built.networks:
        st.markdown(plain(say("A single server needs no network of its own.")))
        return
    compute = next((network for network in built.networks if network.name == "compute"), None)
    if compute is not None:
        show_figure(fabric_figure(compute, shown), file_name((plan.model_name, "wiring"), ".csv"))
    networks = networks_table(built)
    show_table(networks, say("Networks of the shown option."))
    csv_button(say("Export CSV"), networks, file_name((plan.model_name, "networks"), ".csv"), "csv:networks")
    st.subheader(say("What a failure leaves"), anchor=False)
    if compute is not None:
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in failure_sentences(compute)))
    show_table(failures_table(built), say("What is left of each network after one part of it fails."))


def _torus(plan: Plan, shown: Recommendation) -> None:
    """The slice that one replica, or the run, takes of a pod whose accelerators are wired to their neighbours."""
    hardware = library().hardware
    chip = hardware.accelerators.get(shown.accelerator_id)
    link = hardware.scale_up_links.get(chip.scale_up_link_id or "") if chip else None
    devices = shown.devices // shown.replicas
    if link is None or not torus_axes(link) or devices < 2:
        return
    show_figure(torus_figure(link, devices), file_name((plan.model_name, "torus"), ".csv"))
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in torus_sentences(link, devices)))


def networks_table(built: Fabric) -> Table:
    """One row a network."""
    rows: list[tuple[Cell, ...]] = [
        (
            word(NETWORKS, network.name),
            network.switch_id,
            network.tiers,
            network.leaves,
            network.spines,
            network.cores,
            network.planes,
            network.endpoint_bytes_per_s / 1e9,
            network.oversubscription,
            network.hops,
            network.latency_s * 1e6,
            network.free_ports,
        )
        for network in built.networks
    ]
    return Table(NETWORK_COLUMNS, tuple(rows))


def failures_table(built: Fabric) -> Table:
    """One row a network and part of it."""
    return Table(
        FAILURE_COLUMNS,
        tuple(
            (word(NETWORKS, network.name), word(FAILURES, part), left.bisection, left.endpoint_rate, left.cut_off)
            for network in built.networks
            for part, left in network.after_failure.items()
        ),
    )


def _racks(built: Fabric) -> str:
    racks = built.racks
    return say(
        "Racks: {racks}; with servers: {servers}, {each} in each. The fullest is rated {power} of {limit}, {cooling}.",
        racks=numbers.whole(racks.racks, language()),
        servers=numbers.whole(racks.server_racks, language()),
        each=numbers.whole(racks.servers_per_rack, language()),
        power=numbers.power(racks.fullest_rack_w, language()),
        limit=numbers.power(racks.rack_limit_w, language()),
        cooling=word(COOLING, racks.cooling_class),
    )
