"""Platforms: every accelerator with a server gets one; rates, domains and topologies are those of the catalog."""

import numpy as np
import pytest

from hardware_db import load_hardware
from planner.cluster.platform import expert_network, platforms, servers_of
from planner.cluster.templates import templates
from planner.performance.collectives import all_gather_s, all_reduce_s

HARDWARE = load_hardware()


def one(accelerator, **choices):
    return platforms(HARDWARE, [accelerator], **choices)


def test_every_accelerator_has_a_platform():
    every = platforms(HARDWARE, list(HARDWARE.accelerators))
    assert every.accelerator_id == tuple(HARDWARE.accelerators)
    assert (every.scale_out_bytes_per_s > 0).all()
    assert (every.devices_per_server >= 1).all()
    assert (every.scale_up_domain >= 1).all()
    inside = every.scale_up_domain > 1
    assert (every.scale_up_bytes_per_s[inside] > 0).all()


@pytest.mark.parametrize(
    ("accelerator", "per_server", "domain", "inside", "across"),
    [
        ("nvidia-h100-sxm-80gb", 8, 8, 450e9, 50e9),  # 8 x 400 Gb/s
        ("nvidia-b300-sxm-288gb", 8, 8, 900e9, 100e9),
        ("nvidia-gb200-nvl72", 72, 72, 900e9, 50e9),
        ("nvidia-l40s", 8, 8, 31e9, 12.5e9),  # no scale-up link: PCIe inside, two cards for eight
        ("intel-gaudi3", 8, 8, 525e9, 75e9),  # 24 ports of 200 Gb/s leave the node
        ("google-tpu-v5e", 8, 256, 200e9, 3.125e9),
        ("google-tpu-v5p", 4, 8960, 600e9, 6.25e9),
        ("aws-trainium2", 16, 16, 640e9, 25e9),  # the instance; four of them make an UltraServer
    ],
)
def test_rates_and_domains(accelerator, per_server, domain, inside, across):
    row = one(accelerator)
    assert (row.devices_per_server[0], row.scale_up_domain[0]) == (per_server, domain)
    assert (row.scale_up_bytes_per_s[0], row.scale_out_bytes_per_s[0]) == (inside, across)


def test_topologies_follow_the_links():
    mesh = one("amd-mi300x").network.scale_up
    assert mesh.direct_peers == 7
    assert one("google-tpu-v5p").network.scale_up.torus_axes == 3
    assert one("aws-trainium2").network.scale_up.torus_axes == 2.5  # 640 GB/s over neighbours of 128 GB/s
    assert one("nvidia-h100-sxm-80gb").network.scale_up.torus_axes == 0
    assert one("nvidia-rtx-4090").network.scale_up.contention > 1  # through the host
    assert one("nvidia-l40s").network.scale_up.contention == 0  # a path of its own


def test_a_cloud_instance_brings_its_own_network():
    names = servers_of(HARDWARE, "nvidia-h100-sxm-80gb")
    assert names[0] == "dgx-h100"
    assert "gcp-a3-high" in names
    cloud = one("nvidia-h100-sxm-80gb", server_ids=["gcp-a3-high"])
    assert cloud.scale_out_bytes_per_s[0] == 12.5e9  # 800 Gb/s for eight
    assert cloud.network.scale_out.launch_s > one("nvidia-h100-sxm-80gb").network.scale_out.launch_s


def test_an_engine_brings_its_kernels():
    plain, engine = one("nvidia-h100-sxm-80gb").network, one("nvidia-h100-sxm-80gb", engine="vllm").network
    assert all_reduce_s(1e5, 8, 8, engine) < all_reduce_s(1e5, 8, 8, plain)
    assert all_reduce_s(1e9, 8, 8, engine) == all_reduce_s(1e9, 8, 8, plain)
    nobody = one("nvidia-h100-sxm-80gb", engine="an engine without kernels").network
    assert all_reduce_s(1e5, 8, 8, nobody) == all_reduce_s(1e5, 8, 8, plain)


def test_oversubscription_counts_beyond_a_leaf_unit():
    """Rail-optimised, 3:1 on 64 ports: a unit is 48 nodes of 8."""
    template = templates().fabrics["infiniband"].model_copy(update={"oversubscription": 3.0})
    blocked = one("nvidia-h100-sxm-80gb", compute=[template]).network
    assert blocked.scale_out.blocking_ranks == 48 * 8
    free = one("nvidia-h100-sxm-80gb").network
    assert all_gather_s(1e9, 384, 1, blocked) == all_gather_s(1e9, 384, 1, free)
    assert all_gather_s(1e9, 392, 1, blocked) > 2 * all_gather_s(1e9, 392, 1, free)


def test_expert_kernels_keep_the_links_and_change_their_parameters():
    columns = one("nvidia-h100-sxm-80gb")
    quick = expert_network(HARDWARE, columns, "low_latency")
    assert quick.scale_up.bytes_per_s == columns.network.scale_up.bytes_per_s
    assert quick.scale_up.launch_s != columns.network.scale_up.launch_s


def test_what_is_gathered_is_what_the_rows_say():
    every = platforms(HARDWARE, list(HARDWARE.accelerators))
    rows = np.array([5, 0, 7, 5], dtype=np.int32)
    taken = every.network.take(rows)
    assert np.array_equal(taken.scale_up.bytes_per_s, every.network.scale_up.bytes_per_s[rows], equal_nan=True)
