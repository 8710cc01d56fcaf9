"""The servers of a cluster as parts: with their accelerators where they are sold together, apart where they are not."""

from __future__ import annotations

from statistics import median

from hardware_db import Hardware
from hardware_db.records import Accelerator, Server
from planner.cluster.bill import Part
from planner.cluster.ports import devices_per_server
from planner.cluster.racks import Load
from planner.cluster.templates import templates

UNKNOWN_HOST = "host"


def server_parts(hardware: Hardware, chip: Accelerator, server: Server | None, servers: int) -> list[Part]:
    """Parts of `servers` servers. A server without cards, or priced for another accelerator, has these beside it; what is
    not known of its price or rating stays unknown.
    """
    devices = servers * devices_per_server(chip, server)
    if server and server.cards_included and chip.id in server.accelerator_ids[:1]:
        return [Part("server", server.id, servers, rated_w(hardware, chip, server), server.price)]
    cards = Part("accelerator", chip.id, devices, chip.tdp_w, chip.price)
    if server and not server.cards_included:
        return [cards, Part("server", server.id, servers, server.power_max_w, server.price)]
    whole_w = rated_w(hardware, chip, server)
    host_w = whole_w - devices_per_server(chip, server) * chip.tdp_w if whole_w is not None and chip.tdp_w else None
    return [cards, Part("server", server.id if server else UNKNOWN_HOST, servers, host_w, None)]


def rated_w(hardware: Hardware, chip: Accelerator, server: Server | None) -> float | None:
    """Rated draw of one server with its accelerators: its own rating, or by rule from its accelerators'."""
    count = devices_per_server(chip, server)
    if server and server.power_max_w:
        if server.cards_included and chip.id in server.accelerator_ids:
            return server.power_max_w
        if not server.cards_included and chip.tdp_w:
            return server.power_max_w + count * chip.tdp_w
    return count * chip.tdp_w * node_to_accelerator_power(hardware) if chip.tdp_w else None


def node_to_accelerator_power(hardware: Hardware) -> float:
    """Power of a node over that of its accelerators, the middle of the known ones."""
    return median(hardware.rules[templates().power_rule_id].numbers("node_to_accelerator_power_ratio").values())


def is_rented(server: Server | None) -> bool:
    """Whether it is a cloud instance: its network and racks are the provider's, and come with it."""
    return server is not None and server.kind == "cloud_instance"


def server_load(hardware: Hardware, chip: Accelerator, server: Server | None, servers: int) -> Load:
    """What the servers take of the racks; W is 0 where no rating is known."""
    units = (server.rack_units if server else None) or templates().racks.server_units
    liquid = server is not None and server.cooling == "liquid"
    whole = server is not None and server.kind == "rack"
    return Load(servers, units, rated_w(hardware, chip, server) or 0.0, liquid=liquid, whole_racks=whole)
