"""Money and energy against hand-computed and published figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.economics.cost import (
    SECONDS_PER_DAY,
    SECONDS_PER_YEAR,
    depreciation_usd,
    energy_kwh,
    maintenance_usd,
    rent_usd,
    usd_per_million_tokens,
)
from planner.economics.power import facility_w, loaded_w, operational_kgco2e


@pytest.mark.parametrize(
    ("chips", "days", "chip_w", "pue", "published_mwh", "expected_mwh"),
    [
        (10_000, 14.8, 330.0, 1.10, 1287, 1289),  # GPT-3
        (512, 20.0, 310.0, 1.12, 85.7, 85.3),  # T5-11B
        (1_024, 30.0, 289.0, 1.09, 232, 232.3),  # Meena
        (1_024, 3.1, 288.0, 1.09, 24.1, 23.9),  # GShard-600B
    ],
)
def test_energy_of_published_runs_patterson_2021_table_4(chips, days, chip_w, pue, published_mwh, expected_mwh):
    """Worked example 37: chips x days x average system power x PUE (arXiv:2104.10350, table 4)."""
    mwh = energy_kwh(facility_w(chips * chip_w, pue), days * SECONDS_PER_DAY) / 1_000
    assert mwh == pytest.approx(expected_mwh, rel=0.003)
    assert mwh == pytest.approx(published_mwh, rel=0.01)


def test_energy_of_bloom():
    """Worked example 38: 1,082,990 hours at 0.4 kW are 433,196 kWh (arXiv:2211.02001)."""
    assert energy_kwh(400.0, 1_082_990 * 3_600.0) == pytest.approx(433_196)


def test_a_machine_kept_for_life_costs_its_price_less_what_is_left():
    assert depreciation_usd(400_000.0, 4 * SECONDS_PER_YEAR, 4.0, 0.1) == pytest.approx(360_000)


def test_maintenance_of_a_year():
    assert maintenance_usd(400_000.0, SECONDS_PER_YEAR, 0.05) == pytest.approx(20_000)


def test_renting_by_hand():
    assert rent_usd(16.0, 2.5, 10 * 3_600.0) == pytest.approx(400)


def test_a_million_tokens_by_hand():
    assert usd_per_million_tokens(100.0, 50e6) == pytest.approx(2.0)


def test_emissions_by_hand():
    assert operational_kgco2e(1_000.0, 400.0) == pytest.approx(400)


def test_load_is_a_share_of_the_rating():
    assert loaded_w(10_200.0, 0.69) == pytest.approx(7_038)


@given(st.floats(1, 1e9), st.floats(1, 1e8), st.floats(0.5, 10))
def test_depreciation_is_linear_in_time_and_price(capital, seconds, life):
    one = depreciation_usd(capital, seconds, life, 0.0)
    assert depreciation_usd(2 * capital, 3 * seconds, life, 0.0) == pytest.approx(6 * one)


def test_formulas_take_columns():
    assert np.allclose(rent_usd(np.array([1.0, 2.0]), np.array([3.0, 3.0]), np.array([3_600.0, 7_200.0])), [3.0, 12.0])
