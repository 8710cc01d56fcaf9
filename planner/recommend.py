"""From chosen rows to recommendations: the parts of each figure, what is left to each limit, why it is not first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hardware_db.records import Price
from planner.answer import BillLine, Bottleneck, Cost, MemoryUse, Performance, Power, Recommendation, Strategy
from planner.economics.charges import Charges
from planner.economics.cost import SECONDS_PER_DAY, SECONDS_PER_HOUR, usd_per_million_tokens
from planner.economics.power import operational_kgco2e
from planner.ground import Ground
from planner.outcomes import Candidates, Outcomes
from planner.search.columns import FloatColumn


@dataclass(frozen=True, slots=True)
class Described:
    """What a stage says of one chosen candidate, beside the figures that all candidates have."""

    strategy: Strategy
    performance: Performance
    memory: MemoryUse
    bottleneck: Bottleneck
    headroom: dict[str, float]  # to the limits of the workload
    tokens: float  # trained, or read and written, over the period
    period_s: float


def recommendations(ground: Ground, chosen: Outcomes[Candidates], money: Charges, described: list[Described]) -> tuple[Recommendation, ...]:
    """One recommendation a row of `chosen`, in its order, which is the ranking."""
    return tuple(_recommendation(ground, chosen, money, row, what) for row, what in enumerate(described))


def _recommendation(ground: Ground, chosen: Outcomes[Candidates], money: Charges, row: int, what: Described) -> Recommendation:
    platform = int(chosen.columns.platform[row])
    chip = ground.hardware.accelerators[ground.platforms.accelerator_id[platform]]
    server = ground.hardware.servers.get(ground.platforms.server_id[platform])
    cost, power = _cost(ground, chosen, money, row, what), _power(ground, money, row)
    limits = ground.request.limits
    headroom = what.headroom | {"memory": 1.0 - what.memory.used_bytes / (what.memory.capacity_bytes - what.memory.reserve_bytes)}
    headroom |= {"devices": 1.0 - int(chosen.devices[row]) / limits.max_devices}
    if limits.budget_usd is not None:
        headroom["budget"] = 1.0 - cost.total_usd / limits.budget_usd
    if limits.power_w is not None:
        headroom["power"] = 1.0 - float(money.rated_facility_w[row]) / limits.power_w
    return Recommendation(
        rank=row + 1,
        accelerator_id=chip.id,
        accelerator_name=chip.name,
        vendor=chip.vendor,
        devices=int(chosen.devices[row]),
        server_id=server.id if server else "",
        server_name=server.name if server else "",
        servers=int(chosen.servers[row]),
        replicas=int(chosen.replicas[row]),
        strategy=what.strategy,
        performance=what.performance,
        memory=what.memory,
        cost=cost,
        power=power,
        bottleneck=what.bottleneck,
        headroom=headroom,
        bill=_bill(ground, chosen, row),
        why_not_first=_why_not_first(chosen, row, ground.request.objective),
    )


def _cost(ground: Ground, chosen: Outcomes[Candidates], money: Charges, row: int, what: Described) -> Cost:
    platform, rented = int(chosen.columns.platform[row]), bool(chosen.rented[row])
    chip = ground.hardware.accelerators[ground.platforms.accelerator_id[platform]]
    rate, total = ground.tariffs.rates[platform], float(money.total_usd[row])
    device_hours = int(chosen.devices[row]) * what.period_s / SECONDS_PER_HOUR
    unpriced = []
    if not rented and chosen.at_least[row]:
        unpriced = [chip.id] if np.isnan(ground.tariffs.accelerator_usd[platform]) else ["host"]
    date = (rate.date if rate else "") if rented else (chip.price.date if chip.price else "")
    return Cost(
        acquisition="rent" if rented else "buy",
        period_days=what.period_s / SECONDS_PER_DAY,
        parts={name: usd for name, column in money.parts_usd.items() if (usd := float(column[row])) > 0},
        total_usd=total,
        capital_usd=float(money.capital_usd[row]),
        usd_per_device_hour=total / device_hours,
        usd_per_million_tokens=float(usd_per_million_tokens(total, what.tokens)),
        at_least=bool(chosen.at_least[row]),
        unpriced=tuple(unpriced),
        price_date=date,
    )


def _power(ground: Ground, money: Charges, row: int) -> Power:
    parts = {name: float(column[row]) for name, column in money.it_parts_w.items() if not np.isnan(column[row])}
    facility_w = known(money.facility_w[row])
    it_w = sum(parts.values()) if facility_w is not None else None
    kwh = known(money.energy_kwh[row])
    return Power(
        it_parts_w=parts,
        it_w=it_w,
        cooling_w=facility_w - it_w if facility_w is not None and it_w is not None else None,
        facility_w=facility_w,
        rated_facility_w=known(money.rated_facility_w[row]),
        energy_kwh=kwh,
        carbon_kgco2e=None if kwh is None else operational_kgco2e(kwh, ground.request.site.carbon_g_per_kwh),
    )


def known(figure: float) -> float | None:
    """The figure, or None where it is unknown (NaN)."""
    return None if np.isnan(figure) else float(figure)


def _bill(ground: Ground, chosen: Outcomes[Candidates], row: int) -> tuple[BillLine, ...]:
    """What is bought, part by part; nothing when it is rented."""
    if chosen.rented[row]:
        return ()
    platform = int(chosen.columns.platform[row])
    chip = ground.hardware.accelerators[ground.platforms.accelerator_id[platform]]
    server = ground.hardware.servers.get(ground.platforms.server_id[platform])
    if server and server.price and not ground.tariffs.host_unpriced[platform]:
        return (bill_line("server", server.id, int(chosen.servers[row]), server.power_max_w, server.price),)
    return (bill_line("accelerator", chip.id, int(chosen.devices[row]), chip.tdp_w, chip.price),)


def bill_line(part: str, catalog_id: str, quantity: int, unit_power_w: float | None, price: Price | None) -> BillLine:
    """One line; without a price it needs a quote."""
    return BillLine(
        part=part,
        catalog_id=catalog_id,
        quantity=quantity,
        unit_power_w=unit_power_w,
        unit_low_usd=price.low_usd if price else None,
        unit_typical_usd=price.typical_usd if price else None,
        unit_high_usd=price.high_usd if price else None,
        price_date=price.date if price else "",
        price_basis=price.basis if price else "quote needed",
        source="; ".join(price.sources) if price else "",
        subtotal_usd=quantity * price.typical_usd if price else None,
    )


def _why_not_first(chosen: Outcomes[Candidates], row: int, objective: str) -> str:
    """Code of what this row does worse than the first, by the objective and then by cost."""
    if row == 0:
        return ""
    if chosen.at_least[row] and not chosen.at_least[0] and objective in {"cost", "per_dollar"}:
        return "price_unknown"
    figures: dict[str, tuple[str, FloatColumn]] = {
        "cost": ("dearer", chosen.cost_usd),
        "per_dollar": ("dearer", chosen.cost_usd),
        "time": ("slower", chosen.time_s),
        "throughput": ("slower", -chosen.tokens_per_s),
        "power": ("more_power", chosen.facility_w),
        "carbon": ("more_energy", chosen.energy_kwh),
        "per_watt": ("more_energy", chosen.energy_kwh),
    }
    code, column = figures[objective]
    return code if column[row] > column[0] else "more_devices"
