import numpy as np
import pytest

from hardware_db import load_hardware
from planner.performance.efficiency import Condition, gemm_s, load_efficiency
from planner.performance.operations import Product
from planner.search.columns import PRECISIONS
from tests.planner.performance.training_cases import A100, B300, GB200, H100, platform

FP8, BF16 = PRECISIONS.index("fp8"), PRECISIONS.index("bf16")


def product(m, n, k):
    return Product(*(np.array([float(value)]) for value in (m, n, k, 1)))


def seconds(shape, accelerator, precision):
    stands = platform(accelerator)
    return float(gemm_s(product(*shape), np.array([0]), np.array([precision]), load_efficiency().on(stands))[0])


def test_no_product_is_faster_than_the_peaks():
    for accelerator in (A100, H100, GB200, "amd-mi300x", "google-tpu-v6e"):
        stands = platform(accelerator)
        for shape in ((8192, 8192, 8192), (16, 4096, 4096)):
            flops = 2.0 * np.prod(shape)
            assert seconds(shape, accelerator, BF16) > flops / stands.peak_flops_per_s[0, BF16]


def test_large_products_gain_from_narrow_formats_and_small_ones_do_not():
    assert seconds((16384, 16384, 16384), H100, BF16) / seconds((16384, 16384, 16384), H100, FP8) > 1.4
    assert seconds((128, 512, 512), H100, BF16) / seconds((128, 512, 512), H100, FP8) < 1.2


def test_an_accelerator_without_such_a_format_has_no_time_in_it():
    assert np.isnan(seconds((8192, 8192, 8192), A100, FP8))


def test_an_accelerator_without_runs_borrows_and_says_from_whom():
    assert load_efficiency().on(platform(B300)).borrowed_from == ("",)
    assert load_efficiency().on(platform("nvidia-h100-pcie-80gb")).borrowed_from[0].startswith("nvidia-")


def test_every_accelerator_of_the_catalog_with_a_peak_has_rates():
    hardware = load_hardware()
    names = [
        name for name, chip in hardware.accelerators.items() if chip.peak_flops_per_s.get("bf16") and chip.memory_bandwidth_bytes_per_s
    ]
    rates = load_efficiency().on(platform(*names))
    assert np.all(rates.product_flops_per_s[:, BF16] > 0)
    assert np.all(rates.attention_flops_per_s > 0)


def test_attention_kernels_of_an_older_generation_are_slower_on_a_newer_one():
    stands = platform(A100, H100)
    modern, older = (load_efficiency().on(stands, Condition(stack)).attention_flops_per_s for stack in ("mlperf-nemo", "llm-foundry"))
    slower = older / modern
    assert slower[1] / slower[0] == pytest.approx(load_efficiency().training.physics.older_attention)


def test_a_chip_without_measured_products_has_those_of_its_sister_at_its_own_power():
    # MLPerf Training v5.1, Llama 2 70B LoRA: MI350X at 1,000 W takes 1.2 times as long as MI355X at 1,400 W
    reached = load_efficiency().reached(platform("amd-mi350x", "amd-mi355x"))
    shares = reached.product_flops_per_s[:, BF16] / reached.peak_flops_per_s[:, BF16]
    assert shares[0] == shares[1]


def test_no_product_exceeds_what_any_chip_sustains():
    stands = platform("nvidia-h20-96gb")  # a small peak with the power of a large one
    assert load_efficiency().on(stands).product_flops_per_s[0, BF16] <= 0.95 * stands.peak_flops_per_s[0, BF16]


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_a_power_limit_slows_computation_less_than_proportionally(share):
    full, limited = (load_efficiency().on(platform(H100), Condition(power_share=value)) for value in (1.0, share))
    assert share < limited.product_flops_per_s[0, BF16] / full.product_flops_per_s[0, BF16] < 1.0
    assert limited.memory_bytes_per_s[0] == full.memory_bytes_per_s[0]


def test_no_accelerator_trains_faster_than_its_data_sheet():
    stands = platform(*load_hardware().accelerators)
    rates, peak = load_efficiency().on(stands), stands.peak_flops_per_s
    for computed in (rates.product_flops_per_s, rates.expert_flops_per_s):
        assert (computed <= peak)[~np.isnan(peak)].all()
    bandwidth = stands.memory_bandwidth_bytes_per_s
    assert (rates.memory_bytes_per_s <= bandwidth)[~np.isnan(bandwidth)].all()
