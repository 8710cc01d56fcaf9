"""The tornado as drawn and told."""

from dashboard.charts.tornado import tornado_figure
from dashboard.language import speaking
from planner.explain.sensitivity import PRICE, Sensitivities, Sensitivity

FOUND = Sensitivities(
    100_000.0,
    (
        Sensitivity(PRICE, 240_000.0, 360_000.0, 80_000.0, 120_000.0),
        Sensitivity("workload.requests_per_s", 8.0, 12.0, 90_000.0, 115_000.0),
        Sensitivity("workload.ttft_s", 1.6, 2.4, 110_000.0, 100_000.0),
        Sensitivity("site.pue", 1.2, 1.8, 97_000.0, 103_000.0),
        Sensitivity("site.residual_share", 0.08, 0.12, 101_000.0, 99_000.0),
        Sensitivity("site.utilisation", 0.6, 0.9, 100_000.0, 100_000.0),
    ),
)


def figure(found: Sensitivities = FOUND):
    with speaking("en"):
        return tornado_figure(found)


def test_the_title_names_the_input_that_moves_it_most():
    assert figure().finding == "Price of the hardware (USD) moves the cost most: ±20% of it, up to 20%"


def test_five_bars_are_drawn_around_the_cost_of_today_and_the_table_has_all():
    drawn = figure()
    bars = next(rows for rows in drawn.chart.to_dict()["datasets"].values() if "low" in rows[0])
    assert [(bar["low"], bar["high"]) for bar in bars] == [(-20.0, 20.0), (-10.0, 15.0), (0.0, 10.0), (-3.0, 3.0), (-1.0, 1.0)]
    assert len(drawn.table.rows) == 6


def test_values_are_in_the_unit_of_the_label():
    """A limit of 1.6 s stands as milliseconds in the form."""
    assert "Time to first token, at most (ms): 1,600 and 2,400" in figure().alternative


def test_an_end_at_which_nothing_fits_says_so():
    found = Sensitivities(100_000.0, (Sensitivity("workload.requests_per_s", 8.0, 12.0, 90_000.0, None),))
    drawn = figure(found)
    assert drawn.finding == "Mean traffic (requests/s) can stop it: nothing fits within ±20% of it"
    assert "nothing fits" in drawn.alternative
