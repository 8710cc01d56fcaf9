"""Hourly rental price of an accelerator from the cloud price list: median, range and date of the usable offers."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hardware_db.records import CloudOffer
from planner.request import OwnPrice

_UNUSABLE = {"low_outlier", "high_outlier", "fractional_accelerator"}


@dataclass(frozen=True, slots=True)
class HourlyRate:
    """USD per accelerator and hour."""

    low_usd: float
    typical_usd: float
    high_usd: float
    date: str
    providers: tuple[str, ...]
    basis: str


def hourly_rate(accelerator_id: str, offers: Sequence[CloudOffer], term: str, own: Iterable[OwnPrice] = ()) -> HourlyRate | None:
    """The rate of `term` (on_demand, spot, reserved_1y, reserved_3y); the asker's own price wins. None: no offer.

    The typical rate is the median over providers of each provider's cheapest offer, so that a provider with many
    regions counts once.
    """
    for price in own:
        if price.id == accelerator_id and price.rent_usd_per_h is not None:
            usd = price.rent_usd_per_h
            return HourlyRate(usd, usd, usd, "", (), "own price")
    cheapest: dict[str, tuple[float, str]] = {}
    for offer in offers:
        whole: float | None = getattr(offer, f"{term}_usd_per_h")
        unusable = _UNUSABLE & set(offer.flags) or (term == "spot" and "spot_above_on_demand" in offer.flags)
        if offer.accelerator_id != accelerator_id or whole is None or unusable:
            continue
        rate = (whole / offer.accelerators, offer.date)
        cheapest[offer.provider] = min(rate, cheapest.get(offer.provider, rate))
    if not cheapest:
        return None
    rates = [usd for usd, _ in cheapest.values()]
    newest = max(date for _, date in cheapest.values())
    return HourlyRate(min(rates), statistics.median(rates), max(rates), newest, tuple(sorted(cheapest)), "list")
