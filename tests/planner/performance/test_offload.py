"""Time of a step with states, weights or activations off the device. Worked examples: ZeRO-Infinity (arXiv:2104.07857, section 4.2)."""

from dataclasses import replace

import numpy as np
import pytest

from planner.performance.efficiency import load_efficiency
from planner.performance.offload import HostTier, Offload, host_update_s, link_s, offload_s
from planner.performance.training import step_of_sequences
from tests.planner.performance.training_cases import A100, columns, model, platform

NONE = np.zeros(1)
NEVER, ALWAYS = np.array([False]), np.array([True])
NOTHING = Offload(NONE, NONE, NONE, NONE, *(np.full(1, rate) for rate in (25e9, 200e9, np.inf, np.inf)))


def of(**given):
    return replace(NOTHING, **{name: np.array([value]) for name, value in given.items()})


def test_weights_and_gradients_need_the_bandwidth_of_the_paper():
    # 70 GB/s feeds half of 70 TFLOP/s at one sequence of 1,024 tokens: weights three times and gradients once, 8 FLOPs a parameter and token
    parameters, tokens, peak, bandwidth = 1e9, 1024.0, 70e12, 70e9
    moved = of(weight_bytes=2.0 * parameters, link_bytes_per_s=bandwidth)
    compute_s = 8.0 * parameters * tokens / peak
    transfers_s = link_s(moved, np.ones(1), ALWAYS)[0] + 2.0 * parameters / bandwidth
    assert compute_s / (compute_s + transfers_s) == pytest.approx(0.506, abs=1e-3)


def test_optimizer_states_need_the_bandwidth_of_the_paper():
    # 1.5 TB/s of states, read and written, give over 90 % of 70 TFLOP/s at two sequences of 1,024 tokens; 16 bytes each way
    parameters, tokens, peak = 1e9, 2048.0, 70e12
    update_s = host_update_s(of(state_bytes=12.0 * parameters, updated_bytes=2.0 * parameters, memory_bytes_per_s=1.5e12))[0]
    compute_s = 8.0 * parameters * tokens / peak
    assert compute_s / (compute_s + update_s) == pytest.approx(0.92, abs=0.01)


def test_the_update_moves_thirty_bytes_a_parameter_and_drives_may_take_longer():
    states = {"state_bytes": 12e9, "updated_bytes": 2e9}
    assert host_update_s(of(**states))[0] == pytest.approx(30e9 / 200e9)
    assert host_update_s(of(**states, drive_read_bytes_per_s=6e9, drive_write_bytes_per_s=3e9))[0] == pytest.approx(4.0)


def test_both_directions_of_the_link_run_at_once():
    assert link_s(of(activation_bytes=1e9), np.full(1, 8.0), NEVER)[0] == pytest.approx(8.0 / 25.0)


def test_transfers_hide_behind_computation_and_the_update_does_not():
    moved = of(activation_bytes=1e9, state_bytes=12e9, updated_bytes=2e9)
    update_s = host_update_s(moved)[0]
    hidden, exposed = (offload_s(moved, np.ones(1), NEVER, np.array([busy_s]), 2.0)[0] - update_s for busy_s in (100.0, 1e-9))
    assert hidden < 0.01 * exposed
    assert exposed == pytest.approx(3e9 / 25e9)


def test_the_step_names_what_offloading_adds():
    layout = columns(dp=8, zero_stage=3, global_batch=8)
    stands = platform(A100)
    optimizer, states = (HostTier(weights, *(np.full(1, rate) for rate in (25e9, 200e9, np.inf, np.inf))) for weights in (False, True))
    alone, apart, further = (
        step_of_sequences(model("llama3.1-8b"), "pretrain", "adamw", np.array([4096.0]), stands, layout, load_efficiency().on(stands), tier)
        for tier in (None, optimizer, states)
    )
    owned = 8_030_261_248 / 8
    moved = of(state_bytes=12.0 * owned, updated_bytes=2.0 * owned)
    assert "offload" not in alone.parts_s
    assert "optimizer" not in apart.parts_s
    software = apart.parts_s["step overhead"][0] / alone.parts_s["step overhead"][0]
    assert software == pytest.approx(1.0)
    assert (
        host_update_s(moved)[0] < apart.parts_s["offload"][0] * 1.01 < host_update_s(moved)[0] + link_s(moved, np.ones(1), NEVER)[0] + 0.1
    )
    assert further.parts_s["offload"][0] > apart.parts_s["offload"][0]
    assert apart.step_s[0] == pytest.approx(sum(part[0] for part in apart.parts_s.values()))
