import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.performance.efficiency import load_efficiency
from planner.performance.training import RESOURCES, training_step
from planner.request import Training
from planner.search.columns import TrainingColumns
from tests.planner.performance.training_cases import A100, GB200, H100, columns, model, platform, step


def rows(count, seed=0):
    """Random legal candidates."""
    rng = np.random.default_rng(seed)
    tp, pp, cp, dp, micro = (2 ** rng.integers(0, top, count) for top in (4, 4, 2, 5, 3))
    chosen = {
        "platform": rng.integers(0, 2, count),
        "tp": tp,
        "pp": pp,
        "virtual_stages": np.where(pp > 1, 2 ** rng.integers(0, 3, count), 1),
        "cp": cp,
        "ep": np.ones(count),
        "dp": dp,
        "zero_stage": rng.integers(0, 4, count),
        "shard_group": dp * cp,
        "micro_batch": micro,
        "recompute": rng.integers(0, 3, count),
        "schedule": np.ones(count),
        "precision": np.zeros(count),
        "global_batch": dp * micro * rng.integers(1, 32, count),
    }
    return TrainingColumns(**{name: value.astype(np.int32) for name, value in chosen.items()})


STANDS = platform(A100, H100)
WORKLOAD = Training(sequence_tokens=4096)


@given(st.integers(0, 10_000))
def test_the_parts_of_a_step_add_up_to_it_and_none_is_negative(seed):
    found = training_step(model("llama3.1-8b"), WORKLOAD, STANDS, rows(40, seed), load_efficiency().on(STANDS))
    assert np.allclose(sum(found.parts_s.values()), found.step_s, rtol=1e-12)
    assert np.allclose(sum(found.resources_s.values()), found.step_s, rtol=1e-12)
    assert all(np.all(seconds > -1e-9) for seconds in found.parts_s.values())
    assert set(found.parts_s) <= set(RESOURCES)


@given(st.integers(0, 10_000))
def test_a_candidate_takes_as_long_alone_as_among_others(seed):
    together = rows(30, seed)
    efficiency = load_efficiency().on(STANDS)
    found = training_step(model("llama3.1-8b"), WORKLOAD, STANDS, together, efficiency).step_s
    alone = [
        training_step(model("llama3.1-8b"), WORKLOAD, STANDS, together.take(np.array([row])), efficiency).step_s[0] for row in (0, 13, 29)
    ]
    assert np.allclose(found[[0, 13, 29]], alone, rtol=1e-9)


def test_utilisation_is_below_one_everywhere():
    found = training_step(model("llama3.1-70b"), WORKLOAD, STANDS, rows(2_000), load_efficiency().on(STANDS))
    assert np.all((found.mfu > 0) & (found.mfu < 1))


def test_model_flops_are_three_forward_passes():
    # method, worked example 15: 2448 GFLOP a token for Llama 3.1 405B at 2048 tokens
    found = step(model("llama3.1-405b"), H100, 2048, tp=8, pp=16, dp=1, global_batch=16)
    assert found.model_flops[0] / (16 * 2048) == pytest.approx(2448e9, rel=0.005)


def test_the_pipeline_bubble_is_that_of_the_schedule():
    # method, worked example 31: 21.9 % of the ideal time for p 8, m 32, and 5.5 % with 4 virtual stages
    llama = model("llama3.1-405b")
    for virtual, share in ((1, 0.219), (4, 0.0547)):
        found = step(llama, H100, 4096, tp=8, pp=8, virtual_stages=virtual, global_batch=32)
        ideal = sum(found.parts_s[part] for part in found.parts_s if part not in _NOT_PIPELINED)
        assert found.parts_s["pipeline bubble"][0] / ideal[0] == pytest.approx(share, rel=0.01)


_NOT_PIPELINED = {"pipeline bubble", "pipeline transfers", "data parallel", "optimizer", "step overhead", "stragglers"}


@pytest.mark.parametrize(("name", "recompute"), [("llama3.1-8b", "full"), ("llama3.1-8b", "selective")])
def test_recomputation_adds_time_and_no_model_flops(name, recompute):
    without, with_it = (step(model(name), H100, 8192, dp=8, global_batch=64, recompute=choice) for choice in ("none", recompute))
    assert with_it.step_s[0] > without.step_s[0]
    assert with_it.model_flops[0] == without.model_flops[0]


def test_adapters_on_a_frozen_base_take_between_their_share_of_flops_and_the_whole():
    # equation 1.2: 4 instead of 6 FLOP a parameter and token; norms, casts and tensor-parallel traffic stay
    llama = model("llama2-70b")
    whole = step(llama, H100, 8192, tp=4, dp=2, global_batch=8, precision="fp8").step_s[0]
    adapters = step(llama, H100, 8192, method="lora", tp=4, dp=2, global_batch=8, precision="fp8").step_s[0]
    quantised = step(llama, H100, 8192, method="qlora", tp=4, dp=2, global_batch=8, precision="fp8").step_s[0]
    assert 0.6 < adapters / whole < 0.9
    assert adapters < quantised < whole


@pytest.mark.parametrize("name", ["bert-large", "vit-l-16", "resnet-50", "flux.1-dev", "sdxl-unet", "clip-vit-l-14", "t5-11b"])
def test_models_of_every_kind_train_through_the_same_operations(name):
    found = step(model(name), H100, 512, dp=8, micro_batch=64, global_batch=4096)
    assert 0.05 < found.mfu[0] < 0.8


def test_experts_spread_over_one_domain_exchange_faster_than_over_several():
    qwen = model("qwen3-30b-a3b")
    inside = step(qwen, GB200, 4096, ep=64, dp=64, global_batch=256, micro_batch=2).parts_s["expert parallel"][0]
    across = step(qwen, H100, 4096, ep=64, dp=64, global_batch=256, micro_batch=2).parts_s["expert parallel"][0]
    assert across > 4 * inside


def test_a_format_that_the_platform_lacks_has_no_time():
    assert np.isnan(step(model("llama3.1-8b"), A100, 4096, dp=8, global_batch=8, precision="fp8").step_s[0])


def test_sharded_weights_cost_more_communication_the_less_work_a_micro_batch_has():
    llama = model("llama3.1-70b")
    few, many = (
        step(llama, H100, 2048, dp=128, zero_stage=3, micro_batch=micro, global_batch=512).parts_s["data parallel"][0] for micro in (4, 1)
    )
    assert many > 2 * few


def test_columns_without_rows_give_no_steps():
    empty = columns().take(np.array([], dtype=np.intp))
    assert len(training_step(model("llama3.1-8b"), WORKLOAD, STANDS, empty, load_efficiency().on(STANDS)).step_s) == 0
