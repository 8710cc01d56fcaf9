"""From chosen rows to recommendations: the parts of each figure, what is left to each limit, why it is not first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.answer import (
    BillLine,
    Bottleneck,
    Cost,
    MemoryUse,
    Performance,
    Power,
    PrefillPart,
    PromptCache,
    Recommendation,
    Roofline,
    Strategy,
    Support,
)
from planner.built import fabric
from planner.cluster.bill import bill_totals, joined_bill
from planner.cluster.design import ClusterDesign
from planner.cluster.racks import ROOM_LIMITS
from planner.economics.charges import Charges
from planner.economics.cost import JOULES_PER_KWH, SECONDS_PER_DAY, SECONDS_PER_HOUR, usd_per_million_tokens
from planner.economics.power import operational_kgco2e
from planner.ground import Ground
from planner.outcomes import Candidates, Outcomes
from planner.search.best_first import Rows
from planner.search.columns import FloatColumn


@dataclass(frozen=True, slots=True)
class Prefilling:
    """The part of a deployment that prefills, and its exact cluster if that is one of its own, and bought."""

    part: PrefillPart
    cluster: ClusterDesign | None


@dataclass(frozen=True, slots=True)
class TokenSplit:
    """Tokens read and written over the period, and the share of money and energy that goes to reading."""

    input_tokens: float
    output_tokens: float
    input_share: float

    def input_figure(self, whole: float) -> float:
        """What of `whole` one token read takes."""
        return whole * self.input_share / self.input_tokens

    def output_figure(self, whole: float) -> float:
        """What of `whole` one token written takes."""
        return whole * (1.0 - self.input_share) / self.output_tokens


@dataclass(frozen=True, slots=True)
class Described:
    """What a stage says of one chosen candidate, beside the figures that all candidates have."""

    strategy: Strategy
    performance: Performance
    memory: MemoryUse
    bottleneck: Bottleneck
    roofline: Roofline | None
    headroom: dict[str, float]  # to the limits of the workload
    tokens: float  # trained, or read and written, over the period
    period_s: float
    split: TokenSplit | None = None
    prefill: Prefilling | None = None
    prompt_cache: PromptCache | None = None
    support: Support | None = None


Recommend = Callable[[Rows], tuple[Recommendation, ...]]  # of some rows, in their order


def recommendations(
    ground: Ground,
    chosen: Outcomes[Candidates],
    money: Charges,
    clusters: list[ClusterDesign | None],
    order: Rows,
    describe: Callable[[int], Described],
) -> tuple[Recommendation, ...]:
    """One recommendation for each row of `chosen` in `order`, which is the ranking."""
    ranked = [(rank, int(row)) for rank, row in enumerate(order, start=1)]
    return tuple(_recommendation(ground, chosen, money, clusters[row], rank, row, int(order[0]), describe(row)) for rank, row in ranked)


def _recommendation(
    ground: Ground,
    chosen: Outcomes[Candidates],
    money: Charges,
    cluster: ClusterDesign | None,
    rank: int,
    row: int,
    first: int,
    what: Described,
) -> Recommendation:
    platform = int(chosen.columns.platform[row])
    chip = ground.hardware.accelerators[ground.platforms.accelerator_id[platform]]
    server = ground.hardware.servers.get(ground.platforms.server_id[platform])
    limits, prefill = ground.request.limits, what.prefill
    bought = None if chosen.rented[row] else cluster
    built = [design for design in (bought, prefill.cluster if prefill else None) if design]
    bill = joined_bill(design.bill for design in built)
    cost, power = _cost(ground, chosen, money, bill, row, what), _power(ground, money, row, what)
    memory = [what.memory] if prefill is None else [what.memory, prefill.part.memory]
    headroom = what.headroom | {"memory": min(1.0 - use.used_bytes / (use.capacity_bytes - use.reserve_bytes) for use in memory)}
    headroom |= {"devices": 1.0 - int(chosen.devices[row]) / limits.max_devices}
    if limits.budget_usd is not None:
        headroom["budget"] = 1.0 - cost.total_usd / limits.budget_usd
    if limits.power_w is not None:
        headroom["power"] = 1.0 - float(money.rated_facility_w[row]) / limits.power_w
    headroom |= {limit: 1.0 - float(used) for limit, used in zip(ROOM_LIMITS, money.room_used[row], strict=False) if used > 0.0}
    return Recommendation(
        rank=rank,
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
        roofline=what.roofline,
        headroom=headroom,
        bill=bill,
        fabric=fabric(ground.hardware, bought) if bought else None,
        prefill=prefill.part if prefill else None,
        support=what.support,
        prompt_cache=what.prompt_cache,
        why_not_first=_why_not_first(chosen, row, first, ground.request.objective),
    )


def _cost(ground: Ground, chosen: Outcomes[Candidates], money: Charges, bill: tuple[BillLine, ...], row: int, what: Described) -> Cost:
    platform, rented = int(chosen.columns.platform[row]), bool(chosen.rented[row])
    chip = ground.hardware.accelerators[ground.platforms.accelerator_id[platform]]
    rate, total, totals = ground.rates[platform], float(money.total_usd[row]), bill_totals(bill)
    device_hours = int(chosen.devices[row]) * what.period_s / SECONDS_PER_HOUR
    date = (rate.date if rate else "") if rented else (chip.price.date if chip.price else "")
    return Cost(
        acquisition="rent" if rented else "buy",
        period_days=what.period_s / SECONDS_PER_DAY,
        parts={name: usd for name, column in money.parts_usd.items() if (usd := float(column[row])) > 0},
        total_usd=total,
        capital_usd=totals.typical_usd,
        usd_per_device_hour=total / device_hours,
        usd_per_million_tokens=float(usd_per_million_tokens(total, what.tokens)),
        usd_per_million_input_tokens=what.split.input_figure(total) * 1e6 if what.split else None,
        usd_per_million_output_tokens=what.split.output_figure(total) * 1e6 if what.split else None,
        at_least=bool(chosen.at_least[row]),
        unpriced=totals.unpriced,
        price_date=date,
    )


def _power(ground: Ground, money: Charges, row: int, what: Described) -> Power:
    parts = {name: float(column[row]) for name, column in money.it_parts_w.items() if not np.isnan(column[row])}
    facility_w = known(money.facility_w[row])
    it_w = sum(parts.values()) if facility_w is not None else None
    kwh = known(money.energy_kwh[row])
    joules, split = None if kwh is None else kwh * JOULES_PER_KWH, what.split
    return Power(
        it_parts_w=parts,
        it_w=it_w,
        cooling_w=facility_w - it_w if facility_w is not None and it_w is not None else None,
        facility_w=facility_w,
        rated_facility_w=known(money.rated_facility_w[row]),
        energy_kwh=kwh,
        joules_per_token=None if joules is None else joules / what.tokens,
        joules_per_input_token=None if joules is None or split is None else split.input_figure(joules),
        joules_per_output_token=None if joules is None or split is None else split.output_figure(joules),
        carbon_kgco2e=None if kwh is None else operational_kgco2e(kwh, ground.request.site.carbon_g_per_kwh),
    )


def known(figure: float) -> float | None:
    """The figure, or None where it is unknown (NaN)."""
    return None if np.isnan(figure) else float(figure)


def _why_not_first(chosen: Outcomes[Candidates], row: int, first: int, objective: str) -> str:
    """Code of what this row does worse than the first, by the objective and then by cost."""
    if row == first:
        return ""
    if chosen.at_least[row] and not chosen.at_least[first] and objective in {"cost", "per_dollar"}:
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
    return code if column[row] > column[first] else "more_devices"
