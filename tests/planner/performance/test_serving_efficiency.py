"""Fitted rates stay physical on every accelerator of the catalog, whichever engine runs and however few rows it has."""

import numpy as np
import pytest

from planner.cluster.platform import platforms
from planner.library import default_library
from planner.performance.serving_efficiency import load_serving_efficiency, usable_peak_flops_per_s


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "generic"])
def test_no_accelerator_reads_or_computes_faster_than_its_data_sheet(engine):
    hardware = default_library().hardware
    stands = platforms(hardware, tuple(hardware.accelerators))
    rates = load_serving_efficiency().on(stands, engine)
    bandwidth, peak = stands.memory_bandwidth_bytes_per_s[:, None], usable_peak_flops_per_s(stands)
    known = ~np.isnan(bandwidth[:, 0])
    for read in (rates.linear_bytes_per_s, rates.expert_bytes_per_s, rates.attention_bytes_per_s):
        assert (read[known] <= bandwidth[known]).all()
    for computed in (rates.linear_flops_per_s, rates.expert_flops_per_s):
        assert (computed <= peak)[~np.isnan(peak)].all()
