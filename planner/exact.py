"""The exact clusters of a shortlist: their bills, and from these what they cost and draw in place of the closed form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import numpy as np

from planner.answer import BillLine
from planner.cluster.design import ClusterDesign, ClusterOptions, design_cluster
from planner.cluster.network import LinkFinder, link_finder
from planner.economics.holdings import Holdings
from planner.ground import Ground, existing_room
from planner.hosts import HostNeeds
from planner.outcomes import Candidates, Outcomes

SERVER_PARTS = {"server", "accelerator", "memory", "drive", "storage_server"}
RACK_PARTS = {"rack", "pdu", "pdu_kw", "liquid_kw"}


def designs(ground: Ground, chosen: Outcomes[Candidates], needs: HostNeeds) -> list[ClusterDesign | None]:
    """The exact cluster of each row that is bought, its hosts with what they need; None for the others."""
    find_link: LinkFinder = link_finder(ground.hardware)
    room = existing_room(ground.request.room)
    bought = zip(
        chosen.columns.platform.tolist(), chosen.devices.tolist(), needs.memory_bytes.tolist(), needs.drive_bytes.tolist(), strict=True
    )

    @cache
    def design(platform: int, devices: int, memory_bytes: float, drive_bytes: float) -> ClusterDesign:
        options = ClusterOptions(
            networks={"compute": ground.compute[platform]} if ground.compute else {},
            host_memory_bytes=memory_bytes,
            local_drive_bytes=drive_bytes,
            stock=ground.stock,
            room=room,
        )
        return design_cluster(ground.hardware, ground.platforms.accelerator_id[platform], devices, options, find_link)

    return [None if rented else design(*row) for row, rented in zip(bought, chosen.rented.tolist(), strict=True)]


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
