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
    bought_w = facility_w(_sum(_it_parts_w(tariffs, platform, bought_devices, network, assumptions.power_share)), site.pue)
    buy = {
        "accelerators": depreciation_usd(np.nan_to_num(accelerators_usd), held_s, site.years, site.residual_share),
        "hosts": depreciation_usd(hosts_usd, held_s, site.years, site.residual_share),
        "network": depreciation_usd(network.capital_usd, held_s, site.years, site.residual_share),
        "maintenance": maintenance_usd(capital_usd, held_s, site.maintenance_share),
        "energy": np.nan_to_num(energy_kwh(bought_w, period_s)) * site.electricity_usd_per_kwh,
    }
    rent = rent_usd(rented_devices.astype(np.float64), tariffs.rent_usd_per_h[platform], period_s)
    cannot_buy = np.isnan(accelerators_usd)
    rented = _rented(_sum(buy), rent, cannot_buy, site.acquisition)
    parts = {part: np.where(rented, 0.0, usd) for part, usd in buy.items()} | {"rental": np.where(rented, np.nan_to_num(rent), 0.0)}
    devices = np.where(rented, rented_devices, bought_devices)
    loaded = _it_parts_w(tariffs, platform, devices, network, assumptions.power_share)
    total_w = facility_w(_sum(loaded), site.pue)
    host_unpriced = np.array(tariffs.host_unpriced, dtype=bool)[platform]
    return Charges(
        rented=rented,
        total_usd=_sum(parts),
        capital_usd=np.where(rented, 0.0, capital_usd),
        at_least=np.where(rented, np.isnan(rent), cannot_buy | host_unpriced | network.unpriced | np.isnan(bought_w)),
        parts_usd=parts,
        it_parts_w=loaded,
        facility_w=total_w,
        rated_facility_w=facility_w(_sum(_it_parts_w(tariffs, platform, devices, network, 1.0)), site.pue),
        energy_kwh=energy_kwh(total_w, period_s),
    )


def _it_parts_w(tariffs: Tariffs, platform: IntColumn, devices: IntColumn, network: Network, load_share: float) -> dict[str, FloatColumn]:
    return {
        "accelerators": loaded_w(devices * tariffs.accelerator_rated_w[platform], load_share),
        "hosts": loaded_w(devices * tariffs.host_rated_w[platform], load_share),
        "network": loaded_w(network.rated_w, load_share),
    }


def _sum(parts: dict[str, FloatColumn]) -> FloatColumn:
    first, *others = parts.values()
    return sum(others, first)


def _rented(buy_usd: FloatColumn, rent_usd: FloatColumn, cannot_buy: BoolColumn, acquisition: str) -> BoolColumn:
    """Where renting is asked for, or is cheaper, or buying has no price; never where only buying has one."""
    if acquisition != "best":
        return np.full(len(buy_usd), acquisition == "rent")
    with np.errstate(invalid="ignore"):
        cheaper = rent_usd < buy_usd
    chosen: BoolColumn = ~np.isnan(rent_usd) & (cannot_buy | cheaper)
    return chosen
