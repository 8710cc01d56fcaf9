"""Which engine runs which format where."""

from __future__ import annotations

from datetime import date

import pytest

from hardware_db import load_hardware
from model_db import load_models
from planner.performance.serving_support import format_support, model_support, serving_support


@pytest.mark.parametrize(
    ("engine", "accelerator", "precision", "support"),
    [
        ("vllm", "nvidia-h100-sxm-80gb", "fp8", "native"),
        ("vllm", "nvidia-a100-sxm-80gb", "fp8", "weights"),
        ("vllm", "amd-mi300x", "int4", "none"),
        ("trtllm", "nvidia-b200-sxm-180gb", "fp4", "native"),
        ("trtllm", "amd-mi300x", "bf16", "none"),
        ("trtllm", "google-tpu-v5e", "bf16", "none"),
        ("vllm", "groq-lpu-v1", "fp8", "unknown"),
        ("generic", "nvidia-h100-sxm-80gb", "bf16", "unknown"),
        ("sglang", "nvidia-b200-sxm-180gb", "fp4", "native"),
        ("sglang", "huawei-ascend-910b", "fp8", "none"),
        ("trtllm", "cerebras-wse-3", "bf16", "none"),
        ("vllm", "intel-xeon-6980p", "fp8", "none"),
    ],
)
def test_support_is_as_the_engines_documentation_says(engine, accelerator, precision, support):
    assert format_support(engine, load_hardware().accelerators[accelerator], precision) == support


def test_models_are_listed_by_family_or_id_and_some_need_certain_hardware():
    chips = load_hardware().accelerators
    hopper, blackwell = chips["nvidia-h100-sxm-80gb"], chips["nvidia-b200-sxm-180gb"]
    assert model_support("vllm", ("llama3.1-8b", "llama3"), hopper) == "listed"
    assert model_support("sglang", ("deepseek-v3.2", "deepseek"), hopper) == "unknown"
    assert model_support("trtllm", ("deepseek-v4-pro", "deepseek"), hopper) == "none"
    assert model_support("trtllm", ("deepseek-v4-pro", "deepseek"), blackwell) == "listed"


def test_every_model_named_is_in_the_library():
    known = {name for entry in load_models().values() for name in (entry.id, entry.family)}
    for facts in serving_support().values():
        assert facts.models | set(facts.only_on) <= known


def test_every_fact_names_its_release_date_and_source():
    for facts in serving_support().values():
        assert facts.release
        assert facts.date
        assert date.fromisoformat(facts.read)
        assert all(source.startswith("https://") for source in facts.sources)
