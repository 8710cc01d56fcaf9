from dataclasses import replace

import pytest

from hardware_db import load_hardware
from planner.performance.relatives import nearest_relative, power_ratio

CHIPS = load_hardware().accelerators


def known(*names):
    return {name: CHIPS[name] for name in names}


def test_a_relative_is_of_the_same_vendor_if_there_is_one():
    assert nearest_relative(CHIPS["amd-mi300x"], known("amd-mi355x", "nvidia-h200-sxm-141gb")) == "amd-mi355x"
    assert nearest_relative(CHIPS["google-tpu-v6e"], known("amd-mi355x", "nvidia-h100-sxm-80gb")) == "nvidia-h100-sxm-80gb"


def test_the_same_generation_outweighs_nearer_rates():
    assert nearest_relative(CHIPS["nvidia-h20-96gb"], known("nvidia-a100-sxm-80gb", "nvidia-h100-sxm-80gb")) == "nvidia-h100-sxm-80gb"
    assert nearest_relative(CHIPS["amd-mi325x"], known("amd-mi300x", "amd-mi355x")) == "amd-mi300x"


def test_graphics_dies_are_of_another_make_than_their_generation_of_compute_dies():
    assert nearest_relative(CHIPS["nvidia-a10"], known("nvidia-a100-sxm-80gb", "nvidia-l40s")) == "nvidia-l40s"


def test_power_compares_within_a_generation():
    # 1,400 W for 2,516.6 TFLOP/s against 1,000 W for 2,306.9
    assert power_ratio(CHIPS["amd-mi355x"], CHIPS["amd-mi350x"]) == pytest.approx(1.4 * 2306.9 / 2516.6)
    assert power_ratio(CHIPS["amd-mi355x"], CHIPS["amd-mi300x"]) == 1.0
    assert power_ratio(CHIPS["nvidia-rtx-3090"], CHIPS["nvidia-a100-sxm-80gb"]) == 1.0


def test_power_that_a_processor_shares_or_that_is_unknown_does_not_compare():
    assert power_ratio(CHIPS["nvidia-gh200-144gb"], CHIPS["nvidia-h200-sxm-141gb"]) == 1.0
    assert power_ratio(replace(CHIPS["amd-mi355x"], tdp_w=None), CHIPS["amd-mi350x"]) == 1.0
