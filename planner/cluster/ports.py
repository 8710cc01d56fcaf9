"""What a server brings to each network: ports, their rate, and the cards that carry them."""

from __future__ import annotations

from dataclasses import dataclass

from hardware_db import Hardware
from hardware_db.records import Accelerator, Nic, Server
from planner.cluster.templates import templates

_COMPUTE, _SERVICE = "scale_out", "storage_and_frontend"


@dataclass(frozen=True, slots=True)
class ServerPorts:
    """Ports of one server on one network; `cards_to_buy` of `nic` where they are not in the server's price."""

    ports: int
    port_bytes_per_s: float
    nic: Nic | None = None
    cards_to_buy: int = 0

    @property
    def bytes_per_s(self) -> float:
        """Rate of the whole server, one direction."""
        return self.ports * self.port_bytes_per_s


def devices_per_server(chip: Accelerator, server: Server | None) -> int:
    """Accelerators in one server; a host that is sold without cards takes as many as is usual for the accelerator."""
    if server and server.cards_included and server.accelerators:
        return server.accelerators
    return chip.server_accelerators or (server.accelerators if server else 0) or 1


def nodes_per_server(server: Server | None) -> int:
    """Nodes that a server is wired as: the trays of a rack, 1 for others."""
    trays = server.values.get("compute_trays", server.values.get("nodes", 1)) if server else 1
    return int(trays) if isinstance(trays, (int, float)) else 1


def compute_ports(hardware: Hardware, chip: Accelerator, server: Server | None) -> ServerPorts:
    """Ports between accelerators: as the server lists them, as its fabric says, or one card for each or several devices."""
    listed = _listed(hardware, server, _COMPUTE)
    if listed:
        return listed
    fabric = hardware.fabrics.get((server.fabric_id if server else None) or "")
    devices = devices_per_server(chip, server)
    if server and server.network_bytes_per_s:
        port = (fabric and (fabric.nic_bytes_per_s or fabric.port_bytes_per_s)) or server.network_bytes_per_s / devices
        return ServerPorts(max(1, round(server.network_bytes_per_s / port)), port)
    nic = hardware.nics.get(chip.nic_id or "")
    if nic:
        included = server is not None and server.cards_included
        return ServerPorts(devices, nic.port_bytes_per_s, nic, 0 if included else devices)
    rule = templates().default_nic
    if chip.scale_up_domain >= rule.pod_from:
        shared_by = rule.pod_devices_per_nic
    else:
        shared_by = rule.host_devices_per_nic if server and not server.cards_included else 1
    cards = -(-devices // shared_by)
    nic = hardware.nics[rule.nic_id]
    return ServerPorts(cards, nic.port_bytes_per_s, nic, cards)


def service_ports(hardware: Hardware, server: Server | None) -> ServerPorts:
    """Ports to storage and to the front end together."""
    listed = _listed(hardware, server, _SERVICE)
    if listed:
        return listed
    rule, nodes = templates().default_service_nic, nodes_per_server(server)
    nic = hardware.nics[rule.nic_id]
    return ServerPorts(nodes * rule.ports, nic.port_bytes_per_s, nic, nodes * -(-rule.ports // nic.ports))


def _listed(hardware: Hardware, server: Server | None, role: str) -> ServerPorts | None:
    slots = [slot for slot in server.nics if slot.role == role] if server else []
    if not slots:
        return None
    return ServerPorts(sum(slot.count * slot.ports for slot in slots), slots[0].port_bytes_per_s, hardware.nics.get(slots[0].nic_id))
