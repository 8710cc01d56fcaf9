"""The frontier drawn: its steps, what it beats, what does not fit, names to pick by."""

import pytest

from dashboard import engine
from dashboard.charts.frontier import MEASURES, Shown, frontier_dots, frontier_figure
from dashboard.language import speaking
from planner.answer import NearestMiss, Plan
from tests.dashboard import sample
from tests.dashboard.test_plan_page import plain, text_of

PLAN = sample.plan()
NAMES = {"example-accelerator": "Example X"}


USUAL = Shown("cost", "time")


def chart(plan: Plan = PLAN, view: Shown = USUAL) -> dict[str, object]:
    with speaking("en"):
        return frontier_figure(plan, plan.recommendations[0], NAMES, view).chart.to_dict()


def rows(drawn: dict[str, object], column: str) -> list[dict[str, object]]:
    return next(data for data in drawn["datasets"].values() if data and column in data[0])


@pytest.mark.parametrize(
    ("across", "up", "step"),
    [
        ("cost", "time", "step-after"),
        ("time", "power", "step-after"),
        ("cost", "throughput", "step-after"),
        ("throughput", "cost", "step-before"),
    ],
)
def test_the_frontier_is_a_line_of_steps_whatever_the_figures(across, up, step):
    """A configuration holds until a better one comes: to the right where less is better, to the left where more is."""
    marks = [layer["mark"] for layer in chart(view=Shown(across, up))["layer"]]
    assert [mark["interpolate"] for mark in marks if mark["type"] == "line"] == [step]


def test_what_something_beats_in_both_figures_is_not_on_the_frontier():
    """Of the sample each option is dearer than the one before, and faster: all three are; with power all but the first are beaten."""
    assert [row["optimal"] for row in rows(chart(), "optimal")] == [True, True, True]
    assert [row["optimal"] for row in rows(chart(view=Shown("cost", "power")), "optimal")] == [True, False, False]


def test_a_point_without_its_price_is_on_no_frontier_of_cost():
    points = (PLAN.frontier[0].model_copy(update={"at_least": True}), *PLAN.frontier[1:])
    plan = PLAN.model_copy(update={"frontier": points})
    assert [row["optimal"] for row in rows(chart(plan), "optimal")] == [False, True, True]
    assert [row["optimal"] for row in rows(chart(plan, Shown("devices", "time")), "optimal")] == [True, True, True]
    fastest = (*PLAN.frontier[:2], PLAN.frontier[2].model_copy(update={"at_least": True}))
    assert [row["optimal"] for row in rows(chart(PLAN.model_copy(update={"frontier": fastest})), "optimal")] == [True, True, False]


def test_the_shown_option_is_marked_though_its_exact_cost_differs_from_the_estimate():
    points = tuple(point.model_copy(update={"cost_usd": point.cost_usd * 0.98, "time_s": 5.4}) for point in PLAN.frontier[:1])
    plan = PLAN.model_copy(update={"frontier": (*points, *PLAN.frontier[1:])})
    assert [row["shown"] for row in rows(chart(plan), "shown")] == [True, False, False]


def test_a_cost_that_lacks_a_price_is_said_to_be_at_least_that():
    point = PLAN.frontier[0].model_copy(update={"at_least": True})
    assert MEASURES["cost"].text(point).startswith("at least")


def test_what_does_not_fit_stands_hollow_with_its_reason():
    miss = NearestMiss(accelerator_id="other", reason="ttft", over_by=0.4, change={}, point=PLAN.frontier[0])
    plan = PLAN.model_copy(update={"search": PLAN.search.model_copy(update={"nearest": (miss,)})})
    hollow = next(data for data in chart(plan)["datasets"].values() if data and set(data[0]) == {"x", "y", "label"})
    assert "Does not fit: it misses the limit on time to first token by 40%." in hollow[0]["label"]


def test_a_frontier_over_the_whole_space_stands_before_what_the_plan_has_seen():
    better = PLAN.frontier[0].model_copy(update={"cost_usd": 1.0, "devices": 9})
    view = Shown("cost", "power", (better, PLAN.frontier[1]))
    dots = frontier_dots(PLAN, view, NAMES)
    assert [(name, optimal) for name, _, optimal in dots] == [
        ("cost-power.0", True),
        ("cost-power.1", True),
        ("1", False),
        ("seen.2", False),
    ]


SERVED = {"model": "llama3.1-70b", "task": "serving", "tab": "frontier"}


def test_axes_come_from_the_link_and_a_row_of_the_table_becomes_the_shown_option(opened):
    app = opened(SERVED | {"x": "power", "y": "no-such-figure"})
    assert not app.exception
    assert (app.selectbox(key="frontier:x").value, app.selectbox(key="frontier:y").value) == ("power", "time")
    app.session_state["section:frontier_rows"] = True
    app.run()
    assert not app.exception
    assert len(app.dataframe) == 1
    assert "On the frontier" in app.dataframe[0].value.columns


def test_figures_without_a_frontier_over_all_say_so(opened):
    app = opened(SERVED | {"y": "devices", "every": "1"})
    assert not app.exception
    assert "These figures have no frontier over the whole space" in plain(text_of(app))


def test_the_frontier_over_all_is_searched_for_when_asked(opened, monkeypatch):
    searched = []

    def found(request, axes, library=None, progress=None):
        searched.append(axes)
        return PLAN.frontier[:1]

    monkeypatch.setattr("dashboard.options.frontier", found)
    engine.plans.clear()
    app = opened(SERVED | {"x": "power", "every": "1"})
    assert not app.exception
    assert searched == [("power", "time")]
    assert "Of all configurations." in plain(text_of(app))
    app.run()
    assert len(searched) == 1, "it is remembered"
