"""Any configuration that a search shows can be had as a recommendation, with the figures that were shown."""

import pytest

from planner import frontier, plan
from planner.chosen import recommendation_of
from planner.request import PlanRequest

FEW = {"accelerators": ["nvidia-h100-sxm-80gb", "nvidia-l40s"], "max_devices": 128}
SERVING = PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 20}, "limits": FEW})
TRAINING = PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "training", "tokens": 1e10}, "limits": FEW})


@pytest.mark.parametrize("request_", [SERVING, TRAINING], ids=["serving", "training"])
def test_every_configuration_that_the_plan_shows_can_be_chosen(request_):
    points = plan(request_).frontier
    for point in points[:: max(1, len(points) // 12)]:
        chosen = recommendation_of(request_, point)
        assert chosen is not None
        assert (chosen.accelerator_id, chosen.devices, chosen.strategy.precision) == (point.accelerator_id, point.devices, point.precision)
        speed = chosen.performance
        assert point.time_s == pytest.approx(speed.end_to_end_s if speed.run_s is None else speed.run_s)
        assert chosen.cost.total_usd >= point.cost_usd * (1 - 1e-9), "the closed form is never above the exact cost"
        assert chosen.bill or chosen.cost.acquisition == "rent"


def test_a_configuration_of_another_frontier_can_be_chosen_too():
    axes = ("power", "time")
    point = frontier(TRAINING, axes)[0]
    chosen = recommendation_of(TRAINING, point, axes)
    assert chosen is not None
    assert chosen.power.facility_w == pytest.approx(point.facility_w, rel=0.05)


def test_the_best_of_the_plan_is_the_recommendation_that_it_gives():
    answer = plan(SERVING)
    first = answer.recommendations[0]
    point = next(
        point
        for point in answer.frontier
        if (point.accelerator_id, point.devices, point.precision) == (first.accelerator_id, first.devices, first.strategy.precision)
        and point.time_s == pytest.approx(first.performance.end_to_end_s)
    )
    assert recommendation_of(SERVING, point) == first


def test_what_no_search_has_found_is_not_invented():
    point = plan(SERVING).frontier[0]
    assert recommendation_of(SERVING, point.model_copy(update={"cost_usd": point.cost_usd + 1})) is None
    assert recommendation_of(SERVING, point.model_copy(update={"accelerator_id": "no-such-chip"})) is None
