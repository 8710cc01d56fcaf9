"""Power of a cluster: what its parts draw under load, at the plug and at the meter (equations 7.1, 7.3)."""

from __future__ import annotations

from planner.economics.cost import Number


def facility_w(it_w: Number, pue: float) -> Number:
    """Draw of the whole facility: IT power times PUE (equation 7.1)."""
    return it_w * pue


def loaded_w(rated_w: Number, load_share: float) -> Number:
    """Mean draw under load as a measured share of the rated maximum (equation 7.1)."""
    return rated_w * load_share


def operational_kgco2e(energy_kwh: Number, carbon_g_per_kwh: float) -> Number:
    """Location-based emissions of the energy used (equation 7.3)."""
    return energy_kwh * carbon_g_per_kwh / 1_000.0
