"""Patterns of measured serving that the calibrated model must show."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_db import load_hardware
from measurements.engine_kernels import engine_kernels
from model_db import load_models
from planner.cluster.platform import platforms
from planner.performance.serving_demand import serving_demand
from planner.performance.serving_efficiency import MeasuredRates, load_serving_efficiency
from planner.performance.serving_loop import Load, largest_batch, saturated
from planner.performance.serving_step import Replica
from planner.search.columns import KV_PRECISIONS, PRECISIONS
from tests.planner.performance.test_serving_step import columns

LIMITS_S = {"Server": (2.0, 0.2), "Interactive": (0.45, 0.04)}  # MLPerf Inference, Llama 2 70B
MEAN_OVER_P99 = {"Server": (0.48, 0.845), "Interactive": (0.37, 0.886)}  # medians of submissions that report both


def replica(model: str, chip: str, rows: int = 1, **choices: object) -> Replica:
    stands = platforms(load_hardware(), [chip], engine="trtllm")
    demand = serving_demand(load_models()[model].architecture)
    return Replica.on(demand, stands, columns(rows, **choices), load_serving_efficiency().on(stands, "trtllm"))


def test_decode_step_of_an_8b_model_on_h100_is_a_constant_plus_a_slope_to_batch_256():
    """Measured with TensorRT-LLM in bf16: 6.7 + 0.076 B ms."""
    batches = np.array([1.0, 2, 4, 8, 16, 32, 64, 128, 256])
    step_ms = 1e3 * replica("llama3.1-8b", "nvidia-h100-sxm-80gb", len(batches)).decode(batches, 1024.0).total_s
    slope, constant = np.polyfit(batches, step_ms, 1)
    assert np.corrcoef(batches, step_ms)[0, 1] > 0.995
    assert constant == pytest.approx(6.7, rel=0.1)
    assert slope == pytest.approx(0.076, rel=0.25)


def test_llama2_70b_keeps_most_of_its_offline_rate_at_server_limits_and_much_less_at_interactive_ones():
    """MLPerf Inference: Server 0.86 to 0.98 of Offline, Interactive 0.3 to 0.6."""
    fp8 = {"precision": PRECISIONS.index("fp8"), "kv_precision": KV_PRECISIONS.index("fp8")}
    served = replica("llama2-70b", "nvidia-h200-sxm-141gb", **fp8)
    load, most = Load(290.0, 294.45), np.array([800.0])
    offline = saturated(served, load, most).tokens_per_s[0]
    share = {}
    for scenario, (ttft_s, tpot_s) in LIMITS_S.items():
        mean = MEAN_OVER_P99[scenario]
        batch = largest_batch(served, load, np.array([ttft_s * mean[0]]), np.array([tpot_s * mean[1]]), most)
        share[scenario] = saturated(served, load, batch).tokens_per_s[0] / offline
    assert 0.86 <= share["Server"] <= 1.0
    assert 0.3 <= share["Interactive"] <= 0.65


def test_of_two_chips_with_one_peak_the_one_that_sustains_more_of_it_computes_faster():
    """MI300X and MI325X: measured matrix products reach 51 and 60 % of the same peak (750 and 1000 W)."""
    slow, fast = (replica("llama2-70b", chip).prefill(4096.0).alone.operations_s["linear"][0] for chip in ("amd-mi300x", "amd-mi325x"))
    assert slow / fast == pytest.approx(0.60 / 0.511, rel=0.05)


def test_experts_in_a_format_that_a_chip_lacks_compute_at_the_pace_of_kernels_that_widen_it():
    stands = platforms(load_hardware(), ["nvidia-h100-sxm-80gb", "nvidia-b200-sxm-180gb"], engine="trtllm")
    widening = MeasuredRates.of(engine_kernels(), stands, "trtllm").widening
    fp4, fp8 = PRECISIONS.index("fp4"), PRECISIONS.index("fp8")
    assert widening[0, fp4] < 0.6 < widening[1, fp4] == 1.0 == widening[0, fp8]
