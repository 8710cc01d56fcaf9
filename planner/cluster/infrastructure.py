"""What stands around the accelerators, in closed form for every candidate: money, power and racks by device.

The same formulas as the exact design without its rounding: never above it, and below it by no more than the pieces
that `design_cluster` rounds up (modules, racks, management switches).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hardware_db import Hardware
from hardware_db.records import FacilityPart, Price, Server, Switch
from planner.cluster.bill import Part, times
from planner.cluster.fabric import FatTree, Wiring, fat_tree
from planner.cluster.host import memory_choice
from planner.cluster.network import NetworkName, NetworkPlan, link_finder, network_plans, switch_w
from planner.cluster.platform import Platforms
from planner.cluster.ports import devices_per_server
from planner.cluster.racks import ROOM_LIMITS, Room, liquid_share, rack_shares, racks, room_used
from planner.cluster.servers import is_rented, server_load, server_parts
from planner.cluster.templates import FabricTemplate, templates
from planner.search.columns import BoolColumn, FloatColumn

_COUNTED: tuple[NetworkName, ...] = ("compute", "front_end")  # what every cluster of several servers has
_MANAGER, _CARDS = 4, 5  # places in `_units`
_FREE = Price(0.0, 0.0, 0.0, "", "")
_PRESENT_AT_MOST = 32_000_000  # entries of the table of distinct keys
_SERVER_PARTS = 3  # a server with its accelerators, or each by itself; memory
_RACKS, _POWER = ROOM_LIMITS.index("room_racks"), ROOM_LIMITS.index("room_power")
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PerDevice:
    """By device of whole servers; USD columns have the shape (rows, 3): low, typical, high.

    What is in stock costs nothing.

    server_usd    the servers with their accelerators and memory
    network_usd   switches, links, cards, managers, service network; 0 for a single server
    rack_usd      racks with power distribution and liquid cooling
    unpriced      a price of the servers or accelerators to buy is unknown
    at_least      any price is unknown
    room_used     of the whole cluster: use over allowance of each of `ROOM_LIMITS`, shape (rows, 5); (rows, 0) without limits
    """

    server_usd: FloatColumn
    network_usd: FloatColumn
    rack_usd: FloatColumn
    server_w: FloatColumn
    network_w: FloatColumn
    racks: FloatColumn
    hops: NDArray[np.int64]  # switches between the two farthest devices; 0 for a single server and for what is rented
    unpriced: BoolColumn
    at_least: BoolColumn
    room_used: FloatColumn


@dataclass(frozen=True, slots=True)
class ServerParts:
    """What one server of each platform consists of, and how many of that are in stock: shape (platforms, parts)."""

    each: FloatColumn
    usd: FloatColumn  # (platforms, parts, 3)
    unpriced: BoolColumn
    owned: FloatColumn

    def bought(self, rows: NDArray[np.integer], servers: NDArray[np.integer]) -> FloatColumn:
        """Pieces of each part that `servers` servers need beyond the stock."""
        return np.asarray(np.maximum(0.0, servers[:, None] * self.each[rows] - self.owned[rows]))

    @property
    def one_usd(self) -> FloatColumn:
        """Price of one server without any stock, (platforms, 3)."""
        return np.asarray((self.each[:, :, None] * self.usd).sum(axis=1))

    @property
    def owned_usd(self) -> FloatColumn:
        """What the stock is worth, (platforms, 3)."""
        return np.asarray((self.owned[:, :, None] * self.usd).sum(axis=1))

    @property
    def never_owned(self) -> BoolColumn:
        """Platforms with a part that has no price and is not in stock."""
        return np.asarray((self.unpriced & (self.owned == 0)).any(axis=1))


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """Unit figures of each platform; networks on the second axis in the order of `_COUNTED`, units in that of `_units`."""

    devices_per_server: NDArray[np.int64]
    nodes_per_server: NDArray[np.int64]
    server_parts: ServerParts
    server_usd: FloatColumn  # (platforms, 3): low, typical, high, as all USD here; without any stock
    server_owned_usd: FloatColumn  # what the stock of servers and accelerators is worth
    server_unpriced: BoolColumn  # whatever the number of servers
    server_w: FloatColumn
    rented: BoolColumn  # cloud instances: what is around them is not bought
    server_units: FloatColumn  # 0 where servers are racks
    servers_per_rack: FloatColumn  # infinite where servers are racks
    whole_racks: BoolColumn
    rack_units: FloatColumn
    rack_usd: FloatColumn  # one rack with its power distribution
    liquid_usd: FloatColumn  # cooling chain of one server
    rack_owned_usd: FloatColumn  # what the stock of these is worth
    network_owned_usd: FloatColumn
    room: Room
    room_used_by_one: FloatColumn  # by one server: shape (platforms, 5), or (platforms, 0) without limits
    wiring: Wiring  # (platforms * networks)
    unit_usd: FloatColumn  # (platforms, networks, units, 3)
    unit_w: FloatColumn
    unit_unpriced: BoolColumn
    switch_units: FloatColumn  # (platforms, networks)
    known: BoolColumn  # (platforms, networks): a switch of the catalog is fast enough
    managers: BoolColumn  # (platforms, networks)
    management_usd: FloatColumn  # one port of the service network
    management_w: float
    management_units: float

    def per_device(self, rows: NDArray[np.integer], devices: NDArray[np.integer], joined: BoolColumn | None = None) -> PerDevice:
        """Columns for `devices` accelerators on the platforms `rows`, computed once for each distinct pair.

        joined   clusters that exchange data with another one, so that even a single server has its networks
        """
        servers = -(-devices // self.devices_per_server[rows])
        alone = np.zeros(len(rows), dtype=np.bool_) if joined is None else joined & (servers == 1)
        *pairs, place = _distinct(2 * np.asarray(rows) + alone, np.asarray(servers))
        result = self._of_pairs(*pairs)
        return PerDevice(**{item.name: getattr(result, item.name).take(place, axis=0) for item in fields(result)})

    def _of_pairs(self, rows_and_joined: NDArray[np.intp], servers: NDArray[np.intp]) -> PerDevice:
        rows, joined = rows_and_joined // 2, rows_and_joined % 2 == 1
        own = ~self.rented[rows]
        several = ((servers > 1) | joined) & own
        tree = self._trees(rows, servers)
        counts = _unit_counts(tree, len(_COUNTED)) * several[:, None, None]
        counts[:, :, :_CARDS] *= self.known[rows][:, :, None]
        counts[:, :, _MANAGER] *= self.managers[rows]
        counts[:, :, _CARDS] = (servers * several)[:, None]
        switches = counts[:, :, 0]
        managed = several * (servers * self.nodes_per_server[rows] + switches.sum(axis=1) + counts[:, :, _MANAGER].sum(axis=1))
        units = servers * self.server_units[rows] + (switches * self.switch_units[rows]).sum(axis=1) + managed * self.management_units
        racks = own * np.maximum(units / self.rack_units[rows], servers / self.servers_per_rack[rows])
        devices = servers * self.devices_per_server[rows]
        network_usd = np.einsum("rnu,rnul->rl", counts, self.unit_usd[rows]) + managed[:, None] * self.management_usd
        rack_usd = racks[:, None] * self.rack_usd[rows] + (own * servers)[:, None] * self.liquid_usd[rows]
        bought = self.server_parts.bought(rows, servers)
        servers_unpriced = np.asarray(((bought > 0) & self.server_parts.unpriced[rows]).any(axis=1))
        server_w = servers * self.server_w[rows]
        network_w = np.einsum("rnu,rnu->r", counts, self.unit_w[rows]) + managed * self.management_w
        unpriced = ((counts > 0) & self.unit_unpriced[rows]).any(axis=(1, 2))
        unpriced |= several & ~(self.known[rows] & tree.fits.reshape(counts.shape[:2])).all(axis=1)
        return PerDevice(
            server_usd=np.einsum("rp,rpl->rl", bought, self.server_parts.usd[rows]) / devices[:, None],
            network_usd=np.maximum(0.0, network_usd - self.network_owned_usd[rows]) / devices[:, None],
            rack_usd=np.maximum(0.0, rack_usd - self.rack_owned_usd[rows]) / devices[:, None],
            server_w=server_w / devices,
            network_w=network_w / devices,
            racks=(racks + own * servers * self.whole_racks[rows]) / devices,
            hops=np.where(several & self.known[rows, 0], tree.hops.reshape(counts.shape[:2])[:, 0], 0),
            unpriced=servers_unpriced,
            at_least=servers_unpriced | unpriced,
            room_used=self._room_used(rows, racks + own * servers * self.whole_racks[rows], server_w + network_w),
        )

    def _room_used(self, rows: NDArray[np.intp], racks: FloatColumn, w: FloatColumn) -> FloatColumn:
        """Use over allowance of each limit of the room by whole clusters: never above that of the exact design."""
        used = self.room_used_by_one[rows]
        if used.shape[1]:
            used[:, _RACKS] = np.ceil(racks - _ROUNDING) / (self.room.racks or np.inf)
            used[:, _POWER] = np.maximum(used[:, _POWER], w / self.room.power_w)
        return used

    def _trees(self, rows: NDArray[np.int64], servers: NDArray[np.int64]) -> FatTree:
        """Trees of all networks: row by row, network by network."""
        which = (rows[:, None] * len(_COUNTED) + np.arange(len(_COUNTED))).ravel()
        nodes = np.repeat(servers * self.nodes_per_server[rows], len(_COUNTED))
        return fat_tree(nodes, self.wiring.take(which))


def infrastructure(
    hardware: Hardware,
    platforms: Platforms,
    *,
    compute: Sequence[FabricTemplate] = (),
    host_memory_bytes: Sequence[float] = (),
    stock: Mapping[str, int] | None = None,
    room: Room | None = None,
) -> Infrastructure:
    """Unit figures of `platforms`, with their networks between accelerators and to the front end.

    compute             template of the network between accelerators of each platform, the defaults if not given
    host_memory_bytes   least memory of one server of each platform; what is missing is bought
    stock               catalog id -> pieces that are there already
    """
    find_link, owned, room = link_finder(hardware), stock or {}, room or Room()
    pairs = [
        (hardware.accelerators[chip_id], hardware.servers.get(server_id))
        for chip_id, server_id in zip(platforms.accelerator_id, platforms.server_id, strict=True)
    ]
    chosen: list[Mapping[NetworkName, FabricTemplate]] = [{"compute": template} for template in compute] or [{}] * len(pairs)
    plans = [
        [plan for plan in network_plans(hardware, chip, server, asked, find_link) if plan.name in _COUNTED]
        for (chip, server), asked in zip(pairs, chosen, strict=True)
    ]
    needs = host_memory_bytes or [0.0] * len(pairs)
    parts = [server_parts(hardware, *pair, 1) + _memory(hardware, pair[1], need) for pair, need in zip(pairs, needs, strict=True)]
    loads = [server_load(hardware, chip, server, 1) for chip, server in pairs]
    single = [racks(hardware, load, (), room) for load in loads]
    shelves = [(*rack_shares(hardware, one.design_rack_w), liquid_share(hardware, one.liquid_w)) for one in single]
    servers = _server_parts(parts, owned)
    wirings = [plan.wiring or _stand_in() for row in plans for plan in row]
    management = hardware.switches[templates().management.switch_id]
    return Infrastructure(
        devices_per_server=np.array([devices_per_server(chip, server) for chip, server in pairs]),
        nodes_per_server=np.array([row[0].nodes_per_server for row in plans]),
        server_parts=servers,
        server_usd=servers.one_usd,
        server_owned_usd=servers.owned_usd,
        server_unpriced=servers.never_owned,
        server_w=np.array([sum(part.quantity * (part.unit_w or 0.0) for part in row) for row in parts]),
        rented=np.array([is_rented(server) for _, server in pairs]),
        server_units=np.array(
            [0.0 if load.whole_racks else min(load.units, one.units_per_rack) for load, one in zip(loads, single, strict=True)]
        ),
        servers_per_rack=np.array([np.inf if load.whole_racks else one.servers_per_rack for load, one in zip(loads, single, strict=True)]),
        whole_racks=np.array([load.whole_racks for load in loads]),
        rack_units=np.array([one.units_per_rack for one in single], dtype=np.float64),
        rack_usd=np.array([_share_usd(*shelf[:-1]) for shelf in shelves]),
        liquid_usd=np.array([_share_usd(shelf[-1]) for shelf in shelves]),
        rack_owned_usd=np.array([_owned_usd(((part.id, price) for _, part, _, price in shelf), owned) for shelf in shelves]),
        network_owned_usd=np.array([_owned_usd(_network_prices(row, management), owned) for row in plans]),
        room=room,
        room_used_by_one=np.array([room_used(one, load, room) for one, load in zip(single, loads, strict=True)]),
        wiring=Wiring(**{item.name: np.concatenate([getattr(wiring, item.name) for wiring in wirings]) for item in fields(Wiring)}),
        unit_usd=np.array([[[_usd(price) for price, _ in _units(plan)] for plan in row] for row in plans]),
        unit_w=np.array([[[w for _, w in _units(plan)] for plan in row] for row in plans]),
        unit_unpriced=np.array([[_unpriced_units(plan, owned) for plan in row] for row in plans]),
        switch_units=np.array([[(plan.switch.rack_units if plan.switch else None) or 0.0 for plan in row] for row in plans]),
        known=np.array([[plan.switch is not None for plan in row] for row in plans]),
        managers=np.array([[plan.manager is not None for plan in row] for row in plans]),
        management_usd=_usd(management.price) / management.ports,
        management_w=(switch_w(management) or 0.0) / management.ports,
        management_units=(management.rack_units or 0.0) / management.ports,
    )


def _units(plan: NetworkPlan) -> list[tuple[Price | None, float]]:
    """(price, W) of what is counted in a network: switch, the three kinds of link, manager, a server's cards."""
    switch, manager, nic = plan.switch, plan.manager, plan.ports.nic
    cards = plan.ports.cards_to_buy
    return [
        (switch.price if switch else None, (switch_w(switch) or 0.0) if switch else 0.0),
        *((link.price, link.w) for link in plan.links),
        (manager.price if manager else _FREE, (manager.power_max_w or 0.0) if manager else 0.0),
        (nic.price and times(nic.price, cards) if nic and cards else _FREE, cards * (nic.power_typical_w or 0.0) if nic else 0.0),
    ]


def _unpriced_units(plan: NetworkPlan, owned: Mapping[str, int]) -> list[bool]:
    """Of each of `_units`, whether its price is unknown and nothing of it is in stock."""
    ids = [{id_ for id_, _ in prices} for prices in _unit_prices(plan)]
    return [price is None and not (id_ & owned.keys()) for (price, _), id_ in zip(_units(plan), ids, strict=True)]


def _unit_prices(plan: NetworkPlan) -> list[list[tuple[str, Price | None]]]:
    """(catalog id, price of a piece) of every part of each of `_units`."""
    single = (plan.manager, plan.ports.nic)
    return [
        [(plan.switch.id, plan.switch.price)] if plan.switch else [],
        *([(part.record.id, part.record.price) for part in link.parts] for link in plan.links),
        *([(record.id, record.price)] if record else [] for record in single),
    ]


def _network_prices(plans: Iterable[NetworkPlan], management: Switch) -> list[tuple[str, Price | None]]:
    """(catalog id, price of a piece) of all that stands or lies between servers."""
    return [(management.id, management.price), *(price for plan in plans for unit in _unit_prices(plan) for price in unit)]


def _owned_usd(prices: Iterable[tuple[str, Price | None]], owned: Mapping[str, int]) -> FloatColumn:
    """What the pieces in stock are worth, each counted once."""
    return np.asarray(sum((owned.get(id_, 0) * _usd(price) for id_, price in dict(prices).items()), np.zeros(3)))


def _memory(hardware: Hardware, server: Server | None, required_bytes: float) -> list[Part]:
    """Modules that are added to one server, as parts."""
    memory = None if is_rented(server) else memory_choice(hardware, server, required_bytes)
    return [memory.part(1)] if memory else []


def _server_parts(parts: Sequence[Sequence[Part]], owned: Mapping[str, int]) -> ServerParts:
    """Columns of the parts of one server of each platform, rows of one part filled with nothing."""
    nothing = Part("", "", 0, 0.0, _FREE)
    rows = [[*row, *[nothing] * (_SERVER_PARTS - len(row))] for row in parts]
    return ServerParts(
        each=np.array([[part.quantity for part in row] for row in rows], dtype=np.float64),
        usd=np.array([[_usd(part.price) for part in row] for row in rows]),
        unpriced=np.array([[part.price is None for part in row] for row in rows]),
        owned=np.array([[owned.get(part.catalog_id, 0) for part in row] for row in rows], dtype=np.float64),
    )


def _unit_counts(tree: FatTree, networks: int) -> FloatColumn:
    """How many of each of `_units` a row needs on each network, the cards apart: shape (rows, networks, 6)."""
    manager = tree.leaves > 1
    counts = np.stack([tree.switches, *tree.links, manager, np.zeros_like(tree.switches)], axis=-1, dtype=np.float64)
    return counts.reshape(-1, networks, counts.shape[-1])


def _distinct(rows: NDArray[np.integer], servers: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Distinct (row, servers) and the place of each pair among them: by a table of what is present, or by sorting."""
    width = int(servers.max(initial=0)) + 1
    keys = rows.astype(np.int64) * width + servers
    size = int(keys.max(initial=-1)) + 1
    if size > _PRESENT_AT_MOST:
        distinct, place = np.unique(keys, return_inverse=True)
    else:
        present = np.zeros(size, dtype=np.bool_)
        present[keys] = True
        distinct = np.flatnonzero(present)
        where = np.empty(size, dtype=np.intp)
        where[distinct] = np.arange(distinct.size)
        place = where[keys]
    return distinct // width, distinct % width, place


def _stand_in() -> Wiring:
    """Wiring of a network without a switch in the catalog: it is not counted, its price is unknown."""
    one, two = np.array([1], dtype=np.int64), np.array([2], dtype=np.int64)
    no, rate = np.array([False]), np.array([1.0])
    return Wiring(two, rate, one, one, no, one, one, one, one, no, one, 3 * one)


def _usd(price: Price | None) -> FloatColumn:
    return np.array([price.low_usd, price.typical_usd, price.high_usd] if price else [0.0, 0.0, 0.0])


def _share_usd(*shares: tuple[str, FacilityPart, float, Price | None]) -> FloatColumn:
    return np.asarray(np.sum([pieces * _usd(price) for _, _, pieces, price in shares], axis=0))
