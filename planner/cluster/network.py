"""The networks of a cluster: between accelerators, to storage, to the front end; each with its switch and its links."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal

import numpy as np

from hardware_db import Hardware
from hardware_db.records import Accelerator, FabricManager, Server, Switch
from planner.cluster.cabling import Link, cheapest_link
from planner.cluster.fabric import Wiring
from planner.cluster.ports import ServerPorts, compute_ports, devices_per_server, nodes_per_server, service_ports
from planner.cluster.templates import FabricTemplate, templates
from planner.request import FabricChoice

NetworkName = Literal["compute", "storage", "front_end"]
NETWORKS: tuple[NetworkName, ...] = ("compute", "storage", "front_end")
LinkFinder = Callable[[float, float, tuple[float, float]], Link]


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """One network of a platform, whatever its size. `switch` is None where no switch of the catalog is fast enough."""

    name: NetworkName
    template: FabricTemplate
    ports: ServerPorts
    nodes_per_server: int
    switch: Switch | None
    wiring: Wiring | None  # one row
    links: tuple[Link, Link, Link]  # endpoint to leaf, leaf to spine, spine to core
    manager: FabricManager | None


def link_finder(hardware: Hardware) -> LinkFinder:
    """`cheapest_link` on one catalog, remembered."""
    return cache(partial(cheapest_link, hardware))


def network_plans(
    hardware: Hardware,
    chip: Accelerator,
    server: Server | None,
    chosen: Mapping[NetworkName, FabricTemplate] | None = None,
    find_link: LinkFinder | None = None,
) -> tuple[NetworkPlan, ...]:
    """The networks of a cluster of `server`, in the order of `NETWORKS`, by the templates `chosen` or the defaults.

    Storage and front end have half of a server's service ports each.
    """
    find_link, rules, chosen = find_link or link_finder(hardware), templates(), chosen or {}
    compute, service = compute_ports(hardware, chip, server), service_ports(hardware, server)
    half = ServerPorts(max(1, service.ports // 2), service.port_bytes_per_s)
    nodes = nodes_per_server(server)
    each = {"compute": (rules.fabrics[_default_compute(compute)], compute)}
    each["storage"] = (rules.fabrics["storage"], half)
    each["front_end"] = (rules.fabrics["front_end"], replace(half, nic=service.nic, cards_to_buy=service.cards_to_buy))  # cards of both
    return tuple(_plan(hardware, name, chosen.get(name, each[name][0]), each[name][1], nodes, find_link) for name in NETWORKS)


def switch_w(switch: Switch) -> float | None:
    """Draw of a switch without its optical modules, which are lines of their own."""
    return switch.power_passive_w or switch.power_typical_w or switch.power_max_w


def compute_template(hardware: Hardware, chip: Accelerator, server: Server | None, choice: FabricChoice) -> FabricTemplate:
    """The fabric between accelerators as chosen: of the technology asked for, or of the server's cards."""
    name = _default_compute(compute_ports(hardware, chip, server)) if choice.technology == "auto" else choice.technology
    wiring = {"oversubscription": choice.oversubscription, "planes": choice.planes, "rail_optimised": choice.rail_optimised}
    return templates().fabrics[name].model_copy(update=wiring)


def _default_compute(ports: ServerPorts) -> str:
    rules, protocol = templates(), ports.nic.protocol if ports.nic else ""
    named = (name for word, name in rules.compute_by_protocol.items() if word in protocol)
    return next(named, rules.compute_otherwise)


def blocking(hardware: Hardware, chip: Accelerator, server: Server | None, template: FabricTemplate) -> tuple[float, float]:
    """(devices, oversubscription): beyond so many devices traffic leaves a leaf, or a unit of rail-optimised leaves, and
    shares what its uplinks carry. Infinitely many where nothing blocks or the fabric is not known.
    """
    ports = compute_ports(hardware, chip, server)
    plan = _plan(hardware, "compute", template, ports, nodes_per_server(server), lambda *_: Link(()))
    if plan.wiring is None or template.oversubscription == 1:
        return math.inf, 1.0
    down, up = plan.wiring.down[0], plan.wiring.ports[0] - plan.wiring.down[0]
    servers = int(down * plan.wiring.fan[0]) / (plan.nodes_per_server if template.rail_optimised else ports.ports)
    return servers * devices_per_server(chip, server), float(down / up)


def compute_fabric_id(hardware: Hardware, chip: Accelerator, server: Server | None, template: FabricTemplate) -> str:
    """The catalog's fabric that the switch of `template` belongs to; empty where none is fast enough or it is not known."""
    switch = _switch(hardware, template, compute_ports(hardware, chip, server).port_bytes_per_s)
    return (switch.fabric_id if switch else None) or ""


def _switch(hardware: Hardware, template: FabricTemplate, port_bytes_per_s: float) -> Switch | None:
    """The first switch of `template` that is fast enough for one plane's share of a card's port."""
    switches = (hardware.switches[id_] for id_ in template.switches)
    return next((switch for switch in switches if switch.port_bytes_per_s >= port_bytes_per_s / template.planes), None)


def _plan(
    hardware: Hardware, name: NetworkName, template: FabricTemplate, ports: ServerPorts, nodes: int, find_link: LinkFinder
) -> NetworkPlan:
    rate = ports.port_bytes_per_s / template.planes
    switch = _switch(hardware, template, ports.port_bytes_per_s)
    if switch is None:
        return NetworkPlan(name, template, ports, nodes, None, None, (Link(()), Link(()), Link(())), None)
    cage = switch.port_bytes_per_s * switch.ports / (switch.cages or switch.ports)
    between = (cage, cage)
    return NetworkPlan(
        name=name,
        template=template,
        ports=ports,
        nodes_per_server=nodes,
        switch=switch,
        wiring=wiring_of(template, switch, rate, -(-ports.ports // nodes)),
        links=(
            find_link(rate, template.endpoint_m, (cage, rate)),
            find_link(switch.port_bytes_per_s, template.leaf_spine_m, between),
            find_link(switch.port_bytes_per_s, template.spine_core_m, between),
        ),
        manager=hardware.fabric_managers.get(template.manager_id),
    )


def wiring_of(template: FabricTemplate, switch: Switch, rate: float, rails: int) -> Wiring:
    """One row: `switch` wired by `template` for nodes of `rails` ports of `rate` on each plane."""

    def whole(value: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([value], dtype=np.int64)

    def facing(oversubscription: float) -> int:
        return int(switch.ports * oversubscription / (oversubscription + 1))

    return Wiring(
        ports=whole(switch.ports),
        port_bytes_per_s=np.array([switch.port_bytes_per_s]),
        fan=whole(int(switch.port_bytes_per_s // rate)),
        rails=whole(rails),
        rail_optimised=np.array([template.rail_optimised]),
        planes=whole(template.planes),
        down=whole(facing(template.oversubscription)),
        core_down=whole(facing(template.core_oversubscription)),
        split=whole(template.uplink_split),
        even=np.array([template.even_spreading]),
        minimum_leaves=whole(template.minimum_leaves),
        maximum_tiers=whole(template.maximum_tiers),
    )
