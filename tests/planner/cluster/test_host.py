"""Hosts: memory fills channels evenly, is large enough and no dearer than need be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_db import load_hardware
from planner.cluster.host import (
    device_memory,
    drive_choice,
    memory_bandwidth_bytes_per_s,
    memory_choice,
    serving_memory_bytes,
    training_drive_bytes,
    training_memory_bytes,
)

HARDWARE = load_hardware()
GIB = 2**30
HOSTS = [server for server in HARDWARE.servers.values() if server.cpu_id in HARDWARE.cpus]


def test_rules_of_the_method():
    assert training_memory_bytes(8 * 80 * GIB) == 1280 * GIB
    assert serving_memory_bytes(140e9, 100e9) == 304e9
    assert training_drive_bytes(1e12, 5e11) == 2.5e12


@given(st.sampled_from(HOSTS), st.floats(1e9, 2e13))
def test_channels_are_filled_evenly_and_with_enough(host, missing):
    included = host.host_dram_bytes or 0.0
    choice = memory_choice(HARDWARE, host, included + missing)
    cpu = HARDWARE.cpus[host.cpu_id]
    channels = host.cpu_count * (cpu.memory_channels or 1)
    assert choice is not None
    assert choice.quantity % channels == 0
    assert choice.quantity <= 2 * channels
    largest = (
        2
        * channels
        * max(size for module in HARDWARE.memory_modules.values() if cpu.memory_id in module.memory_ids for size in module.module_bytes)
    )
    assert choice.size_bytes >= min(missing, largest)


def test_what_is_there_is_not_bought():
    host = HARDWARE.servers["dgx-h100"]
    assert memory_choice(HARDWARE, host, host.host_dram_bytes) is None


def test_bandwidth_is_that_of_all_channels():
    """Two sockets of eight DDR5-4800 channels: 16 x 38.4 GB/s."""
    cpu = HARDWARE.cpus["xeon-8480c"]
    assert memory_bandwidth_bytes_per_s(HARDWARE, cpu, 2) == pytest.approx(16 * 38.4e9)


def test_drives_cover_what_is_missing():
    host = HARDWARE.servers["dgx-b200"]
    included = 8 * 3.84e12
    assert drive_choice(HARDWARE, host, included) is None
    choice = drive_choice(HARDWARE, host, included + 1e12)
    assert choice.quantity == 1
    assert choice.price.typical_usd == pytest.approx(choice.drive_bytes * choice.drives.price_per_byte.typical_usd)


def test_the_technology_of_device_memory_is_named():
    named = {id_: device_memory(HARDWARE, chip) for id_, chip in HARDWARE.accelerators.items()}
    assert named["nvidia-h100-sxm-80gb"].id == "hbm3"
    assert named["nvidia-l40s"].id == "gddr6"
    unknown = {HARDWARE.accelerators[id_].memory_type for id_, memory in named.items() if memory is None}
    one_of_two = {name for name in unknown if "/" in name}
    assert not {name for name in unknown - one_of_two if name.startswith(("HBM", "GDDR"))}
