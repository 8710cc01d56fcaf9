from dataclasses import replace

import numpy as np
import pytest

from planner.counting.flops import forward_flops_per_sample
from planner.performance.operations import (
    AttentionCore,
    ExpertProduct,
    MatrixProduct,
    Scan,
    Share,
    attention_flops,
    expert_product,
    matrix_product,
    of_kind,
    operations,
    pipeline_layers,
    places_reached,
)
from tests.planner.performance.training_cases import model


def share(tokens, *, context=None, tp=1, ep=1, expert_tp=None, samples=1):
    columns = (tokens, samples, context or tokens, tp, ep, expert_tp or (1 if ep > 1 else tp))
    return Share(*(np.array([float(value)]) for value in columns))


def forward_flops(name, here):
    counted = operations(model(name))
    products = sum(times * matrix_product(operation, here).flops for operation, times in of_kind(counted, MatrixProduct))
    experts = sum(times * expert_product(operation, here).flops for operation, times in of_kind(counted, ExpertProduct))
    cores = sum(times * attention_flops(operation, here) for operation, times in of_kind(counted, AttentionCore))
    scans = sum(times * operation.flops * here.tokens / here.tp for operation, times in of_kind(counted, Scan))
    return float(np.sum(products + experts + cores + scans))


@pytest.mark.parametrize(
    "name", ["llama3.1-405b", "gpt3-175b", "qwen3-235b-a22b", "deepseek-v3", "nemotron-3-nano-30b-a3b", "gpt-oss-120b"]
)
def test_operations_hold_all_flops_of_the_model(name):
    # short convolutions and norms, which the counting leaves in or out, are below 1 %
    assert forward_flops(name, share(4096)) == pytest.approx(forward_flops_per_sample(model(name), 4096.0), rel=0.01)


def test_tensor_parallelism_divides_the_work_of_a_dense_model():
    whole, part = forward_flops("llama3.1-70b", share(4096)), forward_flops("llama3.1-70b", share(4096, tp=8))
    assert part == pytest.approx(whole / 8, rel=1e-9)


@pytest.mark.parametrize(("tp", "ep"), [(1, 8), (1, 64), (2, 32), (4, 1)])
def test_expert_parallelism_moves_work_and_keeps_its_amount(tp, ep):
    operation = next(of_kind(operations(model("qwen3-235b-a22b")), ExpertProduct))[0]
    product = expert_product(operation, share(65_536, tp=tp, ep=ep))
    assert float(product.flops[0]) == pytest.approx(2.0 * 65_536 * operation.top_k * operation.n * operation.k / tp, rel=1e-6)
    assert product.groups[0] == pytest.approx(operation.experts / ep, rel=1e-6)


def test_few_tokens_reach_few_experts():
    operation = next(of_kind(operations(model("qwen3-235b-a22b")), ExpertProduct))[0]
    assert 1.0 <= expert_product(operation, share(1)).groups[0] <= operation.top_k


@pytest.mark.parametrize(("name", "layers"), [("llama3.1-405b", 126), ("gpt3-175b", 96), ("deepseek-v3", 61), ("bert-large", 24)])
def test_pipelines_are_cut_between_the_layers_that_work(name, layers):
    assert pipeline_layers(model(name)) == layers


@pytest.mark.parametrize("places", [2.0, 4.0, 8.0, 16.0, 64.0])
def test_tokens_reach_the_places_of_their_groups_alone(places):
    # DeepSeek-V3: 256 experts in 8 groups, of which a token uses 4 (arXiv:2412.19437); against draws
    draws = np.random.default_rng(0)
    drawn = []
    for _ in range(2_000):
        groups = draws.choice(8, 4, replace=False)
        experts = draws.choice((32 * groups[:, None] + np.arange(32)).ravel(), 8, replace=False)
        drawn.append(len(set(experts * int(places) // 256)))
    grouped = ExpertProduct("experts", 256, 8, 1, 1, "column", gated=True, groups=8, top_groups=4)
    assert places_reached(grouped, np.array([places]))[0] == pytest.approx(np.mean(drawn), rel=0.1)
    free = replace(grouped, groups=1, top_groups=1)
    assert places_reached(free, np.array([places]))[0] == pytest.approx(places * (1 - (1 - 1 / places) ** 8))
