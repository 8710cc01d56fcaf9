"""The facts themselves: all of them are there, each with its source, and the contradictions that were settled stay settled."""

from collections import Counter

import pytest

from hardware_db import load_hardware

LEAST = {
    "gpu": 59, "npu": 14, "tpu": 10, "cpu": 7,
    "server": 20, "rack": 6, "cloud_instance": 17, "storage_server": 4, "management_server": 1, "host_cpu": 6,
    "bill_of_materials": 2, "price_list": 1, "power_rule": 1,
    "fabric": 24, "scale_up": 15, "host_bus": 6, "nic": 7, "switch": 10, "fabric_manager": 1, "transceiver": 6, "cable": 6,
    "network_price": 4, "network_measurement": 8, "topology": 7, "network_factor": 1,
    "host_dram": 6, "memory_power": 3, "memory_price": 4, "memory_module": 4, "device_memory": 11, "memory_check": 1, "cxl": 4,
    "nvme": 22, "sata_ssd": 1, "hdd": 4, "storage_price": 5, "storage_class": 3, "cloud_fs": 4, "cloud_object": 2, "storage_rule": 1,
    "filesystem": 12, "object_store": 1, "sql_store": 1, "kv_store": 4, "kv_cache": 2, "storage_measurement": 21, "storage_requirement": 5,
    "pue": 8, "rack_layout": 6, "cooling_limit": 1, "facility_part": 6, "electricity_price": 6, "carbon_intensity": 3, "water": 4,
    "colocation": 3, "opex": 2, "lifetime": 1, "embodied": 10, "reliability": 20,
    "cloud_offer": 178, "reference_fabric": 22, "storage_benchmark": 132,
}  # fmt: skip


@pytest.fixture(scope="module")
def hardware():
    return load_hardware()


def test_no_fact_was_lost(schema, drafts):
    counts = Counter(draft.kind for draft in drafts)
    assert LEAST.keys() == schema.kinds.keys()
    assert {kind: counts[kind] for kind, least in LEAST.items() if counts[kind] < least} == {}


def test_entries_stand_in_the_file_of_their_kind(schema, drafts):
    def expected(draft) -> str:
        file = schema.kinds[draft.kind].file
        return file.replace("*", draft.values["vendor"].lower()) if "*" in file else file

    assert [(draft.id, draft.file) for draft in drafts if draft.file != expected(draft)] == []


def test_every_kind_of_store_asked_for_is_there(hardware):
    names = " ".join(record.name for record in (*hardware.filesystems.values(), *hardware.stores.values(), *hardware.measurements.values()))
    for store in ("HDFS", "Ceph", "Lustre", "3FS", "Redis", "TiDB", "BeeGFS", "GPFS", "DAOS", "WEKA", "MinIO", "Mooncake"):
        assert store in names


def test_what_can_be_bought_or_rented_has_a_host_with_as_many_places(hardware):
    """Announced parts may have none, and one that is sold in China only and of which just the 4-bit rate is known."""
    for chip in hardware.accelerators.values():
        if chip.server_id is None:
            assert chip.status == "announced" or chip.id == "huawei-ascend-950pr", chip.id
            continue
        server = hardware.servers[chip.server_id]
        assert server.accelerators >= 1, chip.id
        assert not server.accelerator_ids or chip.id in server.accelerator_ids, chip.id


def test_a_host_of_ones_own_has_power(hardware):
    """Clouds do not publish theirs; where a rack is announced, nothing is known yet."""
    silent = [
        chip.id
        for chip in hardware.accelerators.values()
        if chip.server_id
        and hardware.servers[chip.server_id].kind != "cloud_instance"
        and hardware.servers[chip.server_id].power_max_w is None
    ]
    assert silent == []


def test_figures_a_plan_needs_are_there_for_what_is_sold(hardware):
    sold = [chip for chip in hardware.accelerators.values() if chip.status == "available"]
    assert [chip.id for chip in sold if not (set(chip.peak_flops_per_s) & {"bf16", "fp16", "fp8", "int8", "fp64", "fp4"})] == []
    assert [chip.id for chip in sold if not chip.memory_bytes] == []
    assert [chip.id for chip in sold if not chip.memory_bandwidth_bytes_per_s] == ["sambanova-sn40l"], "no source agrees on that one"


@pytest.mark.parametrize(
    ("identity", "field", "kept"),
    [
        ("amd-mi355x", "bf16", 2516.6e12),
        ("nvidia-b300-sxm-288gb", "fp4", 13500e12),
        ("nvidia-b300-sxm-288gb", "int8", 153.5e12),
        ("nvidia-gb300-nvl72", "int8", 165e12),
        ("nvidia-b200-sxm-180gb", "fp32", 75e12),
        ("intel-gaudi3", "bf16", 1677e12),
        ("nvidia-a10g", "fp16", 70e12),
        ("nvidia-rtx-5090", "fp4", 1676e12),
        ("nvidia-vr200-nvl72", "fp4", 35000e12),
        ("google-tpu-v5p", "fp8", 459e12),
    ],
)
def test_settled_peaks_stay_settled(hardware, identity, field, kept):
    assert hardware.accelerators[identity].peak_flops_per_s[field] == pytest.approx(kept)


@pytest.mark.parametrize(
    ("identity", "attribute", "kept"),
    [
        ("amd-mi355x", "scale_up_bytes_per_s", 535.5e9),
        ("nvidia-b300-sxm-288gb", "tdp_w", 1100),
        ("nvidia-b200-sxm-180gb", "memory_bandwidth_bytes_per_s", 8e12),
        ("nvidia-rtx-pro-6000-server", "memory_bandwidth_bytes_per_s", 1597e9),
        ("google-tpu-v4", "scale_up_bytes_per_s", 300e9),
        ("google-tpu-v3", "memory_bandwidth_bytes_per_s", 900e9),
        ("aws-trainium3", "scale_up_bytes_per_s", 1280e9),
        ("nvidia-b200-sxm-180gb", "host_link_bytes_per_s", 63e9),
    ],
)
def test_settled_figures_stay_settled(hardware, identity, attribute, kept):
    assert getattr(hardware.accelerators[identity], attribute) == pytest.approx(kept)


def test_rack_maxima_are_maxima(hardware):
    assert hardware.servers["gb200-nvl72"].power_max_w == 132e3
    assert hardware.servers["gb300-nvl72"].power_max_w == 155e3


def test_interruption_counts_add_up(hardware):
    """419 unexpected interruptions by cause; the printed shares of the source do not."""
    run = hardware.reliability["llama3-405b-54d"]
    assert sum(run.numbers("causes").values()) == run.number("interruptions_unexpected") == 419
    assert run.number("interruptions_per_gpu_year") == pytest.approx(419 / (16384 * 54 / 365), rel=0.01)


def test_bills_of_materials_add_up(hardware):
    bill = hardware.studies["dgx-h100-bom"]
    assert sum(bill.numbers("parts_usd").values()) == bill.number("non_gpu_cost_usd") == 32010


def test_device_memory_of_the_checklist_agrees_with_the_accelerators(hardware):
    for row in hardware.studies["device-memory-examples"].rows():
        chip = hardware.accelerators[row["accelerator_id"]]
        assert chip.memory_bandwidth_bytes_per_s == pytest.approx(row["bandwidth_bytes_per_s"], rel=0.03), chip.id


def test_ids_of_maps_that_name_entries_resolve(hardware):
    for layout in ("rack-nvl72", "rack-next"):
        assert hardware.facility[layout].numbers("rack_w_by_server_id").keys() <= hardware.servers.keys()
    parts = hardware.studies["optical-link-rule"].numbers("parts")
    assert parts.keys() <= hardware.transceivers.keys() | hardware.cables.keys()
