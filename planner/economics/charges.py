"""What candidates are charged over a period: bought or rented, whichever is asked for or cheaper (equation 7.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.economics.cost import depreciation_usd, energy_kwh, maintenance_usd, rent_usd
from planner.economics.power import facility_w, loaded_w
from planner.economics.tariffs import Tariffs
from planner.request import Assumptions, Site
from planner.search.columns import BoolColumn, FloatColumn, IntColumn


@dataclass(frozen=True, slots=True)
class Charges:
    """Columns over candidates. `parts_usd` add up to `total_usd`; parts of the acquisition not chosen are 0.

    Power and energy are NaN where a rating is unknown.
    """

    rented: BoolColumn
    total_usd: FloatColumn
    capital_usd: FloatColumn
    at_least: BoolColumn
    parts_usd: dict[str, FloatColumn]
    it_parts_w: dict[str, FloatColumn]  # under load
    facility_w: FloatColumn
    rated_facility_w: FloatColumn
    energy_kwh: FloatColumn


@dataclass(frozen=True, slots=True)
class Network:
    """Scale-out network of each candidate: purchase price and rated power, `unpriced` where a part has no price."""

    capital_usd: FloatColumn
    rated_w: FloatColumn
    unpriced: BoolColumn

    @classmethod
    def none(cls, rows: int) -> Network:
        """No network at all: what a lower bound may assume."""
        return cls(np.zeros(rows), np.zeros(rows), np.zeros(rows, dtype=bool))


def charges(
    tariffs: Tariffs,
    platform: IntColumn,
    bought_devices: IntColumn,
    rented_devices: IntColumn,
    network: Network,
    period_s: FloatColumn,
    site: Site,
    assumptions: Assumptions,
    *,
    utilisation: float = 1.0,
) -> Charges:
    """Charges of candidates on rows `platform` of the tariffs for `period_s` seconds.

    `utilisation` is the share of its life that owned hardware is in use: the idle rest is charged to who uses it.
    """
    accelerators_usd = bought_devices * tariffs.accelerator_usd[platform]
    hosts_usd = bought_devices * tariffs.host_usd[platform]
    capital_usd = np.nan_to_num(accelerators_usd) + hosts_usd + network.capital_usd
    held_s = period_s / utilisation
    accelerator_w, host_w = tariffs.accelerator_rated_w[platform], tariffs.host_rated_w[platform]
    devices = np.maximum(bought_devices, rented_devices)
    rated = {"accelerators": devices * accelerator_w, "hosts": devices * host_w, "network": network.rated_w}
    loaded = {part: loaded_w(watts, assumptions.power_share) for part, watts in rated.items()}
    it_w = sum(loaded.values(), np.zeros(len(platform)))
    total_w = facility_w(it_w, site.pue)
    kwh = energy_kwh(total_w, period_s)
    energy_usd = np.nan_to_num(kwh) * site.electricity_usd_per_kwh

    buy = {
        "accelerators": depreciation_usd(np.nan_to_num(accelerators_usd), held_s, site.years, site.residual_share),
        "hosts": depreciation_usd(hosts_usd, held_s, site.years, site.residual_share),
        "network": depreciation_usd(network.capital_usd, held_s, site.years, site.residual_share),
        "maintenance": maintenance_usd(capital_usd, held_s, site.maintenance_share),
        "energy": energy_usd,
    }
    buy_usd = sum(buy.values(), np.zeros(len(platform)))
    rent = rent_usd(rented_devices.astype(np.float64), tariffs.rent_usd_per_h[platform], period_s)
    cannot_buy = np.isnan(accelerators_usd)
    host_unpriced = np.array(tariffs.host_unpriced, dtype=bool)[platform]
    rented = _rented(buy_usd, rent, cannot_buy, site.acquisition)
    parts = {part: np.where(rented, 0.0, usd) for part, usd in buy.items()} | {"rental": np.where(rented, np.nan_to_num(rent), 0.0)}
    return Charges(
        rented=rented,
        total_usd=sum(parts.values(), np.zeros(len(platform))),
        capital_usd=np.where(rented, 0.0, capital_usd),
        at_least=np.where(rented, np.isnan(rent), cannot_buy | host_unpriced | network.unpriced | np.isnan(total_w)),
        parts_usd=parts,
        it_parts_w=loaded,
        facility_w=total_w,
        rated_facility_w=facility_w(sum(rated.values(), np.zeros(len(platform))), site.pue),
        energy_kwh=kwh,
    )


def _rented(buy_usd: FloatColumn, rent_usd: FloatColumn, cannot_buy: BoolColumn, acquisition: str) -> BoolColumn:
    """Where renting is asked for, or is cheaper, or buying has no price; never where only buying has one."""
    if acquisition != "best":
        return np.full(len(buy_usd), acquisition == "rent")
    with np.errstate(invalid="ignore"):
        cheaper = rent_usd < buy_usd
    chosen: BoolColumn = ~np.isnan(rent_usd) & (cannot_buy | cheaper)
    return chosen
