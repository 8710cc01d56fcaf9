"""Platforms: server x scale-up domain x fabric template, their figures in closed form as arrays.

A platform is what a candidate stands on. `Platforms` holds one row a platform; performance needs its rates and hops,
money its parts per device. `planner.cluster` designs the exact fabric later, for the shortlist only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hardware_db.catalog import Hardware
from hardware_db.records import Accelerator, Server
from measurements.collectives import CollectiveLink, collective_links
from planner.cluster.templates import default_nic
from planner.performance.collectives import Link, Network
from planner.search.columns import PRECISIONS, FloatColumn, IntColumn


@dataclass(frozen=True, slots=True)
class Platforms:
    """One row a platform; rates are per device and one direction, NaN where unknown.

    peak_flops_per_s, matmul_fraction   shape (platforms, len(PRECISIONS)): dense peak, and the best measured matmul over it
    network                             links of both tiers with their measured fractions, for `planner.performance.collectives`
    """

    accelerator_id: tuple[str, ...]
    server_id: tuple[str, ...]
    peak_flops_per_s: FloatColumn
    matmul_fraction: FloatColumn
    memory_bytes: FloatColumn
    memory_bandwidth_bytes_per_s: FloatColumn
    devices_per_server: IntColumn
    scale_up_domain: IntColumn  # devices that reach each other without a NIC: a scale-up domain, or the cards of a PCIe server
    scale_up_bytes_per_s: FloatColumn
    scale_up_latency_s: FloatColumn  # of the smallest message, launch included
    scale_out_bytes_per_s: FloatColumn
    scale_out_latency_s: FloatColumn
    host_link_bytes_per_s: FloatColumn
    network: Network


def platforms(hardware: Hardware, accelerator_ids: Sequence[str]) -> Platforms:
    """One platform for each of `accelerator_ids`: in its own server, with the fabric that server is wired for."""
    chips = [hardware.accelerators[id_] for id_ in accelerator_ids]
    servers = [hardware.servers.get(chip.server_id or "") for chip in chips]
    per_server = [_devices_per_server(chip, server) for chip, server in zip(chips, servers, strict=True)]
    domain = [chip.scale_up_domain if chip.scale_up_domain > 1 else count for chip, count in zip(chips, per_server, strict=True)]
    scale_up_rate = _column(chip.scale_up_bytes_per_s or chip.host_link_bytes_per_s for chip in chips)
    scale_out_rate = _column(
        _scale_out_bytes_per_s(hardware, chip, server, count) for chip, server, count in zip(chips, servers, per_server, strict=True)
    )
    up = _link(scale_up_rate, [_scale_up_parameters(chip) for chip in chips], *_topology(hardware, chips))
    out = _link(scale_out_rate, [_scale_out_parameters(server) for server in servers], _column(1 for _ in chips), _column(0 for _ in chips))
    return Platforms(
        accelerator_id=tuple(accelerator_ids),
        server_id=tuple(server.id if server else "" for server in servers),
        peak_flops_per_s=np.array([[chip.peak_flops_per_s.get(p, np.nan) for p in PRECISIONS] for chip in chips]).reshape(
            -1, len(PRECISIONS)
        ),
        matmul_fraction=np.array([[chip.matmul_fraction.get(p, np.nan) for p in PRECISIONS] for chip in chips]).reshape(
            -1, len(PRECISIONS)
        ),
        memory_bytes=_column(chip.memory_bytes for chip in chips),
        memory_bandwidth_bytes_per_s=_column(chip.memory_bandwidth_bytes_per_s for chip in chips),
        devices_per_server=np.array(per_server, dtype=np.int32),
        scale_up_domain=np.array(domain, dtype=np.int32),
        scale_up_bytes_per_s=scale_up_rate,
        scale_up_latency_s=np.asarray(up.launch_s + up.step_s),
        scale_out_bytes_per_s=scale_out_rate,
        scale_out_latency_s=np.asarray(out.launch_s + out.step_s),
        host_link_bytes_per_s=_column(chip.host_link_bytes_per_s for chip in chips),
        network=Network(up, out),
    )


def _column(values: Iterable[float | None]) -> FloatColumn:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _by_precision(rows: Sequence[Mapping[str, float]]) -> FloatColumn:
    return np.array([[row.get(precision, np.nan) for precision in PRECISIONS] for row in rows]).reshape(-1, len(PRECISIONS))


def _devices_per_server(chip: Accelerator, server: Server | None) -> int:
    return (server.accelerators if server else 0) or chip.server_accelerators or 1


def _scale_out_bytes_per_s(hardware: Hardware, chip: Accelerator, server: Server | None, devices: int) -> float:
    """Fabric rate of one device: the server's own network, its accelerator's NIC, or the template's NIC shared by several."""
    if server and server.network_bytes_per_s:
        return server.network_bytes_per_s / devices
    nic = hardware.nics.get(chip.nic_id or "")
    if nic:
        return nic.port_bytes_per_s
    template = default_nic()
    shared_by = template.devices_per_nic if chip.scale_up_domain == 1 else 1
    return hardware.nics[template.nic_id].port_bytes_per_s / shared_by


def _scale_up_parameters(chip: Accelerator) -> CollectiveLink:
    links = collective_links()
    if chip.scale_up_link_id and chip.scale_up_link_id in links:
        return links[chip.scale_up_link_id]
    return links["pcie" if chip.scale_up_domain == 1 else "scale_up"]


def _scale_out_parameters(server: Server | None) -> CollectiveLink:
    links = collective_links()
    return links.get(server.fabric_id or "", links["fabric"]) if server else links["fabric"]


def _topology(hardware: Hardware, chips: Sequence[Accelerator]) -> tuple[FloatColumn, FloatColumn]:
    """Direct peers (1: switched) and torus axes (0: none) of each accelerator's scale-up domain."""
    links = [hardware.scale_up_links.get(chip.scale_up_link_id or "") for chip in chips]
    peers = [round(link.per_accel_bytes_per_s / link.p2p_bytes_per_s) if link and link.p2p_bytes_per_s else 1 for link in links]
    axes = [int(link.topology[0]) if link and link.topology.endswith("D torus") else 0 for link in links]
    return _column(peers), _column(axes)


def _link(rate: FloatColumn, parameters: Sequence[CollectiveLink], peers: FloatColumn, axes: FloatColumn) -> Link:
    def column(name: str) -> FloatColumn:
        return np.array([getattr(row, name) for row in parameters], dtype=np.float64)

    measured = ("fraction", "launch_s", "step_s", "fill_s", "contention", "switch_ranks", "switch_gain")
    return Link(bytes_per_s=rate, direct_peers=peers, torus_axes=axes, **{name: column(name) for name in measured})
