"""Bisection over batches finds what trying every batch finds; replicas then run what their traffic needs."""

import numpy as np
import pytest

from planner.admission import admitted
from planner.goals import BestOfEach, Frontier
from planner.ground import ground
from planner.library import default_library
from planner.outcomes import Outcomes, objective_key, undominated
from planner.pipeline import plan
from planner.request import Limits, PlanRequest
from planner.search import serving_space
from planner.search.columns import ServingColumns
from planner.serving.model import ServedModel
from planner.serving.stage import ServingStage
from planner.subject import subject

MODELS = ("llama3.2-1b", "llama3.1-8b", "qwen3-8b", "qwen3-30b-a3b", "gpt-oss-20b", "deepseek-v2-lite")


def stage_for(seed, **asked):
    """A random small space: one accelerator, few devices, one model, limits that some batches miss."""
    random = np.random.default_rng(seed)
    library = default_library()
    usable, _ = admitted(Limits(), library.hardware)
    raw = {
        "model": str(random.choice([model for model in MODELS if model in library.models])),
        "workload": {
            "kind": "serving",
            "requests_per_s": float(10 ** random.uniform(-1, 2)),
            "input_tokens": int(10 ** random.uniform(1, 4)),
            "output_tokens": int(10 ** random.uniform(1, 3)),
            "ttft_s": float(10 ** random.uniform(-1, 1)),
            "tpot_s": float(10 ** random.uniform(-2, 0)),
            "engine": str(random.choice(["vllm", "sglang", "trtllm", "generic"])),
        }
        | asked,
        "limits": {"accelerators": [str(random.choice(usable))], "max_devices": int(random.choice([1, 2, 4, 8, 16]))},
    }
    request = PlanRequest.parse(raw)
    stands = ground(request, subject(request, library.models), library.hardware, request.limits.accelerators)
    return ServingStage(ServedModel.on(stands, library.serving_efficiency.on(stands.platforms, request.workload.engine)))


def rates_at(stage, cells, batch):
    replicas = stage.model.replicas(cells)
    return replicas.rates(replicas.steps(batch), batch)


def kept(stage, rates):
    return (rates.ttft_s <= stage.model.workload.ttft_s) & (rates.tpot_s <= stage.model.workload.tpot_s)


@pytest.mark.parametrize("seed", range(50))
def test_the_largest_batch_is_that_of_trying_every_batch(seed):
    stage = stage_for(seed)
    cells = stage.model.cells(0)
    most = np.maximum(stage.model.memory(cells).max_batch, 1)
    largest = np.ones(len(cells), dtype=np.int32)
    for index in range(len(serving_space.batches())):
        batch = serving_space.batch_at(np.full(len(cells), index), most)
        largest = np.where(kept(stage, rates_at(stage, cells, batch)), np.maximum(largest, batch), largest)
    replicas = stage.model.replicas(cells)
    assert np.array_equal(replicas.batch_at(replicas.limit()), largest)


@pytest.mark.parametrize("deployment", ["aggregated", "disaggregated"])
def test_a_limit_on_the_whole_answer_is_kept_and_its_miss_is_mended(deployment):
    def answered(limit_s):
        workload = {"kind": "serving", "requests_per_s": 20, "deployment": deployment, "end_to_end_s": limit_s}
        raw = {"model": "llama3.1-70b", "workload": workload, "limits": {"accelerators": ["nvidia-h100-sxm-80gb"]}}
        return plan(PlanRequest.parse(raw), default_library())

    loose, tight, hopeless = (answered(limit_s) for limit_s in (None, 4.0, 0.5))
    assert loose.recommendations[0].performance.end_to_end_s > 4.0
    assert all(option.performance.end_to_end_s <= 4.0 for option in tight.recommendations)
    assert all("end_to_end" in option.headroom for option in tight.recommendations)
    (miss,) = hopeless.search.nearest
    assert miss.reason == "end_to_end"
    assert answered(miss.change["workload.end_to_end_s"]).recommendations


@pytest.mark.parametrize("accelerator", ["intel-xeon-6980p", "amd-epyc-9965"])
def test_a_processor_serves_a_small_model_by_itself(accelerator):
    """One socket has no link to another accelerator: its rate is not known, and not needed."""
    workload = {"kind": "serving", "requests_per_s": 0.05, "ttft_s": 5, "tpot_s": 0.2, "deployment": "aggregated"}
    request = PlanRequest.parse({"model": "llama3.1-8b", "workload": workload, "limits": {"accelerators": [accelerator]}})
    best = plan(request, default_library()).recommendations[0]
    assert best.strategy.tp == best.strategy.pp == 1
    chip = default_library().hardware.accelerators[accelerator]
    assert best.performance.tpot_s > 16e9 / chip.memory_bandwidth_bytes_per_s  # 8 billion weights of two bytes are read for a token


@pytest.mark.parametrize("seed", range(20))
def test_every_feasible_replica_carries_its_share_of_the_peak_within_the_limits(seed):
    stage = stage_for(seed)
    cells = stage.model.cells(0)
    replicas = stage.model.replicas(cells)
    outcomes = stage.aggregated(replicas, replicas.limit())
    good = outcomes.take(outcomes.feasible)
    if not len(good):
        assert (outcomes.reason > 0).all()
        return
    assert isinstance(good.columns, ServingColumns)
    rates = rates_at(stage, good.columns, good.columns.batch)
    peak = stage.model.workload.requests_per_s * stage.model.workload.peak_to_mean
    assert kept(stage, rates).all()
    assert (rates.requests_per_s * good.replicas >= peak * (1 - 1e-9)).all()
    assert (good.capacity_per_s * stage.model.workload.utilisation_limit * good.replicas >= peak * (1 - 1e-6)).all()
    assert (good.devices >= good.replicas * good.columns.devices).all()


def filled_to_every_batch(stage):
    """Outcomes of all replicas filled to every place of the ladder of batches within memory and the latency limits."""
    replicas = stage.model.replicas(stage.model.cells(0))
    limit = replicas.limit()
    return Outcomes.concatenate([stage.aggregated(replicas, np.minimum(place, limit)) for place in range(int(limit.max(initial=0)) + 1)])


@pytest.mark.parametrize("seed", range(12))
def test_the_fastest_and_every_frontier_of_time_are_those_of_all_batches(seed):
    stage = stage_for(seed, deployment="aggregated")
    outcomes = filled_to_every_batch(stage)
    search = BestOfEach.of("time", 1)
    stage.search(search, lambda share: None)
    assert search.best.min(initial=np.inf) == pytest.approx(objective_key(outcomes, "time").min(initial=np.inf), rel=1e-12)
    feasible = outcomes.take(outcomes.feasible)
    for axes in (("cost", "time"), ("time", "power")):
        stage.search(goal := Frontier(axes), lambda share: None)
        first, second = (objective_key(feasible, axis) for axis in axes)
        optimal = undominated(first, second)
        assert np.allclose(goal.first, np.sort(first[optimal]), rtol=1e-12)
        assert np.allclose(goal.second, np.sort(second[optimal])[::-1], rtol=1e-12)


def test_more_accelerators_buy_shorter_answers():
    request = {"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 50}, "limits": {"max_devices": 64}}
    cheapest, fastest = (plan(PlanRequest.parse(request | {"objective": objective})).recommendations[0] for objective in ("cost", "time"))
    assert fastest.performance.end_to_end_s < cheapest.performance.end_to_end_s
    assert fastest.cost.total_usd > cheapest.cost.total_usd
