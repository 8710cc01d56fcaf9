"""Units are converted once and rightly: the figures here were worked out by hand from the written ones."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_db import load_hardware
from hardware_db.catalog_files import packaged
from hardware_db.convert import Draft, record_of
from hardware_db.records import Accelerator, Entry


@pytest.fixture(scope="module")
def hardware():
    return load_hardware()


def test_an_h100(hardware):
    """3350 GB/s, 989 TFLOP/s dense, 80 GiB, 450 GB/s one way, 700 W, 1.73 kW all in."""
    chip = hardware.accelerators["nvidia-h100-sxm-80gb"]
    assert chip.memory_bandwidth_bytes_per_s == 3.35e12
    assert chip.peak_flops_per_s["bf16"] == 989e12
    assert chip.memory_bytes == 80 * 2**30
    assert chip.scale_up_bytes_per_s == 450e9
    assert chip.scale_up_domain == 8
    assert chip.tdp_w == 700
    assert chip.all_in_power_w == pytest.approx(1730)
    assert chip.matmul_fraction["bf16"] == pytest.approx(794.5 / 989)


def test_gib_and_gb_are_told_apart(hardware):
    """B300: 275,040 MiB reported = 268.6 GiB; the DGX's 2300 GB are decimal; DIMM labels are GiB."""
    assert hardware.accelerators["nvidia-b300-sxm-288gb"].memory_bytes == pytest.approx(268.6 * 2**30)
    assert hardware.servers["dgx-b300"].values["accelerator_memory_bytes"] == 2300e9
    assert hardware.servers["dgx-h100"].host_dram_bytes == 2**41


def test_link_rates_are_bytes_of_one_direction(hardware):
    """400 Gb/s = 5e10 B/s; a DGX H100 has eight; NVLink 4 is 450 GB/s one way."""
    assert hardware.nics["connectx-7"].port_bytes_per_s == 5e10
    assert hardware.switches["qm9700"].port_bytes_per_s == 5e10
    assert hardware.servers["dgx-h100"].network_bytes_per_s == 8 * 5e10
    assert hardware.scale_up_links["nvlink4"].per_accel_bytes_per_s == 450e9
    assert hardware.fabrics["efa-v2"].node_bytes_per_s == 3.2e12 / 8


def test_power_time_energy_and_shares(hardware):
    assert hardware.servers["dgx-h100"].power_max_w == 10_200
    assert hardware.storage["exos-x24"].mttf_s == 2.5e6 * 3600
    assert hardware.device_memory["hbm3e"].energy_j_per_bit == pytest.approx(4.05e-12)
    assert hardware.reliability["hdd-afr-spec"].number("afr_fraction") == pytest.approx(0.0035)
    assert hardware.reliability["llama3-405b-54d"].number("between_interruptions_s") == pytest.approx(3.09 * 3600)


def test_prices_by_capacity(hardware):
    """TLC 500 USD per TB typical; 64 GiB DDR5 1275 USD, 19.9 USD per GiB; liquid cooling 400 USD per kW."""
    assert hardware.storage_classes["price-class-nvme-tlc"].price_per_byte.typical_usd == pytest.approx(500e-12)
    module = hardware.memory_modules["price-class-ddr5-64g"]
    assert module.price.typical_usd == 1275
    assert module.price_per_byte.typical_usd * 2**30 == pytest.approx(19.9)
    assert hardware.facility_parts["price-cdu"].price_per_w.typical_usd == pytest.approx(0.4)


def test_a_range_without_a_typical_price_gets_its_geometric_mean_and_says_so(hardware):
    price = hardware.accelerators["nvidia-h100-sxm-80gb"].price
    assert (price.low_usd, price.high_usd, price.basis) == (22_000, 40_000, "derived")
    assert price.typical_usd == pytest.approx(math.sqrt(22_000 * 40_000))


def test_one_known_price_is_its_own_range(hardware):
    price = hardware.accelerators["nvidia-l4"].price
    assert price.low_usd == price.typical_usd == price.high_usd == 2500
    assert price.basis == "street"


def test_the_node_prices_of_september_2026_are_the_typical_ones_and_older_ones_are_kept(hardware):
    server = hardware.servers["dgx-h100"]
    assert (server.price.low_usd, server.price.typical_usd, server.price.high_usd) == (250_000, 290_000, 320_000)
    assert server.price.date == "2026-09-27"
    assert [(price.typical_usd, price.date) for price in server.price_history] == [(400_000, "2023")]


def test_network_cards_become_slots(hardware):
    slot = hardware.servers["dgx-b300"].nics[0]
    assert (slot.nic_id, slot.count, slot.port_bytes_per_s, slot.role) == ("connectx-8", 8, 1e11, "scale_out")


def test_unknown_is_none_and_not_zero(hardware):
    assert hardware.accelerators["aws-trainium1"].tdp_w is None
    assert hardware.accelerators["nvidia-gh200-96gb"].price is None
    assert hardware.cables["mpo-trunk"].port_bytes_per_s is None


def test_a_field_names_its_sources(hardware):
    chip = hardware.accelerators["nvidia-h100-sxm-80gb"]
    assert chip.sources_of("memory_bandwidth_bytes_per_s") == chip.sources["memory"]
    assert chip.sources_of("peak_flops_per_s", "bf16") == chip.sources["compute"]
    assert chip.sources_of("peak_flops_per_s", "fp64_tensor") == chip.sources["fp64_tensor"]
    assert chip.price.sources == chip.sources["price"]
    assert hardware.nics["connectx-7"].sources_of("port_bytes_per_s") == hardware.nics["connectx-7"].sources[""]
    assert all(record.sources_of("anything") for record in hardware.facts())


def test_an_entry_gives_numbers_maps_and_rows_by_name(hardware):
    entry = hardware.facility["carbon-country"]
    france = next(row for row in entry.rows() if row["iso3"] == "FRA")
    assert france["grid_gco2e_per_kwh"] == 56
    assert hardware.facility["pue-classes"].numbers("pue_by_name")["average"] == 1.54
    with pytest.raises(KeyError):
        hardware.facility["pue-classes"].number("pue")
    with pytest.raises(KeyError):
        hardware.facility["pue-classes"].number("pue_by_name")
    with pytest.raises(KeyError):
        hardware.facility["pue-uptime-2025"].numbers("pue")


def test_offers_are_whole_instances(hardware):
    offer = next(offer for offer in hardware.cloud_offers if offer.instance_type == "p5.48xlarge" and offer.region == "us-east-1")
    assert (offer.accelerators, offer.on_demand_usd_per_h, offer.network_bytes_per_s) == (8, 55.04, 4e11)


def test_reference_fabrics_and_the_storage_benchmark(hardware):
    row = next(row for row in hardware.reference_fabrics if row.gpus == 2048 and row.switch_id == "qm9700")
    assert (row.leaf_switches, row.spine_switches, row.core_switches, row.port_bytes_per_s) == (64, 32, 0, 5e10)
    run = hardware.storage_benchmark[0]
    assert run.read_bytes_per_s == pytest.approx(run.accelerator_read_bytes_per_s * run.accelerators, rel=1e-3)
    assert 0 < run.accelerator_utilisation_fraction < 1


@given(st.floats(30, 3e7), st.floats(0.1, 2000), st.floats(5, 40_000))
def test_conversion_is_a_factor(bandwidth, memory, power):
    base = next(draft for draft in packaged().drafts if draft.id == "nvidia-l4")
    values = dict(base.values) | {"memory_bandwidth_GBps": bandwidth, "memory_GiB": memory, "tdp_W": power}
    record = record_of(Draft("x", values), packaged().schema)
    assert isinstance(record, Accelerator)
    assert record.memory_bandwidth_bytes_per_s == pytest.approx(bandwidth * 1e9)
    assert record.memory_bytes == pytest.approx(memory * 1024**3)
    assert record.tdp_w == power


def test_records_of_measurements_keep_all_their_values(hardware):
    curve = hardware.measurements["meas-b200-4node"]
    assert isinstance(curve, Entry)
    assert curve.numbers("nic_fraction_by_payload")["256MiB"] == 0.443
    assert curve.numbers("busbw_by_payload_bytes_per_s")["1GiB"] == pytest.approx(361.99e9)
