"""Where a plan's operations stand below the roofs of its accelerator, by worked figures."""

import dataclasses

import numpy as np
import pytest

from planner import plan
from planner.answer import RooflinePoint
from planner.explain.roofline import Phase, roofline
from planner.ground import ground
from planner.library import default_library
from planner.request import PlanRequest
from planner.subject import subject

H100 = "nvidia-h100-sxm-80gb"
MATRIX_8B = 8_030_261_248 - 128_256 * 4_096 - 65 * 4_096  # Llama 3.1 8B without its embedding and norms (model card: 8.03 B)


def points(request: dict[str, object]) -> dict[tuple[str, str], RooflinePoint]:
    """Points of the first recommendation on H100, by phase and operation."""
    first = plan(PlanRequest.parse(request | {"limits": {"accelerators": [H100], "max_devices": 64}})).recommendations[0]
    assert first.roofline is not None
    return {(point.phase, point.operation): point for point in first.roofline.points}


@pytest.fixture(scope="module")
def serving() -> dict[tuple[str, str], RooflinePoint]:
    return points(
        {"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 2, "input_tokens": 1024}, "precisions": ["bf16"]}
    )


@pytest.fixture(scope="module")
def training() -> dict[tuple[str, str], RooflinePoint]:
    work = {"kind": "training", "tokens": 1e9, "devices": 8, "global_batch_tokens": 1_048_576, "sequence_tokens": 8192}
    return points({"model": "llama3.1-8b", "workload": work, "precisions": ["bf16"]})


def test_a_prompt_does_two_flop_for_each_weight_and_token(serving):
    body = MATRIX_8B - 128_256 * 4_096  # the head is multiplied by the last token alone
    assert serving["prefill", "linear"].flops == pytest.approx(2 * body * 1024, rel=1e-6)
    assert serving["prefill", "head"].flops == pytest.approx(2 * 128_256 * 4_096, rel=1e-6)


def test_a_decode_step_reads_each_16_bit_weight_once(serving):
    read = serving["decode", "linear"].moved_bytes + serving["decode", "head"].moved_bytes
    assert read == pytest.approx(2 * MATRIX_8B, rel=1e-6)


def test_training_does_six_flop_for_each_weight_and_token(training):
    """Per device: tensor, context and data parallelism divide the work of a batch among all eight."""
    assert training["step", "matrix products"].flops == pytest.approx(6 * MATRIX_8B * 1_048_576 / 8, rel=1e-6)


@pytest.mark.parametrize("kind", ["serving", "training"])
def test_a_phase_is_the_sum_of_its_operations_and_takes_no_less_time(kind, request):
    found = request.getfixturevalue(kind)
    for phase in {phase for phase, _ in found}:
        whole = found[phase, ""]
        parts = [point for (name, operation), point in found.items() if name == phase and operation]
        assert whole.flops == pytest.approx(sum(point.flops for point in parts))
        assert whole.moved_bytes == pytest.approx(sum(point.moved_bytes for point in parts))
        assert whole.time_s >= sum(point.time_s for point in parts)


@pytest.mark.parametrize("kind", ["serving", "training"])
def test_no_operation_stands_above_the_roofs_of_its_data_sheet(kind, request):
    """H100 SXM: 989 TFLOP/s in 16 bit, 3.35 TB/s (data sheet)."""
    for point in request.getfixturevalue(kind).values():
        assert point.flops / point.time_s <= 989.5e12
        assert point.moved_bytes / point.time_s <= 3.36e12


def test_without_a_bandwidth_there_is_no_roofline():
    request = PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "serving"}})
    stands = dataclasses.replace(_platforms(request), memory_bandwidth_bytes_per_s=np.array([np.nan]))
    one = np.ones(1)
    assert roofline((Phase("decode", {"linear": (one, one)}, {"linear": one}, one),), stands, 0, 0) is None


def _platforms(request: PlanRequest):
    library = default_library()
    return ground(request, subject(request, library.models), library.hardware, (H100,)).platforms
