"""Which engine runs which format where."""

from __future__ import annotations

import pytest

from hardware_db import load_hardware
from planner.performance.serving_support import format_support, serving_support


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
    ],
)
def test_support_is_as_the_engines_documentation_says(engine, accelerator, precision, support):
    assert format_support(engine, load_hardware().accelerators[accelerator], precision) == support


def test_every_fact_names_its_release_date_and_source():
    for facts in serving_support().values():
        assert facts.release
        assert facts.date
        assert all(source.startswith("https://") for source in facts.sources)
