"""States off the device in whole plans: what did not fit fits and takes longer, and the host has room for it."""

import pytest

from planner import PlanRequest, plan

H100, RTX_4090 = "nvidia-h100-sxm-80gb", "nvidia-rtx-4090"


def best(model="llama3.1-70b", chip=H100, devices=8, **workload):
    asked = {"kind": "training", "method": "finetune", "tokens": 1e9, "global_batch_tokens": 131_072, "sequence_tokens": 4096}
    request = {"model": model, "workload": asked | {"devices": devices} | workload, "limits": {"accelerators": [chip]}}
    return next(iter(plan(PlanRequest.parse(request | {"site": {"acquisition": "buy"}})).recommendations), None)


def test_seventy_billion_parameters_train_on_one_server_with_their_states_in_its_memory():
    assert best() is None
    offloaded = best(offload="optimizer")
    parameters = 70_553_706_496
    assert offloaded.memory.host_bytes * 8 == pytest.approx(16 * parameters, rel=0.01)  # master, two moments, gradients: ZeRO-3
    assert offloaded.memory.nvme_bytes == 0
    times = offloaded.bottleneck.time_parts_s
    assert times["offload"] > 0
    assert "optimizer" not in times
    assert sum(times.values()) == pytest.approx(offloaded.performance.step_s)


def test_drives_are_slower_than_host_memory_and_take_the_states():
    host, drives = (best(offload="optimizer", offload_to=tier) for tier in ("host", "nvme"))
    assert drives.performance.step_s > host.performance.step_s
    assert drives.memory.nvme_bytes == pytest.approx(host.memory.host_bytes)
    assert drives.memory.host_bytes < host.memory.host_bytes / 5


def test_one_card_trains_a_model_whose_weights_lie_in_host_memory_which_the_bill_has():
    assert best("llama3.1-8b", RTX_4090, 1, offload="optimizer") is None
    card = best("llama3.1-8b", RTX_4090, 1, offload="states")
    assert card.strategy.zero_stage == 3
    assert card.memory.host_bytes == pytest.approx(18 * 8_030_261_248, rel=0.01)
    assert sum(line.quantity for line in card.bill if line.part == "memory") > 0
