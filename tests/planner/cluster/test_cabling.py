"""Links: the parts reach, fit and are the cheapest; a shared module counts by its share."""

import pytest

from hardware_db import load_hardware
from planner.cluster.cabling import cheapest_link

HARDWARE = load_hardware()
G400, G800 = 50e9, 100e9


def ids(link):
    return sorted(part.record.id for part in link.parts)


def test_copper_where_it_reaches():
    assert ids(cheapest_link(HARDWARE, G400, 2, (G800, G400))) == ["dac-400"]


def test_an_optical_link_is_half_a_twin_module_a_fibre_and_a_module_at_the_card():
    """As in the catalog's rule for a 400G link of a switch with twin-port cages: 1,440 USD with modules for 100 m."""
    link = cheapest_link(HARDWARE, G400, 100, (G800, G400))
    shares = {part.record.id: part.quantity for part in link.parts}
    assert shares == {"osfp-2x400-dr8": 0.5, "osfp-400-dr4": 1, "mpo-trunk": 1}
    assert link.price.typical_usd == pytest.approx(HARDWARE.studies["optical-link-rule"].values["price"].typical_usd)


def test_nothing_is_taken_beyond_its_reach():
    for length_m in (1, 3, 5, 30, 50, 100):
        for rate in (25e9, G400, G800):
            for part in cheapest_link(HARDWARE, rate, length_m, (rate, rate)).parts:
                assert part.record.reach_m is None or part.record.reach_m >= length_m


def test_longer_is_never_cheaper():
    prices = [cheapest_link(HARDWARE, G400, length_m, (G800, G400)).price.typical_usd for length_m in (2, 20, 50, 100)]
    assert prices == sorted(prices)


def test_a_rate_that_nothing_carries_has_no_price():
    link = cheapest_link(HARDWARE, 12345.0, 10, (12345.0, 12345.0))
    assert link.parts == ()
    assert link.price is None
    assert link.w == 0


def test_a_cable_draws_at_both_ends():
    link = cheapest_link(HARDWARE, G400, 30, (G800, G400))
    assert ids(link) == ["aoc-400"]
    assert link.w == 2 * HARDWARE.cables["aoc-400"].power_typical_w
