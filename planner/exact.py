"""The exact clusters of a shortlist: their bills, and from these what they cost and draw in place of the closed form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

from planner.answer import BillLine
from planner.cluster.design import ClusterDesign, design_cluster
from planner.cluster.network import LinkFinder, link_finder
from planner.economics.holdings import Holdings
from planner.ground import Ground
from planner.outcomes import Candidates, Outcomes

SERVER_PARTS = {"server", "accelerator", "memory", "drive", "storage_server"}
RACK_PARTS = {"rack", "pdu", "pdu_kw", "liquid_kw"}


def designs(ground: Ground, chosen: Outcomes[Candidates]) -> list[ClusterDesign | None]:
    """The exact cluster of each row that is bought; None for the others."""
    find_link: LinkFinder = link_finder(ground.hardware)
    ids = ground.platforms.accelerator_id
    rows = zip(chosen.columns.platform.tolist(), chosen.devices.tolist(), chosen.rented.tolist(), strict=True)

    @cache
    def design(accelerator_id: str, count: int) -> ClusterDesign:
        return design_cluster(ground.hardware, accelerator_id, count, find_link=find_link)

    return [None if rented else design(ids[row], count) for row, count, rented in rows]


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
    exact["at_least"][rows] = [cluster.totals.at_least for cluster in clusters if cluster]
    return Holdings(**exact)


def _usd(bill: Iterable[BillLine], parts: set[str]) -> float:
    return math.fsum(line.subtotal_usd or 0.0 for line in bill if line.part in parts)


def _w(bill: Iterable[BillLine], parts: set[str]) -> float:
    return math.fsum(line.quantity * (line.unit_power_w or 0.0) for line in bill if line.part in parts)
