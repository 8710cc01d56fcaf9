"""The exact cluster of a recommendation as it stands in the answer: networks, racks, hosts."""

from __future__ import annotations

from hardware_db import Hardware
from planner.answer import Fabric, FabricHost, FabricNetwork, FabricRacks, LeftAfter
from planner.cluster.design import ClusterDesign, NetworkDesign
from planner.cluster.host import included_drive_bytes


def fabric(hardware: Hardware, cluster: ClusterDesign) -> Fabric:
    """What stands around the accelerators of `cluster` (equations 5.6, 6.1 to 6.3)."""
    return Fabric(networks=tuple(map(_network, cluster.networks)), racks=_racks(cluster), host=_host(hardware, cluster))


def _network(built: NetworkDesign) -> FabricNetwork:
    parts = {"link": 1, "leaf": built.leaves, "spine": built.spines, "core": built.cores, "plane": built.planes}
    return FabricNetwork(
        name=built.name,
        switch_id=built.switch_id,
        planes=built.planes,
        tiers=built.tiers,
        leaves=built.leaves,
        spines=built.spines,
        cores=built.cores,
        links=built.links,
        endpoints=built.endpoints // built.planes,
        endpoint_bytes_per_s=built.endpoint_bytes_per_s,
        oversubscription=built.oversubscription,
        bisection_bytes_per_s=built.bisection_bytes_per_s,
        hops=built.hops,
        latency_s=built.latency_s,
        free_ports=built.free_ports,
        most_endpoints=built.most_endpoints,
        after_failure={
            failure: LeftAfter(bisection=left.bisection, endpoint_rate=left.endpoint_rate, cut_off=left.cut_off)
            for failure, left in built.remaining.items()
            if parts[failure]
        },
    )


def _racks(cluster: ClusterDesign) -> FabricRacks:
    standing = cluster.racks
    return FabricRacks(
        racks=standing.racks,
        server_racks=standing.server_racks,
        servers_per_rack=standing.servers_per_rack,
        rack_units=standing.units_per_rack,
        fullest_rack_w=standing.fullest_rack_w,
        rack_limit_w=standing.rack_limit_w,
        cooling_class=standing.cooling_class,
        liquid_w=standing.liquid_w,
        it_w=standing.w,
    )


def _host(hardware: Hardware, cluster: ClusterDesign) -> FabricHost:
    server, memory, drives = hardware.servers.get(cluster.server_id), cluster.memory, cluster.drives
    return FabricHost(
        memory_needed_bytes=cluster.options.host_memory_bytes,
        memory_included_bytes=server.host_dram_bytes if server else None,
        memory_module_id=memory.module.id if memory else "",
        memory_modules=memory.quantity if memory else 0,
        memory_added_bytes=memory.size_bytes if memory else 0.0,
        memory_bytes_per_s=memory.bandwidth_bytes_per_s if memory else None,
        drives_needed_bytes=cluster.options.local_drive_bytes,
        drives_included_bytes=included_drive_bytes(server),
        drive_id=drives.drives.id if drives else "",
        drives=drives.quantity if drives else 0,
        drives_added_bytes=drives.quantity * drives.drive_bytes if drives else 0.0,
    )
