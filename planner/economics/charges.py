"""What candidates are charged over a period: bought or rented, whichever is asked for or cheaper (equation 7.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.economics.cost import depreciation_usd, energy_kwh, maintenance_usd, rent_usd
from planner.economics.holdings import Holdings, total_w
from planner.economics.power import facility_w, loaded_w
from planner.request import Assumptions, Site
from planner.search.columns import BoolColumn, FloatColumn, IntColumn

ROUNDING = 1e-9  # relative, by which a limit may be passed


@dataclass(frozen=True, slots=True)
class Charges:
    """Columns over candidates. `parts_usd` add up to `total_usd`; parts of the acquisition not chosen are 0.

    Power and energy are NaN where a rating is unknown.

    room_used   as of the holdings; what is rented stands elsewhere
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
    room_used: FloatColumn


def charges(
    holdings: Holdings,
    bought_devices: IntColumn,
    rented_devices: IntColumn,
    rent_usd_per_h: FloatColumn,
    period_s: FloatColumn,
    site: Site,
    assumptions: Assumptions,
    *,
    utilisation: float = 1.0,
) -> Charges:
    """Charges of clusters for `period_s` seconds.

    holdings         of the `bought_devices` accelerators
    rent_usd_per_h   of one accelerator, NaN where nobody rents it out
    utilisation      share of its life that owned hardware is in use: the idle rest is charged to who uses it
    """
    rented = holdings.scaled(rented_devices / bought_devices)
    return charges_of(holdings, rented, rented_devices * rent_usd_per_h, period_s, site, assumptions, utilisation=utilisation)


def charges_of(
    holdings: Holdings,
    used_if_rented: Holdings,
    rent_usd_per_h: FloatColumn,
    period_s: FloatColumn,
    site: Site,
    assumptions: Assumptions,
    *,
    utilisation: float = 1.0,
) -> Charges:
    """Charges of what is held when bought, or of the part of it that is used when rented at `rent_usd_per_h` for the whole."""
    held_s = period_s / utilisation
    bought_w = facility_w(total_w(holdings.loaded_w(assumptions.power_share)), site.pue)
    buy = {
        "servers": depreciation_usd(holdings.servers_usd, held_s, site.years, site.residual_share),
        "network": depreciation_usd(holdings.network_usd, held_s, site.years, site.residual_share),
        "racks": depreciation_usd(holdings.racks_usd, held_s, site.years, site.residual_share),
        "maintenance": maintenance_usd(holdings.capital_usd, held_s, site.maintenance_share),
        "energy": np.nan_to_num(energy_kwh(bought_w, period_s)) * site.electricity_usd_per_kwh,
    }
    rent = rent_usd(np.ones_like(rent_usd_per_h), rent_usd_per_h, period_s)
    cannot_buy = holdings.unpriced | (holdings.room_used > 1.0 + ROUNDING).any(axis=1)
    rented = _rented(np.sum(list(buy.values()), axis=0), rent, cannot_buy, site.acquisition)
    parts = {part: np.where(rented, 0.0, usd) for part, usd in buy.items()} | {"rental": np.where(rented, np.nan_to_num(rent), 0.0)}
    if_rented_w = used_if_rented.loaded_w(1.0)
    rated = {part: np.where(rented, if_rented_w[part], watts) for part, watts in holdings.loaded_w(1.0).items()}
    loaded = {part: loaded_w(watts, assumptions.power_share) for part, watts in rated.items()}
    load_w = facility_w(total_w(loaded), site.pue)
    return Charges(
        rented=rented,
        total_usd=np.sum(list(parts.values()), axis=0),
        capital_usd=np.where(rented, 0.0, holdings.capital_usd),
        at_least=np.where(rented, np.isnan(rent), holdings.at_least | np.isnan(bought_w)),
        parts_usd=parts,
        it_parts_w=loaded,
        facility_w=load_w,
        rated_facility_w=facility_w(total_w(rated), site.pue),
        energy_kwh=energy_kwh(load_w, period_s),
        room_used=np.where(rented[:, None], 0.0, holdings.room_used),
    )


def _rented(buy_usd: FloatColumn, rent_usd: FloatColumn, cannot_buy: BoolColumn, acquisition: str) -> BoolColumn:
    """Where renting is asked for, or is cheaper, or buying has no price or no room; never where nobody rents it out."""
    if acquisition != "best":
        return np.full(len(buy_usd), acquisition == "rent")
    with np.errstate(invalid="ignore"):
        cheaper = rent_usd < buy_usd
    chosen: BoolColumn = ~np.isnan(rent_usd) & (cannot_buy | cheaper)
    return chosen
