"""What stands around the accelerators, in closed form for every candidate: money, power and racks by device.

The same formulas as the exact design without its rounding: never above it, and below it by no more than the pieces
that `design_cluster` rounds up (modules, racks, management switches).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hardware_db import Hardware
from hardware_db.records import FacilityPart, Price
from planner.cluster.bill import times
from planner.cluster.fabric import FatTree, Wiring, fat_tree
from planner.cluster.network import NetworkName, NetworkPlan, link_finder, network_plans, switch_w
from planner.cluster.platform import Platforms
from planner.cluster.ports import devices_per_server
from planner.cluster.racks import Room, liquid_share, rack_shares, racks
from planner.cluster.servers import is_rented, server_load, server_parts
from planner.cluster.templates import templates
from planner.search.columns import BoolColumn, FloatColumn

_COUNTED: tuple[NetworkName, ...] = ("compute", "front_end")  # what every cluster of several servers has
_MANAGER, _CARDS = 4, 5  # places in `_units`
_FREE = Price(0.0, 0.0, 0.0, "", "")
_PRESENT_AT_MOST = 32_000_000  # entries of the table of distinct keys


@dataclass(frozen=True, slots=True)
class PerDevice:
    """By device of whole servers; USD columns have the shape (rows, 3): low, typical, high.

    server_usd    the servers with their accelerators
    network_usd   switches, links, cards, managers, service network; 0 for a single server
    rack_usd      racks with power distribution and liquid cooling
    at_least      a price in it is unknown
    """

    server_usd: FloatColumn
    network_usd: FloatColumn
    rack_usd: FloatColumn
    server_w: FloatColumn
    network_w: FloatColumn
    racks: FloatColumn
    hops: NDArray[np.int64]  # switches between the two farthest devices; 0 for a single server and for what is rented
    at_least: BoolColumn


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """Unit figures of each platform; networks on the second axis in the order of `_COUNTED`, units in that of `_units`."""

    devices_per_server: NDArray[np.int64]
    nodes_per_server: NDArray[np.int64]
    server_usd: FloatColumn  # (platforms, 3): low, typical, high, as all USD here
    server_w: FloatColumn
    server_unpriced: BoolColumn
    rented: BoolColumn  # cloud instances: what is around them is not bought
    server_units: FloatColumn  # 0 where servers are racks
    servers_per_rack: FloatColumn  # infinite where servers are racks
    whole_racks: BoolColumn
    rack_units: FloatColumn
    rack_usd: FloatColumn  # one rack with its power distribution
    liquid_usd: FloatColumn  # cooling chain of one server
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

    def per_device(self, rows: NDArray[np.integer], devices: NDArray[np.integer]) -> PerDevice:
        """Columns for `devices` accelerators on the platforms `rows`, computed once for each distinct pair."""
        servers = -(-devices // self.devices_per_server[rows])
        *pairs, place = _distinct(np.asarray(rows), np.asarray(servers))
        result = self._of_pairs(*pairs)
        return PerDevice(**{item.name: getattr(result, item.name).take(place, axis=0) for item in fields(result)})

    def _of_pairs(self, rows: NDArray[np.intp], servers: NDArray[np.intp]) -> PerDevice:
        own = ~self.rented[rows]
        several = (servers > 1) & own
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
        unpriced = ((counts > 0) & self.unit_unpriced[rows]).any(axis=(1, 2))
        unpriced |= several & ~(self.known[rows] & tree.fits.reshape(counts.shape[:2])).all(axis=1)
        return PerDevice(
            server_usd=self.server_usd[rows] / self.devices_per_server[rows, None],
            network_usd=network_usd / devices[:, None],
            rack_usd=rack_usd / devices[:, None],
            server_w=self.server_w[rows] / self.devices_per_server[rows],
            network_w=(np.einsum("rnu,rnu->r", counts, self.unit_w[rows]) + managed * self.management_w) / devices,
            racks=(racks + own * servers * self.whole_racks[rows]) / devices,
            hops=np.where(several & self.known[rows, 0], tree.hops.reshape(counts.shape[:2])[:, 0], 0),
            at_least=self.server_unpriced[rows] | unpriced,
        )

    def _trees(self, rows: NDArray[np.int64], servers: NDArray[np.int64]) -> FatTree:
        """Trees of all networks: row by row, network by network."""
        which = (rows[:, None] * len(_COUNTED) + np.arange(len(_COUNTED))).ravel()
        nodes = np.repeat(servers * self.nodes_per_server[rows], len(_COUNTED))
        return fat_tree(nodes, self.wiring.take(which))


def infrastructure(hardware: Hardware, platforms: Platforms) -> Infrastructure:
    """Unit figures of `platforms`, with the default networks between accelerators and to the front end."""
    find_link = link_finder(hardware)
    pairs = [
        (hardware.accelerators[chip_id], hardware.servers.get(server_id))
        for chip_id, server_id in zip(platforms.accelerator_id, platforms.server_id, strict=True)
    ]
    plans = [
        [plan for plan in network_plans(hardware, chip, server, find_link=find_link) if plan.name in _COUNTED] for chip, server in pairs
    ]
    parts = [server_parts(hardware, chip, server, 1) for chip, server in pairs]
    loads = [server_load(hardware, chip, server, 1) for chip, server in pairs]
    single = [racks(hardware, load, (), Room()) for load in loads]
    wirings = [plan.wiring or _stand_in() for row in plans for plan in row]
    management = hardware.switches[templates().management.switch_id]
    return Infrastructure(
        devices_per_server=np.array([devices_per_server(chip, server) for chip, server in pairs]),
        nodes_per_server=np.array([row[0].nodes_per_server for row in plans]),
        server_usd=np.array([sum(part.quantity * _usd(part.price) for part in row) for row in parts]),
        server_w=np.array([sum(part.quantity * (part.unit_w or 0.0) for part in row) for row in parts]),
        server_unpriced=np.array([any(part.price is None for part in row) for row in parts]),
        rented=np.array([is_rented(server) for _, server in pairs]),
        server_units=np.array([0.0 if load.whole_racks else load.units for load in loads]),
        servers_per_rack=np.array([np.inf if load.whole_racks else one.servers_per_rack for load, one in zip(loads, single, strict=True)]),
        whole_racks=np.array([load.whole_racks for load in loads]),
        rack_units=np.array([one.units_per_rack for one in single], dtype=np.float64),
        rack_usd=np.array([_share_usd(*rack_shares(hardware, one.design_rack_w)) for one in single]),
        liquid_usd=np.array([_share_usd(liquid_share(hardware, one.liquid_w)) for one in single]),
        wiring=Wiring(**{item.name: np.concatenate([getattr(wiring, item.name) for wiring in wirings]) for item in fields(Wiring)}),
        unit_usd=np.array([[[_usd(price) for price, _ in _units(plan)] for plan in row] for row in plans]),
        unit_w=np.array([[[w for _, w in _units(plan)] for plan in row] for row in plans]),
        unit_unpriced=np.array([[[price is None for price, _ in _units(plan)] for plan in row] for row in plans]),
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
