"""The exact clusters of a shortlist: their bills, and from these what they cost and draw in place of the closed form."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from planner.answer import BillLine
from planner.cluster.bill import FROM_STOCK
from planner.cluster.design import ClusterDesign, ClusterOptions, design_cluster
from planner.cluster.network import LinkFinder, link_finder
from planner.economics.holdings import Holdings
from planner.ground import Ground, existing_room
from planner.hosts import HostNeeds
from planner.outcomes import Candidates, Outcomes
from planner.search.columns import BoolColumn, IntColumn

SERVER_PARTS = {"server", "accelerator", "memory", "drive", "storage_server"}
RACK_PARTS = {"rack", "pdu", "pdu_kw", "liquid_kw"}


def designs(ground: Ground, chosen: Outcomes[Candidates], needs: HostNeeds) -> list[ClusterDesign | None]:
    """The exact cluster of each row that is bought, its hosts with what they need; None for the others."""
    return cluster_designs(ground, chosen.columns.platform, chosen.devices, needs, bought=~chosen.rented)


def cluster_designs(
    ground: Ground,
    platform: IntColumn,
    devices: NDArray[np.integer],
    needs: HostNeeds,
    *,
    bought: BoolColumn,
    joined: BoolColumn | None = None,
    after: Sequence[ClusterDesign | None] = (),
) -> list[ClusterDesign | None]:
    """Clusters of `devices` accelerators; None in rows that are not bought.

    joined  rows that exchange data with another cluster, so that even one server has its network
    after   clusters that take from the stock first, row by row
    """
    find_link: LinkFinder = link_finder(ground.hardware)
    room = existing_room(ground.request.room)

    @cache
    def design(
        platform: int, devices: int, memory_bytes: float, drive_bytes: float, *, joined: bool, taken: frozenset[tuple[str, float]]
    ) -> ClusterDesign:
        options = ClusterOptions(
            networks={"compute": ground.compute[platform]} if ground.compute else {},
            host_memory_bytes=memory_bytes,
            local_drive_bytes=drive_bytes,
            stock={id_: int(count - dict(taken).get(id_, 0)) for id_, count in ground.stock.items()},
            room=room,
            joined=joined,
        )
        return design_cluster(ground.hardware, ground.platforms.accelerator_id[platform], devices, options, find_link)

    rows = zip(platform.tolist(), devices.tolist(), needs.memory_bytes.tolist(), needs.drive_bytes.tolist(), strict=True)
    joins = joined.tolist() if joined is not None else [False] * len(platform)
    before = [taken_from_stock(cluster.bill) if cluster else frozenset() for cluster in after] or [frozenset()] * len(platform)
    return [
        design(*row, joined=join, taken=taken) if wanted else None
        for row, wanted, join, taken in zip(rows, bought.tolist(), joins, before, strict=True)
    ]


def taken_from_stock(bill: Iterable[BillLine]) -> frozenset[tuple[str, float]]:
    """Pieces by catalog id that a bill takes from the stock."""
    counts: Counter[str] = Counter()
    for line in bill:
        if line.price_basis == FROM_STOCK:
            counts[line.catalog_id] += int(line.quantity)
    return frozenset(counts.items())


def exact_holdings(closed: Holdings, clusters: list[ClusterDesign | None] | None) -> Holdings:
    """`closed` with the figures of the bill in every row that has one; unknown ratings stay unknown."""
    if clusters is None:
        return closed
    rows = [row for row, cluster in enumerate(clusters) if cluster]
    bills = [cluster.bill for cluster in clusters if cluster]
    exact = {name: getattr(closed, name).copy() for name in Holdings.__slots__}
    exact["servers_usd"][rows] = [_usd(bill, SERVER_PARTS) for bill in bills]
    exact["racks_usd"][rows] = [_usd(bill, RACK_PARTS) for bill in bills]
    exact["network_usd"][rows] = [_usd(bill, {line.part for line in bill} - SERVER_PARTS - RACK_PARTS) for bill in bills]
    exact["network_w"][rows] = [_w(bill, {line.part for line in bill} - SERVER_PARTS - RACK_PARTS) for bill in bills]
    exact["hosts_w"][rows] = [_w(bill, SERVER_PARTS) for bill in bills] - closed.accelerators_w[rows]
    exact["unpriced"][rows] = [_unpriced(bill, {"server", "accelerator"}) for bill in bills]
    exact["at_least"][rows] = [cluster.at_least for cluster in clusters if cluster]
    exact["room_used"][rows] = np.array([cluster.room_used for cluster in clusters if cluster]).reshape(exact["room_used"][rows].shape)
    return Holdings(**exact)


def _usd(bill: Iterable[BillLine], parts: set[str]) -> float:
    return math.fsum(line.subtotal_usd or 0.0 for line in bill if line.part in parts)


def _unpriced(bill: Iterable[BillLine], parts: set[str]) -> bool:
    return any(line.subtotal_usd is None for line in bill if line.part in parts)


def _w(bill: Iterable[BillLine], parts: set[str]) -> float:
    return math.fsum(line.quantity * (line.unit_power_w or 0.0) for line in bill if line.part in parts)
