"""The exact design of one cluster: its networks, hosts, racks and bill of materials, against an existing room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean

from facts.errors import Fault
from hardware_db import Hardware
from hardware_db.records import Fact, Price, Switch
from measurements.collectives import collective_fits
from planner.answer import BillLine
from planner.cluster.bill import BillTotals, Part, bill_of, bill_totals
from planner.cluster.fabric import FIBRE_S_PER_M, Failure, FatTree, fat_tree
from planner.cluster.host import DriveChoice, MemoryChoice, drive_choice, memory_choice
from planner.cluster.network import LinkFinder, NetworkName, NetworkPlan, link_finder, network_plans, switch_w
from planner.cluster.ports import devices_per_server
from planner.cluster.racks import Load, Racks, Room, liquid_share, rack_shares, racks, room_faults, room_used
from planner.cluster.servers import is_rented, server_load, server_parts
from planner.cluster.templates import FabricTemplate, templates

UNKNOWN_SWITCH, UNKNOWN_CABLE = "switch", "cable"
FAILURES: tuple[Failure, ...] = ("link", "leaf", "spine", "core", "plane")


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What may be chosen about a cluster beside its accelerators. Empty: the defaults of `templates.yaml`.

    host_memory_bytes, local_drive_bytes   least of one server (see `planner.cluster.host`)
    storage_servers                        catalog id -> how many storage servers; they bring the storage network
    stock                                  catalog id -> pieces that are there already
    prices                                 catalog id -> the asker's own price, USD
    joined                                 it exchanges data with another cluster: even a single server has its network
    """

    server_id: str = ""
    networks: Mapping[NetworkName, FabricTemplate] = field(default_factory=dict)
    host_memory_bytes: float = 0.0
    local_drive_bytes: float = 0.0
    storage_servers: Mapping[str, int] = field(default_factory=dict)
    stock: Mapping[str, int] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    room: Room = field(default_factory=Room)
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Remaining:
    """Shares that are left after one part fails: of the bisection, and of the worst hit endpoint; endpoints cut off."""

    bisection: float
    endpoint_rate: float
    cut_off: int


@dataclass(frozen=True, slots=True)
class NetworkDesign:
    """One network as built; counts are of all planes, `links` from the endpoints inwards."""

    name: NetworkName
    switch_id: str
    planes: int
    tiers: int
    hops: int
    endpoints: int
    endpoint_bytes_per_s: float
    leaves: int
    spines: int
    cores: int
    links: tuple[int, int, int]
    oversubscription: float
    bisection_bytes_per_s: float
    latency_parts_s: Mapping[str, float]  # switches, fibre, nic_and_software; one way over the longest path
    free_ports: int
    most_endpoints: int  # that this number of tiers can reach
    remaining: Mapping[Failure, Remaining]

    @property
    def switches(self) -> int:
        """All switches."""
        return self.leaves + self.spines + self.cores

    @property
    def latency_s(self) -> float:
        """One way over the longest path (equation 6.2)."""
        return sum(self.latency_parts_s.values())


@dataclass(frozen=True, slots=True)
class ClusterDesign:
    """One cluster, whole. `faults` are the limits of the room and of the fabrics that it breaks, `room_used` the use over
    allowance of each of `ROOM_LIMITS`, nothing where the room has no limits.
    """

    options: ClusterOptions
    accelerator_id: str
    server_id: str
    devices: int  # whole servers
    servers: int
    networks: tuple[NetworkDesign, ...]
    memory: MemoryChoice | None  # added to each server
    drives: DriveChoice | None
    racks: Racks
    bill: tuple[BillLine, ...]
    totals: BillTotals
    faults: tuple[Fault, ...]
    room_used: tuple[float, ...]

    @property
    def at_least(self) -> bool:
        """Whether more is to pay than the bill says: a part has no price, or a fabric has too few ports."""
        return self.totals.at_least or any(fault.code == "fabric_too_large" for fault in self.faults)


def design_cluster(
    hardware: Hardware, accelerator_id: str, devices: int, options: ClusterOptions = ClusterOptions(), find_link: LinkFinder | None = None
) -> ClusterDesign:
    """The cluster of at least `devices` accelerators in whole servers. A single server needs no network of its own; cloud
    instances bring theirs, and nothing around them is bought.

    find_link   `planner.cluster.network.link_finder(hardware)`, shared by several designs
    """
    chip = hardware.accelerators[accelerator_id]
    server = hardware.servers.get(options.server_id or chip.server_id or "")
    servers = -(-devices // devices_per_server(chip, server))
    own = not is_rented(server)
    networked = own and (servers > 1 or options.joined)
    plans = network_plans(hardware, chip, server, options.networks, find_link or link_finder(hardware)) if networked else ()
    built = [(plan, _tree(hardware, plan, servers, options)) for plan in plans if plan.name != "storage" or options.storage_servers]
    memory = memory_choice(hardware, server, options.host_memory_bytes) if own else None
    drives = drive_choice(hardware, server, options.local_drive_bytes) if own else None

    parts = server_parts(hardware, chip, server, servers)
    parts += [choice.part(servers) for choice in (memory, drives) if choice]
    parts += [part for plan, tree in built for part in _network_parts(plan, tree, servers)]
    parts += _storage_parts(hardware, options)
    parts += _management_parts(hardware, plans, parts, servers)
    load = server_load(hardware, chip, server, servers)
    standing = racks(hardware, load, tuple(_loads(hardware, parts)), options.room)
    parts += _rack_parts(hardware, standing) if own else ()

    bill = bill_of((_repriced(part, options.prices) for part in parts), options.stock)
    return ClusterDesign(
        options=options,
        accelerator_id=chip.id,
        server_id=server.id if server else "",
        devices=servers * devices_per_server(chip, server),
        servers=servers,
        networks=tuple(_network_design(hardware, plan, tree) for plan, tree in built if tree),
        memory=memory,
        drives=drives,
        racks=standing,
        bill=bill,
        totals=bill_totals(bill),
        faults=room_faults(standing, load, options.room) + tuple(_network_faults(built)),
        room_used=room_used(standing, load, options.room),
    )


def _tree(hardware: Hardware, plan: NetworkPlan, servers: int, options: ClusterOptions) -> FatTree | None:
    if plan.wiring is None:
        return None
    further = 0
    if plan.name == "storage":
        nics = ((hardware.servers[id_].nics, count) for id_, count in options.storage_servers.items())
        further = sum(count * sum(slot.count * slot.ports for slot in slots) for slots, count in nics)
    return fat_tree([servers * plan.nodes_per_server], plan.wiring, further)


def _network_parts(plan: NetworkPlan, tree: FatTree | None, servers: int) -> Iterator[Part]:
    """Switches, links, cards and manager of one network; without a fast enough switch only the cards, and a line to quote."""
    if plan.ports.nic and plan.ports.cards_to_buy:
        nic = plan.ports.nic
        yield Part(f"{plan.name}_nic", nic.id, servers * plan.ports.cards_to_buy, nic.power_typical_w, nic.price)
    if tree is None or plan.switch is None:
        yield Part(f"{plan.name}_switch", UNKNOWN_SWITCH, 1, None, None)
        return
    yield Part(f"{plan.name}_switch", plan.switch.id, int(tree.switches[0]), switch_w(plan.switch), plan.switch.price)
    for link, links in zip(plan.links, tree.links, strict=True):
        count = int(links[0])
        if count and not link.parts:
            yield Part(f"{plan.name}_cable", UNKNOWN_CABLE, count, None, None)
        for part in link.parts:
            yield Part.of(f"{plan.name}_{part.record.kind}", part.record, count * part.quantity, part.unit_w, part.record.price)
    if plan.manager and tree.leaves[0] > 1:
        yield Part(f"{plan.name}_manager", plan.manager.id, 1, plan.manager.power_max_w, plan.manager.price)


def _storage_parts(hardware: Hardware, options: ClusterOptions) -> Iterator[Part]:
    for id_, count in options.storage_servers.items():
        server = hardware.servers[id_]
        yield Part("storage_server", id_, count, server.power_max_w, server.price)


def _management_parts(hardware: Hardware, plans: tuple[NetworkPlan, ...], parts: list[Part], servers: int) -> Iterator[Part]:
    """Switches for the service processors of servers and switches."""
    if not plans:
        return
    rules = templates().management
    switch = hardware.switches[rules.switch_id]
    ports = servers * plans[0].nodes_per_server * rules.ports_per_server
    ports += sum(part.quantity for part in parts if part.kind.endswith(("_switch", "_manager", "storage_server"))) * rules.ports_per_switch
    yield Part("management_switch", switch.id, -(-ports // switch.ports), switch_w(switch), switch.price)


def _loads(hardware: Hardware, parts: list[Part]) -> Iterator[Load]:
    """What stands in racks beside the servers; modules and cables draw their power where they are plugged in."""
    groups: tuple[Mapping[str, Fact], ...] = (hardware.switches, hardware.fabric_managers, hardware.servers)
    for part in parts:
        if part.kind in ("server", "accelerator"):
            continue
        record = next((group[part.catalog_id] for group in groups if part.catalog_id in group), None)
        yield Load(part.quantity, float(getattr(record, "rack_units", None) or 0.0), part.unit_w or 0.0)


def _rack_parts(hardware: Hardware, standing: Racks) -> Iterator[Part]:
    """Racks that are bought, with power distribution and, for liquid, the cooling chain."""
    shares = [(kind, part, standing.bought * pieces, price) for kind, part, pieces, price in rack_shares(hardware, standing.design_rack_w)]
    for kind, part, pieces, price in (*shares, liquid_share(hardware, standing.liquid_w)):
        yield Part.of(kind, part, pieces, 0.0, price)


def _repriced(part: Part, prices: Mapping[str, float]) -> Part:
    own = prices.get(part.catalog_id)
    return part if own is None else replace(part, price=Price(own, own, own, "own", ""))


def _network_faults(built: list[tuple[NetworkPlan, FatTree | None]]) -> Iterator[Fault]:
    for plan, tree in built:
        if tree is not None and not tree.fits[0]:
            yield Fault("fabric_too_large", field=plan.name, value=str(tree.endpoints[0]), allowed=f"<= {tree.most_endpoints[0]}")


def _network_design(hardware: Hardware, plan: NetworkPlan, tree: FatTree) -> NetworkDesign:
    w, planes = tree.wiring, int(tree.wiring.planes[0])
    lengths = (plan.template.endpoint_m, plan.template.leaf_spine_m, plan.template.spine_core_m)
    switch_s = _switch_latency_s(hardware, plan.switch)
    link = collective_fits().link((plan.switch.fabric_id if plan.switch else None) or "", "scale_out")
    endpoints, leaf_spine, spine_core = (int(links[0]) for links in tree.links)
    return NetworkDesign(
        name=plan.name,
        switch_id=plan.switch.id if plan.switch else "",
        planes=planes,
        tiers=int(tree.tiers[0]),
        hops=int(tree.hops[0]),
        endpoints=endpoints,
        endpoint_bytes_per_s=float(w.endpoint_bytes_per_s[0]),
        leaves=planes * int(tree.leaves[0]),
        spines=planes * int(tree.spines[0]),
        cores=planes * int(tree.cores[0]),
        links=(endpoints, leaf_spine, spine_core),
        oversubscription=float(tree.oversubscription[0]),
        bisection_bytes_per_s=float(tree.bisection_bytes_per_s[0]),
        latency_parts_s={
            "switches": int(tree.hops[0]) * switch_s,
            "fibre": 2 * sum(lengths[: int(tree.tiers[0])]) * FIBRE_S_PER_M,
            "nic_and_software": link.seconds[1],
        },
        free_ports=int(tree.free_ports[0]),
        most_endpoints=int(tree.most_endpoints[0]),
        remaining={
            failure: Remaining(
                bisection=float(tree.remaining_bisection(failure)[0]),
                endpoint_rate=float(tree.remaining_endpoint_rate(failure)[0]),
                cut_off=int(tree.endpoints_cut_off(failure)[0]),
            )
            for failure in FAILURES
        },
    )


def _switch_latency_s(hardware: Hardware, switch: Switch | None) -> float:
    """Port to port: the middle of what is claimed of this switch, or of all switches where nothing is."""
    own = _claims_s(switch) if switch else ()
    return fmean(own or [claim for other in hardware.switches.values() for claim in _claims_s(other)])


def _claims_s(switch: Switch) -> tuple[float, ...]:
    claims = switch.values.get("latency_s")
    return tuple(value for value in claims.values() if isinstance(value, float)) if isinstance(claims, Mapping) else ()
