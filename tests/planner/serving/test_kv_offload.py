"""Past prompts in host memory or on flash: what they take, when loading pays, and who pays for the room."""

import numpy as np
import pytest

from hardware_db import load_hardware
from planner import PlanRequest, default_library, plan
from planner.cluster.cache_tier import drive_bytes_per_s, read_bytes_per_s
from planner.explain.launch import launches
from planner.performance.kv_offload import break_even_bytes_per_s, cache_bytes, cache_ranks, tier_bytes
from planner.performance.serving_demand import serving_demand
from tests.planner.performance.test_serving_loop import replica
from tests.planner.performance.test_serving_step import LLAMA_70B

HARDWARE = load_hardware()


def test_a_cached_prompt_takes_what_the_worked_example_of_the_method_says():
    """Example 24: 327,680 bytes a token of Llama 3.1 70B in 16 bit."""
    demand = serving_demand(LLAMA_70B)
    assert cache_bytes(demand, 2.0 * np.ones(1), 8192.0)[0] == pytest.approx(327_680 * 8192)
    assert tier_bytes(1000, cache_bytes(demand, 2.0 * np.ones(1), 8192.0))[0] == pytest.approx(1000 * 327_680 * 8192)
    assert cache_ranks(demand, np.array([4, 16])).tolist() == [4, 8]


def test_loading_pays_from_the_rate_at_which_it_takes_as_long_as_computing():
    computed_s, kept = replica().prefill(8192.0).alone.total_s, cache_bytes(serving_demand(LLAMA_70B), 2.0 * np.ones(1), 8192.0)
    assert (kept / break_even_bytes_per_s(kept, computed_s))[0] == pytest.approx(computed_s[0])


def test_a_tier_is_as_fast_as_its_slowest_part():
    chip = HARDWARE.accelerators["nvidia-h100-sxm-80gb"]
    server = HARDWARE.servers["dgx-h100"]
    host, flash = (read_bytes_per_s(HARDWARE, chip, server, tier) for tier in ("host", "nvme"))
    assert host == pytest.approx(0.88 * 63e9)
    assert flash == pytest.approx(min(host, drive_bytes_per_s(HARDWARE, chip, server)[0]))
    assert np.isnan(read_bytes_per_s(HARDWARE, HARDWARE.accelerators["google-tpu-v5p"], None, "host"))


def answered(**workload):
    asked = {"kind": "serving", "requests_per_s": 4, "input_tokens": 16000, "deployment": "aggregated", "kv_precision": "bf16", **workload}
    limits = {"accelerators": ["nvidia-h100-sxm-80gb"]}
    return plan(
        PlanRequest.parse(
            {"model": "llama3.1-70b", "workload": asked, "limits": limits, "precisions": ["fp8"], "site": {"acquisition": "buy"}}
        )
    )


def test_reuse_out_of_host_memory_saves_prefill_and_costs_loading_and_modules():
    none, host = (answered(**choice).recommendations[0] for choice in ({}, {"prefix_hit_rate": 0.8, "kv_offload": "host"}))
    device = answered(prefix_hit_rate=0.8).recommendations[0]
    assert host.prompt_cache
    assert host.prompt_cache.session_bytes == pytest.approx(327_680 * 0.8 * 16000)
    assert host.prompt_cache.server_bytes == pytest.approx(1000 * host.prompt_cache.session_bytes / host.servers)
    assert host.devices < none.devices
    assert host.fabric.host.memory_needed_bytes == pytest.approx(device.fabric.host.memory_needed_bytes + host.prompt_cache.server_bytes)
    assert host.prompt_cache.load_s > 0


def test_flash_is_slower_and_takes_drives():
    host, flash = (answered(prefix_hit_rate=0.8, kv_offload=tier).recommendations[0] for tier in ("host", "nvme"))
    assert flash.prompt_cache
    assert flash.prompt_cache.load_s > host.prompt_cache.load_s
    assert flash.fabric.host.drives_needed_bytes > host.fabric.host.drives_needed_bytes
    assert flash.fabric.host.memory_needed_bytes < host.fabric.host.memory_needed_bytes


def test_what_loads_slower_than_it_computes_is_computed():
    """A short prompt of a small model from flash: nothing is kept, and the answer is that without reuse."""
    small = {"input_tokens": 64, "prefix_hit_rate": 0.5}
    raw = {"model": "llama3.2-1b", "limits": {"accelerators": ["nvidia-h100-sxm-80gb"]}, "site": {"acquisition": "buy"}}
    asked = {"kind": "serving", "requests_per_s": 4, "deployment": "aggregated"}
    slow = plan(PlanRequest.parse(raw | {"workload": asked | small | {"kv_offload": "nvme"}})).recommendations[0]
    fresh = plan(PlanRequest.parse(raw | {"workload": asked | {"input_tokens": 64}})).recommendations[0]
    assert slow.prompt_cache is None
    assert slow.performance.ttft_s == pytest.approx(fresh.performance.ttft_s)


def test_replicas_that_prefill_apart_keep_the_past_prompts():
    found = answered(prefix_hit_rate=0.8, kv_offload="host", deployment="disaggregated")
    option = found.recommendations[0]
    assert option.prompt_cache
    texts = {(one.tool, one.part): one.text for one in launches(found, option, default_library().models)}
    assert "--enable-hierarchical-cache" in texts["SGLang", "prefill"]
    assert "--enable-hierarchical-cache" not in texts["SGLang", "decode"]
    assert not texts["vLLM", "prefill"]
    together = answered(prefix_hit_rate=0.8, kv_offload="host")
    texts = {one.tool: one.text for one in launches(together, together.recommendations[0], default_library().models)}
    assert '"kv_connector":"OffloadingConnector"' in texts["vLLM"]
