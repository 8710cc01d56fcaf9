"""Names of options: what a link may say, and what it then shows."""

import pytest

from dashboard.options import is_option, name_of, option, valid, with_option
from planner import plan
from planner.request import PlanRequest
from tests.dashboard import sample
from tests.dashboard.test_plan_page import plain, text_of

FEW = {"accelerators": ["nvidia-h100-sxm-80gb", "nvidia-l40s"], "max_devices": 64}


@pytest.mark.parametrize("name", ["1", "40", "seen.0", "seen.999", "cost-time.3", "power-carbon.12"])
def test_names_of_options(name):
    assert valid(name)


@pytest.mark.parametrize(
    "name", ["", "0", "-1", "٣", "1e9", "seen", "seen.", "seen.12345", "cost-fun.1", "cost.1", "a-b-c.1", "<b>", "9" * 50]
)
def test_other_text_names_none(name):
    assert not valid(name)


def test_a_name_says_its_list_and_place():
    assert name_of(None, 3) == "seen.3"
    assert name_of(("cost", "power"), 0) == "cost-power.0"


def test_where_nothing_fits_there_is_no_option():
    assert option(sample.plan(options=0), "seen.1") is None


def test_a_rank_that_there_is_not_is_the_first():
    assert option(sample.plan(), "99").rank == 1
    assert option(sample.plan(), "3").rank == 3


@pytest.mark.parametrize("name", ["seen.0", "cost-power.0", "time-power.1"])
def test_a_configuration_of_a_frontier_becomes_an_option_after_the_last(name):
    answer = plan(PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "training", "tokens": 1e10}, "limits": FEW}))
    shown = option(answer, name)
    whole = with_option(answer, shown)
    assert shown in whole.recommendations
    assert shown.rank == whole.recommendations[-1].rank or shown in answer.recommendations
    assert len(whole.recommendations) - len(answer.recommendations) in (0, 1)


def test_a_place_beyond_the_frontier_is_the_first_option():
    answer = plan(PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "serving"}, "limits": FEW}))
    assert option(answer, "seen.9999") == answer.recommendations[0]


def test_a_fault_in_the_question_leaves_the_last_answer_in_sight(opened):
    app = opened()
    app.session_state["section:limits"] = True
    app.run()
    app.session_state["draft"]["limits.max_devices"] = -5
    app.run()
    assert not app.exception
    assert app.error
    said = plain(text_of(app))
    assert "This is the answer to the question before: Serve Example 70B at 10 requests/s." in said
    assert app.metric


def test_every_recommendation_stands_on_the_frontier_that_the_plan_shows():
    """Otherwise a point could not say which option it is."""
    answer = plan(PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 20}}))
    assert all(any(is_option(point, one) for point in answer.frontier) for one in answer.recommendations)


def test_a_served_configuration_can_be_picked_whatever_prefills_for_it():
    answer = plan(PlanRequest.parse({"model": "llama3.1-70b", "workload": {"kind": "serving", "requests_per_s": 10}}))
    place = next(place for place, point in enumerate(answer.frontier) if point.prefill_accelerator_id)
    picked = option(answer, f"seen.{place}")
    assert is_option(answer.frontier[place], picked)
    assert picked.prefill is not None
