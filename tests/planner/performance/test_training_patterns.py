"""Patterns of published training runs that the model has to show. Sources of the figures: measurements/runs."""

from dataclasses import replace

import pytest

from measurements.model_shapes import model_shapes
from model_db import load_models
from planner.performance.efficiency import Condition
from planner.validation.training_runs import gpt
from tests.planner.performance.training_cases import A100, B300, GB200, GB300, H100, H200, model, step, tokens_per_s

FOUNDRY = Condition("llm-foundry")
BRIDGE = Condition("megatron-bridge", "26.04.01")
BRIDGE_MX, BRIDGE_NV = replace(BRIDGE, recipe="mx"), replace(BRIDGE, recipe="nv")
MLPERF = Condition("mlperf-nemo", "v4.1")


def test_newer_chips_run_at_lower_utilisation():
    # llm-foundry, MPT-7B bf16 on 8 GPUs: 64 % on A100, 46 % on H100
    mpt = gpt(model_shapes()["mpt-7b"])
    layout = {"dp": 8, "zero_stage": 3, "micro_batch": 6}
    a100 = step(mpt, A100, 2048, FOUNDRY, global_batch=96, **layout).mfu[0]
    h100 = step(mpt, H100, 2048, FOUNDRY, global_batch=48, **layout).mfu[0]
    assert a100 == pytest.approx(0.64, rel=0.1)
    assert h100 == pytest.approx(0.46, rel=0.1)


@pytest.mark.parametrize(
    ("name", "accelerator", "layout"),
    [
        ("llama3.1-70b", GB200, {"dp": 64, "zero_stage": 3, "micro_batch": 2, "global_batch": 256}),
        ("llama3.1-8b", H100, {"dp": 8, "global_batch": 128}),
        ("llama3.1-405b", H100, {"tp": 8, "pp": 8, "virtual_stages": 8, "cp": 2, "dp": 8, "global_batch": 1536}),
    ],
)
def test_eight_bit_products_speed_dense_training_up_by_less_than_half(name, accelerator, layout):
    # Megatron-Bridge and llm-foundry: 1.28 to 1.53 times, since attention, norms and communication stay as they are
    gain = tokens_per_s(model(name), accelerator, 8192, BRIDGE, precision="fp8", **layout) / tokens_per_s(
        model(name), accelerator, 8192, BRIDGE, precision="bf16", **layout
    )
    assert 1.28 <= gain <= 1.53


def test_eight_bit_products_speed_models_of_experts_up_by_less_than_dense_ones():
    # Megatron-Bridge: 1.12 to 1.20 between releases, 1.28 within one (DeepSeek-V3 on GB200)
    layout = {"pp": 8, "virtual_stages": 3, "ep": 32, "dp": 32, "global_batch": 8192}
    qwen = model("qwen3-235b-a22b")
    gain = tokens_per_s(qwen, GB200, 4096, BRIDGE_MX, precision="fp8", **layout) / tokens_per_s(
        qwen, GB200, 4096, BRIDGE, precision="bf16", **layout
    )
    assert 1.1 <= gain <= 1.28


def test_eight_bit_products_gain_little_at_long_context():
    # tpu-recipes: 1.13 times for Llama 3.1 70B at 131,072 tokens
    layout = {"dp": 32, "cp": 8, "zero_stage": 3, "global_batch": 64}
    llama = model("llama3.1-70b")
    gain = tokens_per_s(llama, "google-tpu-v7x", 131_072, Condition("maxtext"), precision="fp8", **layout) / tokens_per_s(
        llama, "google-tpu-v7x", 131_072, Condition("maxtext"), precision="bf16", **layout
    )
    assert gain == pytest.approx(1.13, abs=0.08)


def test_four_bit_products_help_dense_models_and_hardly_models_of_experts():
    # Megatron-Bridge: 1.2 to 1.4 times fp8 for Llama 3.1 405B, 1.03 for Nemotron 3 Super
    layout = {"tp": 4, "pp": 16, "virtual_stages": 8, "dp": 4, "global_batch": 1536}
    llama, nemotron = model("llama3.1-405b"), model("nemotron-3-super-120b-a12b")
    dense = tokens_per_s(llama, GB200, 8192, BRIDGE_NV, precision="fp4", **layout) / tokens_per_s(
        llama, GB200, 8192, BRIDGE_MX, precision="fp8", **layout
    )
    spread = {"ep": 64, "dp": 64, "global_batch": 512}
    experts = tokens_per_s(nemotron, GB300, 8192, BRIDGE_NV, precision="fp4", **spread) / tokens_per_s(
        nemotron, GB300, 8192, BRIDGE_MX, precision="fp8", **spread
    )
    assert 1.2 <= dense <= 1.4
    assert experts == pytest.approx(1.03, abs=0.06)


def test_strong_scaling_loses_through_bubble_and_exposed_communication():
    # MLPerf v4.1, GPT-3 on H100: 890 tokens/s and GPU at 256 GPUs, 633 at 3,072
    gpt3 = model("gpt3-175b")
    few = {"tp": 4, "pp": 8, "virtual_stages": 6, "dp": 8, "micro_batch": 2, "global_batch": 2048, "precision": "fp8"}
    many = few | {"virtual_stages": 4, "dp": 96, "global_batch": 3072}
    kept = tokens_per_s(gpt3, H100, 2048, MLPERF, **many) / tokens_per_s(gpt3, H100, 2048, MLPERF, **few)
    assert 0.65 <= kept <= 0.88
    small, large = step(gpt3, H100, 2048, MLPERF, **few), step(gpt3, H100, 2048, MLPERF, **many)
    for part in ("pipeline bubble", "data parallel"):
        assert large.parts_s[part][0] / large.step_s[0] > 3 * small.parts_s[part][0] / small.step_s[0]


def test_large_models_of_experts_need_the_larger_scale_up_domain():
    # Megatron-Bridge, DeepSeek-V3: 3,456 tokens/s and GPU on B300 (8-GPU domain) before its recipe fused experts, 6,338 on GB300 after
    entry = load_models()["deepseek-v3"]
    deepseek = entry.architecture.model_copy(update={"stacks": (*entry.architecture.stacks, *entry.optional_stacks)})
    small = tokens_per_s(
        deepseek, B300, 4096, BRIDGE_MX, precision="fp8", pp=8, virtual_stages=4, ep=8, dp=32, micro_batch=2, global_batch=4096
    )
    spread = {"precision": "fp8", "pp": 2, "virtual_stages": 8, "ep": 64, "dp": 128, "micro_batch": 2, "global_batch": 4096}
    fused = replace(BRIDGE_MX, release="26.06")
    large = tokens_per_s(deepseek, GB300, 4096, fused, **spread)
    assert small == pytest.approx(3456, rel=0.15)
    assert large == pytest.approx(6338, rel=0.2)
    assert large > 1.5 * tokens_per_s(deepseek, B300, 4096, fused, **spread)


def test_fused_products_take_host_time_gates_and_casts_from_gated_experts_alone():
    # Megatron-Bridge 26.06: Qwen3 30B on GB200 takes 0.64 of its time before, Nemotron 3 Nano, whose experts have no gates, 0.98
    layout = {"precision": "fp8", "ep": 8, "dp": 8, "micro_batch": 4, "global_batch": 512}
    before, after = replace(BRIDGE_MX, release="26.04.01"), replace(BRIDGE_MX, release="26.06")
    gated, plain = model("qwen3-30b-a3b"), model("nemotron-3-nano-30b-a3b")
    old, new = step(gated, GB200, 4096, before, **layout), step(gated, GB200, 4096, after, **layout)
    assert new.step_s[0] / old.step_s[0] == pytest.approx(0.64, abs=0.08)
    for part in ("launch", "quantisation", "element-wise"):
        assert new.parts_s[part][0] < old.parts_s[part][0]
    other = step(plain, GB200, 4096, after, **layout).step_s[0] / step(plain, GB200, 4096, before, **layout).step_s[0]
    assert other == pytest.approx(0.98, abs=0.04)


def test_full_recomputation_costs_nearly_a_third_more_time():
    # arXiv:2205.05198: GPT-3 18.13 s against 13.75 s with selective recomputation (+32 %), 530B +30 %
    layout = {"tp": 8, "pp": 8, "virtual_stages": 3, "global_batch": 64, "precision": "fp16"}
    gpt3 = model("gpt3-175b")
    full = step(gpt3, A100, 2048, Condition("megatron-lm", "2022"), recompute="full", **layout).step_s[0]
    selective = step(gpt3, A100, 2048, Condition("megatron-lm", "2022"), recompute="selective", **layout).step_s[0]
    assert full / selective - 1 == pytest.approx(0.305, abs=0.05)


def test_more_memory_allows_less_tensor_parallelism_and_more_speed():
    # H200 over H100 on Llama 3.1 405B: +10 % with tensor parallelism 4 instead of 8
    llama = model("llama3.1-405b")
    common = {"pp": 8, "virtual_stages": 8, "cp": 2, "global_batch": 1152, "precision": "fp8"}
    h200 = tokens_per_s(llama, H200, 8192, MLPERF, tp=4, dp=8, **common)
    h100 = tokens_per_s(llama, H100, 8192, MLPERF, tp=8, dp=4, **common)
    assert h200 / h100 == pytest.approx(1.10, abs=0.06)


def test_releases_of_the_software_matter_most_for_models_of_experts():
    # Megatron-Bridge over half a year: DeepSeek-V3 on GB300 +37 %, dense 405B +6 %
    old, new = replace(BRIDGE_MX, release="26.02"), replace(BRIDGE_MX, release="26.08")
    experts = {"precision": "fp8", "pp": 4, "virtual_stages": 4, "ep": 64, "dp": 64, "global_batch": 4096}
    deepseek, llama = model("deepseek-v3"), model("llama3.1-405b")
    gain = tokens_per_s(deepseek, GB300, 4096, new, **experts) / tokens_per_s(deepseek, GB300, 4096, old, **experts)
    dense = {"precision": "fp8", "tp": 4, "pp": 16, "virtual_stages": 4, "dp": 4, "global_batch": 1536}
    dense_gain = tokens_per_s(llama, GB200, 8192, replace(new, release="26.06"), **dense) / tokens_per_s(llama, GB200, 8192, old, **dense)
    assert gain == pytest.approx(1.37, abs=0.15)
    assert dense_gain == pytest.approx(1.06, abs=0.04)
    assert gain > dense_gain
