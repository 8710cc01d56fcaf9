"""What one device of each platform costs to buy or rent and is rated to draw, its share of the server included.

Unknown prices are NaN here and never count as cheap: a candidate that needs one is marked, totals then say "at least".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hardware_db import Hardware
from hardware_db.records import Accelerator, Server
from planner.economics.rates import HourlyRate, hourly_rate
from planner.request import OwnPrice, PlanRequest
from planner.search.columns import FloatColumn


@dataclass(frozen=True, slots=True)
class Tariffs:
    """One row a platform, per device. NaN: no price is known."""

    accelerator_usd: FloatColumn  # purchase, typical
    host_usd: FloatColumn  # its share of the rest of the server; 0 where the server's price is unknown
    host_unpriced: tuple[bool, ...]
    rent_usd_per_h: FloatColumn
    rates: tuple[HourlyRate | None, ...]
    accelerator_rated_w: FloatColumn
    host_rated_w: FloatColumn

    @property
    def buy_usd(self) -> FloatColumn:
        """Purchase of one device with its share of the server."""
        return self.accelerator_usd + self.host_usd


def tariffs(hardware: Hardware, accelerator_ids: Iterable[str], request: PlanRequest) -> Tariffs:
    """Prices and ratings of the platforms in the order of `accelerator_ids`; the asker's own prices win."""
    chips = [hardware.accelerators[id_] for id_ in accelerator_ids]
    servers = [hardware.servers.get(chip.server_id or "") for chip in chips]
    bought = [_buy(chip, server, request.prices) for chip, server in zip(chips, servers, strict=True)]
    rates = tuple(hourly_rate(chip.id, hardware.cloud_offers, request.site.cloud_term, request.prices) for chip in chips)
    ratio = request.assumptions.node_to_accelerator_power
    powers = [_rated(chip, server, ratio) for chip, server in zip(chips, servers, strict=True)]
    return Tariffs(
        accelerator_usd=np.array([accelerator for accelerator, _, _ in bought]),
        host_usd=np.array([host for _, host, _ in bought]),
        host_unpriced=tuple(unpriced for _, _, unpriced in bought),
        rent_usd_per_h=np.array([rate.typical_usd if rate else np.nan for rate in rates]),
        rates=rates,
        accelerator_rated_w=np.array([accelerator for accelerator, _ in powers]),
        host_rated_w=np.array([host for _, host in powers]),
    )


def _buy(chip: Accelerator, server: Server | None, own: Iterable[OwnPrice]) -> tuple[float, float, bool]:
    """(accelerator, its share of the host, whether the host's price is unknown), USD.

    A server that is sold with its accelerators has one price: what exceeds the accelerators' own price is the host.
    """
    mine = {price.id: price.buy_usd for price in own if price.buy_usd is not None}
    whole = mine.get(server.id) if server else None
    if whole is None and server and server.price:
        whole = server.price.typical_usd
    card = mine.get(chip.id, chip.price.typical_usd if chip.price else np.nan)
    if whole is None or not server or not server.accelerators or chip.id not in server.accelerator_ids[:1]:
        return card, 0.0, True
    share = whole / server.accelerators
    if chip.id in mine and server.id not in mine and chip.price:
        return card, max(0.0, share - chip.price.typical_usd), False
    return (share, 0.0, False) if not card < share else (card, share - card, False)


def _rated(chip: Accelerator, server: Server | None, node_to_accelerator_power: float) -> tuple[float, float]:
    """(accelerator, its share of the host), W, as rated; NaN where no rating is known."""
    if server and server.power_max_w and server.accelerators and chip.id in server.accelerator_ids:
        share = server.power_max_w / server.accelerators
        card = min(chip.tdp_w or share, share)
        return card, share - card
    if chip.tdp_w:
        return chip.tdp_w, chip.tdp_w * (node_to_accelerator_power - 1.0)
    return np.nan, 0.0
