import pytest

from measurements.kernel_efficiency import kernels


def test_kernels_are_rates_of_the_reference_peak():
    # file: H100 bf16 products reach 0.7747 of 989 TFLOP/s and 0.8215 of 3,350 GB/s, after 3.46 us
    kernel = kernels()["nvidia-h100-sxm-80gb"].products["bfloat16"]
    assert kernel.flops_per_s == pytest.approx(0.7747 * 989e12)
    assert kernel.bytes_per_s == pytest.approx(0.8215 * 3350e9)
    assert kernel.launch_s == pytest.approx(3.46e-6)


def test_weight_only_formats_multiply_in_sixteen_bit():
    chip = kernels()["nvidia-a100-sxm-80gb"]
    assert chip.products["int4_wo"].peak_flops_per_s == chip.peak_flops_per_s["bf16"]


def test_no_large_product_beats_its_peak():
    for chip in kernels().values():
        assert all(kernel.flops_per_s < kernel.peak_flops_per_s for kernel in chip.products.values())
