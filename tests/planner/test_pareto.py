"""Frontiers of whole requests: nothing beats a point, and the best plan is never beyond them."""

import pytest

from planner import PlanRequest, frontier, plan
from planner.pareto import configurations

TRAINING = PlanRequest.parse(
    {
        "model": "llama3.1-8b",
        "workload": {"kind": "training", "tokens": 1e11, "deadline_days": 60},
        "limits": {"max_devices": 512, "accelerators": ["nvidia-h100-sxm-80gb", "nvidia-b200-sxm-180gb", "amd-mi300x", "google-tpu-v5p"]},
    }
)
SERVING = PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 20}})
FIGURES = {"cost": "cost_usd", "time": "time_s", "power": "facility_w", "carbon": "carbon_kgco2e"}


@pytest.mark.parametrize("request_", [TRAINING, SERVING], ids=["training", "serving"])
@pytest.mark.parametrize("axes", [("cost", "time"), ("power", "time"), ("carbon", "cost")])
def test_along_a_frontier_one_figure_rises_as_the_other_falls(request_, axes):
    points = frontier(request_, axes)
    first, second = ([getattr(point, FIGURES[axis]) for point in points if not point.at_least] for axis in axes)
    assert points
    assert first == sorted(first)
    assert second == sorted(second, reverse=True)


@pytest.mark.parametrize("request_", [TRAINING, SERVING], ids=["training", "serving"])
def test_all_that_fits_is_in_order_with_the_frontier_marked(request_):
    points = tuple(frontier(request_, ("cost", "time")))
    everything = list(configurations(request_))
    assert len(everything) > len(points)
    assert tuple(point for point in everything if point.pareto) == points
    complete = [point.cost_usd for point in everything if not point.at_least]
    assert complete == sorted(complete)
    fewer = list(configurations(request_, most=len(points) + 3))
    assert len(fewer) == len(points) + 3
    assert tuple(point for point in fewer if point.pareto) == points


@pytest.mark.parametrize("objective", ["cost", "time", "power", "carbon"])
def test_the_ends_of_a_frontier_are_the_best_of_each_objective(objective):
    best = plan(TRAINING.model_copy(update={"objective": objective}))
    other = "time" if objective != "time" else "cost"
    ends = frontier(TRAINING, (objective, other))
    figures = [getattr(point, FIGURES[objective]) for point in best.frontier if not point.at_least]
    assert min(getattr(point, FIGURES[objective]) for point in ends if not point.at_least) == pytest.approx(min(figures))


def test_the_nearest_miss_of_an_accelerator_has_figures_to_be_drawn_by():
    request = PlanRequest.parse(
        {"model": "llama3.1-70b", "workload": {"kind": "serving"}, "limits": {"accelerators": ["nvidia-h100-sxm-80gb", "nvidia-rtx-a6000"]}}
    )
    answer = plan(request)
    miss = next(miss for miss in answer.search.nearest if miss.accelerator_id == "nvidia-rtx-a6000")
    assert miss.point is not None
    assert miss.point.accelerator_id == miss.accelerator_id
    assert miss.point.cost_usd > 0
    assert not miss.point.pareto
    assert miss.point not in answer.frontier, "what does not fit is on no frontier"
