"""The frontier drawn: its steps, the shown option, prices that are not whole."""

from dashboard.charts.frontier import MEASURES, frontier_figure
from tests.dashboard import sample

PLAN = sample.plan()
NAMES = {"example-accelerator": "Example X"}


def marks(across: str, up: str) -> list[dict[str, object]]:
    chart = frontier_figure(PLAN, PLAN.recommendations[0], NAMES, across, up).chart.to_dict()
    return [layer["mark"] for layer in chart["layer"]]


def test_the_frontier_of_cost_and_time_is_a_step_line_and_no_line_joins_other_figures():
    assert [mark["interpolate"] for mark in marks("cost", "time") if mark["type"] == "line"] == ["step-after"]
    assert [mark["interpolate"] for mark in marks("time", "cost") if mark["type"] == "line"] == ["step-after"]
    assert not [mark for mark in marks("cost", "power") if mark["type"] == "line"]


def test_the_shown_option_is_marked_though_its_exact_cost_differs_from_the_estimate():
    points = tuple(point.model_copy(update={"cost_usd": point.cost_usd * 0.98}) for point in PLAN.frontier)
    plan = PLAN.model_copy(update={"frontier": points})
    chart = frontier_figure(plan, PLAN.recommendations[0], NAMES, "cost", "time").chart.to_dict()
    rows = next(rows for rows in chart["datasets"].values() if "shown" in rows[0])
    assert [row["shown"] for row in rows] == [True, False, False]


def test_a_cost_that_lacks_a_price_is_said_to_be_at_least_that():
    point = PLAN.frontier[0].model_copy(update={"at_least": True})
    assert MEASURES["cost"].text(point).startswith("at least")
