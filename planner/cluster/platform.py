"""Platforms: server x scale-up domain x fabric template, their figures in closed form as arrays.

A platform is what a candidate stands on. `Platforms` holds one row a platform; performance needs its rates and hops,
money its parts per device. `planner.cluster` designs the exact fabric later, for the shortlist only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hardware_db.catalog import Hardware
from hardware_db.records import Accelerator, ScaleUpLink, Server
from measurements.collectives import CollectiveFits, CollectiveLink, EngineAllReduce, Mode, collective_fits
from planner.cluster.network import blocking
from planner.cluster.ports import compute_ports, devices_per_server
from planner.cluster.slices import torus_axes
from planner.cluster.templates import FabricTemplate
from planner.performance.collectives import Column, FusedKernel, Link, Network
from planner.search.columns import PRECISIONS, FloatColumn, IntColumn


@dataclass(frozen=True, slots=True)
class Platforms:
    """One row a platform; rates are per device and one direction, NaN where unknown.

    peak_flops_per_s, matmul_fraction   shape (platforms, len(PRECISIONS)): dense peak, and the best measured matmul over it
    network                             links of both tiers with their measured fractions, for `planner.performance.collectives`
    """

    accelerator_id: tuple[str, ...]
    accelerators: tuple[Accelerator, ...]
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


def platforms(
    hardware: Hardware,
    accelerator_ids: Sequence[str],
    *,
    server_ids: Sequence[str] | None = None,
    fabric_ids: Sequence[str] | None = None,
    compute: Sequence[FabricTemplate] = (),
    engine: str = "",
    fits: CollectiveFits | None = None,
    as_measured: bool = False,
) -> Platforms:
    """One platform for each of `accelerator_ids`: in its own server, with the fabric that server is wired for.

    server_ids   server or cloud instance of each platform where it is not the accelerator's usual one (see `servers_of`)
    fabric_ids   fabric of each platform where it is not the server's own
    compute      template of the fabric between the servers of each platform: beyond a leaf its oversubscription counts
    engine       serving engine whose all-reduce kernels are used inside a domain; none for training
    fits         parameters of the links, the packaged ones if not given
    as_measured  the hosts are the machines of the measured collectives, typical or not
    """
    fits = fits or collective_fits()
    chips = [hardware.accelerators[id_] for id_ in accelerator_ids]
    servers = [hardware.servers.get(id_) for id_ in server_ids or [chip.server_id or "" for chip in chips]]
    per_server = [devices_per_server(chip, server) for chip, server in zip(chips, servers, strict=True)]
    scale_up_rate = _column(chip.scale_up_bytes_per_s or chip.host_link_bytes_per_s for chip in chips)
    domain = [_domain(hardware, *row) for row in zip(chips, servers, per_server, strict=True)]
    scale_out_rate = _column(
        compute_ports(hardware, chip, server).bytes_per_s / count for chip, server, count in zip(chips, servers, per_server, strict=True)
    )
    fabrics = fabric_ids or [(server.fabric_id if server else None) or "" for server in servers]
    inside = [_inside(fits, chip, server, as_measured=as_measured) for chip, server in zip(chips, servers, strict=True)]
    up = _library_link(scale_up_rate, inside, *_topology(hardware, chips))
    out = _library_link(scale_out_rate, [fits.link(id_, "scale_out") for id_ in fabrics], np.float64(1), np.float64(0))
    if compute:
        reach, shared = zip(*(blocking(hardware, *row) for row in zip(chips, servers, compute, strict=True)), strict=True)
        out = replace(out, blocking_ranks=_compact(reach), oversubscription=_compact(shared))
    return Platforms(
        accelerator_id=tuple(accelerator_ids),
        accelerators=tuple(chips),
        server_id=tuple(server.id if server else "" for server in servers),
        peak_flops_per_s=_by_precision([chip.peak_flops_per_s for chip in chips]),
        matmul_fraction=_by_precision([chip.matmul_fraction for chip in chips]),
        memory_bytes=_column(chip.memory_bytes for chip in chips),
        memory_bandwidth_bytes_per_s=_column(chip.memory_bandwidth_bytes_per_s for chip in chips),
        devices_per_server=np.array(per_server, dtype=np.int32),
        scale_up_domain=np.array(domain, dtype=np.int32),
        scale_up_bytes_per_s=scale_up_rate,
        scale_up_latency_s=np.broadcast_to(up.launch_s + up.step_s, len(chips)),
        scale_out_bytes_per_s=scale_out_rate,
        scale_out_latency_s=np.broadcast_to(out.launch_s + out.step_s, len(chips)),
        host_link_bytes_per_s=_column(chip.host_link_bytes_per_s for chip in chips),
        network=Network(up, out, _fused([fits.engine(engine, chip.scale_up_link_id or "") for chip in chips])),
    )


def expert_network(hardware: Hardware, platforms: Platforms, mode: Mode, fits: CollectiveFits | None = None) -> Network:
    """The same links as `platforms.network`, driven by kernels for expert parallelism: of high throughput (`normal`, for
    training and prefill) or of low latency (for decode).
    """
    fits = fits or collective_fits()
    kernels = [fits.expert(mode, hardware.accelerators[id_].scale_up_link_id or "") for id_ in platforms.accelerator_id]

    def link(base: Link, prefix: str) -> Link:
        fraction, launch, step = (_column(getattr(row, prefix + name) for row in kernels) for name in ("fraction", "launch_us", "step_us"))
        return replace(base, fraction=fraction, launch_s=launch * 1e-6, step_s=step * 1e-6, fill_s=np.float64(0))

    return Network(link(platforms.network.scale_up, ""), link(platforms.network.scale_out, "across_"))


def _column(values: Iterable[float | None]) -> FloatColumn:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _by_precision(rows: Sequence[Mapping[str, float]]) -> FloatColumn:
    return np.array([[row.get(precision, np.nan) for precision in PRECISIONS] for row in rows]).reshape(-1, len(PRECISIONS))


def servers_of(hardware: Hardware, accelerator_id: str) -> tuple[str, ...]:
    """Servers and cloud instances that take the accelerator, its usual one first."""
    usual = hardware.accelerators[accelerator_id].server_id
    others = [server.id for server in hardware.servers.values() if accelerator_id in server.accelerator_ids and server.id != usual]
    return ((usual,) if usual else ()) + tuple(others)


def _domain(hardware: Hardware, chip: Accelerator, server: Server | None, per_server: int) -> int:
    """Devices that reach each other without a NIC; 1 where no rate between them is known. A cloud instance may hold only a
    part of what its accelerator can join.
    """
    if not (chip.scale_up_bytes_per_s or chip.host_link_bytes_per_s):
        return 1
    if chip.scale_up_domain == 1:
        return per_server
    link = hardware.scale_up_links.get(chip.scale_up_link_id or "")
    instance = link.values.get("domain_accelerators_instance") if link and server and server.kind == "cloud_instance" else None
    return int(instance) if isinstance(instance, (int, float)) else chip.scale_up_domain


def _inside(fits: CollectiveFits, chip: Accelerator, server: Server | None, *, as_measured: bool) -> CollectiveLink:
    """Parameters of the link between the accelerators of a server. Drivers of consumer cards and virtual machines let no card reach
    another: all passes through the host, as on the machine measured.
    """
    through_host = "consumer" in chip.form_factor or (server is not None and server.kind == "cloud_instance")
    find = fits.link if as_measured or through_host else fits.typical_link
    return find(chip.scale_up_link_id or "", "host_bus" if chip.scale_up_domain == 1 else "scale_up")


def _topology(hardware: Hardware, chips: Sequence[Accelerator]) -> tuple[Column, Column]:
    """Direct peers (1: switched) and torus axes (0: none) of each accelerator's scale-up domain."""
    links = [hardware.scale_up_links.get(chip.scale_up_link_id or "") for chip in chips]
    peers: list[float] = [
        min(chip.scale_up_domain - 1, round(link.per_accel_bytes_per_s / link.p2p_bytes_per_s)) if link and link.p2p_bytes_per_s else 1
        for chip, link in zip(chips, links, strict=True)
    ]
    return _compact(peers), _compact(_axes(link) for link in links)


def _axes(link: ScaleUpLink | None) -> float:
    """Axes of a torus, or what its neighbours' links make of it: an axis that is not closed counts by half."""
    neighbour = link.values.get("neighbour_bytes_per_s") if link else None
    if link and isinstance(neighbour, (int, float)):
        return link.per_accel_bytes_per_s / (2 * neighbour)
    return torus_axes(link)


def _compact(values: Iterable[float]) -> Column:
    """A column, or a scalar where all rows are equal: what does not differ is not gathered."""
    column = _column(values)
    return np.float64(column[0]) if column.size and (column == column[0]).all() else column


def _library_link(rate: FloatColumn, parameters: Sequence[CollectiveLink], peers: Column, axes: Column) -> Link:
    launch, step, fill = (_compact(column) for column in zip(*(row.seconds for row in parameters), strict=True))
    fitted = ("fraction", "contention", "switch_ranks", "switch_gain")
    columns = {name: _compact(getattr(row, name) for row in parameters) for name in fitted}
    return Link(rate, launch_s=launch, step_s=step, fill_s=fill, direct_peers=peers, torus_axes=axes, **columns)


def _fused(kernels: Sequence[EngineAllReduce | None]) -> FusedKernel:
    rows = [
        (k.fraction, k.launch_us * 1e-6, k.barrier_us * 1e-6, k.limit_bytes, k.limit_ranks) if k else (1.0, 0, 0, 0, 0) for k in kernels
    ]
    return FusedKernel(*(_compact(column) for column in zip(*rows, strict=True)))
