"""What hardware costs over a period, bought or rented (equations 7.2). Scalars or arrays, USD and seconds."""

from __future__ import annotations

from typing import TypeVar

from planner.search.columns import FloatColumn

Number = TypeVar("Number", float, FloatColumn)

SECONDS_PER_HOUR = 3_600.0
SECONDS_PER_DAY = 86_400.0
JOULES_PER_KWH = 3.6e6
SECONDS_PER_YEAR = 8_760.0 * SECONDS_PER_HOUR


def depreciation_usd(capital_usd: Number, period_s: Number, life_years: float, residual_share: float) -> Number:
    """Straight-line share of the purchase price that `period_s` uses up (equation 7.2)."""
    return capital_usd * (1.0 - residual_share) * period_s / (life_years * SECONDS_PER_YEAR)


def maintenance_usd(capital_usd: Number, period_s: Number, share_per_year: float) -> Number:
    """Maintenance over `period_s` at a yearly share of the purchase price (equation 7.2)."""
    return capital_usd * share_per_year * period_s / SECONDS_PER_YEAR


def rent_usd(device_count: Number, usd_per_device_hour: Number, period_s: Number) -> Number:
    """Rental of `device_count` accelerators for `period_s` (equation 7.2)."""
    return device_count * usd_per_device_hour * period_s / SECONDS_PER_HOUR


def energy_kwh(power_w: Number, period_s: Number) -> Number:
    """Energy of a constant draw, kWh (equation 7.1)."""
    return power_w * period_s / SECONDS_PER_HOUR / 1_000.0


def usd_per_million_tokens(cost_usd: Number, tokens: Number) -> Number:
    """Cost of a million tokens (equation 7.2)."""
    return cost_usd / tokens * 1e6
