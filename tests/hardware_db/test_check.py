"""A check finds each kind of fault that is planted, and names file, entry, field and what is allowed."""

import pytest

from facts.errors import RackwrightError
from hardware_db.catalog_files import data_files
from hardware_db.check import check_catalog
from hardware_db.convert import entry_list

CHIP = "nvidia-b200-sxm-180gb"


def test_the_packaged_catalog_is_clean():
    assert check_catalog() == ()


@pytest.mark.parametrize(
    ("identity", "changes", "code", "field"),
    [
        (CHIP, {"sources": ...}, "catalog_missing_field", "sources"),
        (CHIP, {"sources": []}, "catalog_wrong_type", "sources"),
        (CHIP, {"sources": {"specs": []}}, "catalog_wrong_type", "sources"),
        (CHIP, {"sources": ["memory (unverified)"]}, "catalog_unverified_source", "sources"),
        (CHIP, {"vendor": ...}, "catalog_missing_field", "vendor"),
        (CHIP, {"tdp_w": 1000}, "catalog_unknown_field", "tdp_w"),
        (CHIP, {"tdp_W": 1_000_000}, "catalog_out_of_range", "tdp_W"),
        (CHIP, {"tdp_W": "1000"}, "catalog_wrong_type", "tdp_W"),
        (CHIP, {"tdp_W": True}, "catalog_wrong_type", "tdp_W"),
        (CHIP, {"tdp_W": [1000]}, "catalog_wrong_type", "tdp_W"),
        (CHIP, {"scale_up_domain": 7.5}, "catalog_wrong_type", "scale_up_domain"),
        (CHIP, {"status": "sold out"}, "catalog_not_one_of", "status"),
        (CHIP, {"basis": "memory"}, "catalog_not_one_of", "basis"),
        (CHIP, {"kind": "gpux"}, "catalog_unknown_kind", "kind"),
        (CHIP, {"id": "B200 new"}, "catalog_bad_name", "id"),
        (CHIP, {"notes": "x" * 5000}, "catalog_too_long", "notes"),
        (CHIP, {"release": "Nov 2024"}, "catalog_bad_date", "release"),
        (CHIP, {"release": "2024-13"}, "catalog_bad_date", "release"),
        (CHIP, {"price_date": "2026-02-30"}, "catalog_bad_date", "price_date"),
        (CHIP, {"peak_TFLOPps": {"bf16": 2250, "bf15": 1}}, "catalog_not_one_of", "peak_TFLOPps.bf15.[key]"),
        (CHIP, {"peak_TFLOPps": {"bf16": -1}}, "catalog_out_of_range", "peak_TFLOPps.bf16"),
        (CHIP, {"peak_TFLOPps": {"bf16": 2250, "fp8": 9000}}, "catalog_sparse_peak", "peak_TFLOPps.fp8"),
        (CHIP, {"peak_TFLOPps": {"bf16": 2250, "fp8": 4500, "fp4": 18000}}, "catalog_sparse_peak", "peak_TFLOPps.fp4"),
        (CHIP, {"peak_TFLOPps": {"bf16": 1000, "fp8": 2000}}, "catalog_implausible", "measured_matmul"),
        (CHIP, {"scale_up_GBps": 1800}, "catalog_implausible", "scale_up_GBps"),
        (CHIP, {"server_id": "dgx-b2000"}, "catalog_dangling", "server_id"),
        (CHIP, {"server_id": "connectx-7"}, "catalog_dangling", "server_id"),
        (CHIP, {"price_USD": {"low": 40_000, "typical": 30_000}}, "catalog_price_order", "price_USD"),
        (CHIP, {"price_USD": {}}, "catalog_price_order", "price_USD"),
        (CHIP, {"price_USD": {"typical": 0.01}}, "catalog_out_of_range", "price_USD.typical"),
        (CHIP, {"price_USD": 40_000}, "catalog_wrong_type", "price_USD"),
        ("dgx-b200", {"power_max_kW": 7}, "catalog_implausible", "power_max_kW"),
        ("dgx-b200", {"power_typical_kW": 15}, "catalog_implausible", "power_typical_kW"),
        ("dgx-b200", {"nics": [{"nic_id": "connectx-70", "count": 8, "ports": 1, "port_Gbps": 400, "role": "scale_out"}]}, "catalog_dangling", "nics.0.nic_id"),
        ("dgx-b200", {"nics": [{"nic": "connectx-7"}]}, "catalog_unknown_field", "nics.0.nic"),
        ("dgx-b200", {"accelerator_ids": [CHIP, "b200"]}, "catalog_dangling", "accelerator_ids"),
        ("ddr5-4800", {"channel_GBps": 76.8}, "catalog_disagrees", "channel_GBps"),
        ("intel-xeon-8480plus", {"memory_bandwidth_GBps": 614.4}, "catalog_disagrees", "memory_bandwidth_GBps"),
        ("qm9700", {"switch_Tbps": 51.2}, "catalog_disagrees", "switch_Tbps"),
        ("nvlink5", {"per_accel_duplex_GBps": 900}, "catalog_disagrees", "per_accel_duplex_GBps"),
        ("hdfs-3x", {"usable_fraction": 3}, "catalog_out_of_range", "usable_fraction"),
        ("carbon-country", {"rows": [{"iso3": "FRA", "grid_gCO2e_per_kWh": 56_000}]}, "catalog_out_of_range", "rows.0.grid_gCO2e_per_kWh"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(planted, identity, changes, code, field):
    faults = planted(identity, changes)
    assert (code, field) in {(fault.code, fault.field) for fault in faults}
    fault = next(fault for fault in faults if (fault.code, fault.field) == (code, field))
    assert changes.get("id", identity) in fault.where
    assert ".yaml" in fault.where


def offer_of(drafts, identity: str):
    return next(draft.id for draft in drafts if draft.kind == "cloud_offer" and draft.values["accelerator_id"] == identity)


def test_a_b200_does_not_cost_a_cent_an_hour(planted, drafts):
    """40,000 USD over ten years are 0.46 USD an hour: no rent is below that."""
    faults = planted(offer_of(drafts, CHIP), {"on_demand_USD_per_h": 0.08, "accelerator_count": 8.0, "spot_USD_per_h": ...})
    assert [fault.code for fault in faults] == ["catalog_price_bounds"]
    assert "USD per hour" in faults[0].allowed


def test_rent_that_pays_for_the_card_in_a_month_is_out_of_bounds(planted, drafts):
    faults = planted(offer_of(drafts, CHIP), {"on_demand_USD_per_h": 100.0, "accelerator_count": 1.0})
    assert "catalog_price_bounds" in {fault.code for fault in faults}


def test_spot_above_on_demand_has_to_be_flagged(planted, drafts):
    identity = offer_of(drafts, CHIP)
    prices = {"on_demand_USD_per_h": 4.0, "spot_USD_per_h": 5.0, "accelerator_count": 1.0}
    assert "catalog_flag_missing" in {fault.code for fault in planted(identity, prices | {"flags": ...})}
    assert "catalog_flag_missing" not in {fault.code for fault in planted(identity, prices | {"flags": "spot_above_on_demand"})}


def test_an_offer_has_a_price(planted, drafts):
    gone = {"on_demand_USD_per_h": ..., "spot_USD_per_h": ..., "reserved_1y_USD_per_h": ..., "reserved_3y_USD_per_h": ...}
    assert "catalog_missing_field" in {fault.code for fault in planted(offer_of(drafts, CHIP), gone)}


def test_a_rate_that_really_is_uneven_can_be_said_to_be(planted):
    assert planted(CHIP, {"peak_TFLOPps": {"bf16": 2250, "fp8": 9000}, "uneven_peaks": True}) == ()


def test_a_hint_names_the_nearest(planted):
    (fault,) = planted(CHIP, {"server_id": "dgx-b2000"})
    assert fault.hint == "dgx-b200"
    (fault,) = planted(CHIP, {"tdp_w": 1000})
    assert fault.hint == "tdp_W"


def copied(folder):
    for name, content in data_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_an_entry_given_twice_is_found(tmp_path):
    copied(tmp_path)
    path = tmp_path / "network" / "parts.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + text[text.index("- id: qm9700") : text.index("- id: qm9790")], encoding="utf-8")
    (fault,) = check_catalog(tmp_path)
    assert (fault.code, fault.value) == ("catalog_duplicate", "qm9700")


def test_a_cell_that_is_no_number_is_found(tmp_path):
    copied(tmp_path)
    path = tmp_path / "cloud_prices.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",55.04,", ",fifty,", 1), encoding="utf-8")
    (fault,) = check_catalog(tmp_path)
    assert (fault.code, fault.field, fault.value) == ("catalog_wrong_type", "on_demand_USD_per_h", "fifty")


def test_broken_yaml_is_one_finding(tmp_path):
    copied(tmp_path)
    (tmp_path / "memory.yaml").write_text("- id: [", encoding="utf-8")
    assert [fault.code for fault in check_catalog(tmp_path)] == ["yaml_syntax"]


@pytest.mark.parametrize("text", ["id: x", "- 3", "just text", "- [a]"])
def test_a_file_that_is_no_list_of_entries_is_refused(text):
    with pytest.raises(RackwrightError) as raised:
        entry_list(text.encode(), "my.yaml")
    assert raised.value.faults[0].code == "catalog_not_a_list"
