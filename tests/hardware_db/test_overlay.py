"""A user's own file: adds and overrides entries, names itself as their source, and is refused whole when it is wrong."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.errors import RackwrightError
from facts.yaml_files import parse_yaml
from hardware_db import load_hardware
from hardware_db.catalog_files import merged_drafts
from hardware_db.convert import record_of, si_values

OWN = """
- id: acme-x1
  name: Acme X1
  kind: gpu
  vendor: Acme
  status: available
  form_factor: OAM
  confidence: medium
  memory_type: HBM3e
  memory_GiB: 192
  memory_bandwidth_GBps: 6000
  peak_TFLOPps: {bf16: 1500, fp8: 3000}
  scale_up_domain: 8
  tdp_W: 900
  server_id: acme-x1-node
- id: acme-x1-node
  name: Acme X1 node
  kind: server
  accelerator_ids: [acme-x1]
  accelerators: 8
  power_max_kW: 12
  price_USD: {typical: 190000}
"""
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "extend" / "accelerator.md"


def codes(content: str | bytes) -> set[str]:
    with pytest.raises(RackwrightError) as raised:
        load_hardware([content if isinstance(content, bytes) else content.encode()])
    return {fault.code for fault in raised.value.faults}


def own_file(tmp_path, text: str, name: str = "my.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_new_hardware_is_added_with_the_file_as_its_source(tmp_path):
    hardware = load_hardware([own_file(tmp_path, OWN)])
    chip = hardware.accelerators["acme-x1"]
    assert chip.peak_flops_per_s == {"bf16": 1.5e15, "fp8": 3e15}
    assert chip.file == "my.yaml"
    assert chip.sources_of("tdp_w") == ("my.yaml",)
    assert hardware.servers["acme-x1-node"].price.sources == ("my.yaml",)
    assert "acme-x1" not in load_hardware().accelerators


def test_only_the_given_fields_change(tmp_path):
    before = load_hardware().accelerators["nvidia-h100-sxm-80gb"]
    after = load_hardware([own_file(tmp_path, "- id: nvidia-h100-sxm-80gb\n  tdp_W: 500\n")]).accelerators["nvidia-h100-sxm-80gb"]
    assert after.tdp_w == 500
    assert after.sources_of("tdp_w") == ("my.yaml",)
    assert after.sources_of("memory_bytes") == before.sources_of("memory_bytes")
    assert (after.memory_bytes, after.peak_flops_per_s, after.price) == (before.memory_bytes, before.peak_flops_per_s, before.price)


def test_named_numbers_are_replaced_one_by_one():
    chip = load_hardware([b"- {id: nvidia-h100-sxm-80gb, peak_TFLOPps: {fp8: 1600, fp4: null}}"]).accelerators["nvidia-h100-sxm-80gb"]
    assert chip.peak_flops_per_s["fp8"] == 1.6e15
    assert chip.peak_flops_per_s["bf16"] == 989e12
    assert "fp4" not in chip.peak_flops_per_s


def test_a_price_of_ones_own_replaces_the_whole_price(tmp_path):
    text = "- id: dgx-h100\n  price_USD: {typical: 262000}\n  price_date: 2026-11\n"
    server = load_hardware([own_file(tmp_path, text)]).servers["dgx-h100"]
    price = server.price
    assert (price.low_usd, price.typical_usd, price.high_usd) == (262_000, 262_000, 262_000)
    assert (price.basis, price.date, price.sources) == ("own", "2026-11", ("my.yaml",))
    assert server.price_history == ()


def test_sources_that_are_given_stand_behind_the_file(tmp_path):
    path = own_file(tmp_path, "- id: dgx-h100\n  power_max_kW: 9.5\n  sources: [acceptance test of March]\n")
    server = load_hardware([path]).servers["dgx-h100"]
    assert server.sources_of("power_max_w") == ("my.yaml", "acceptance test of March")


def test_the_last_file_wins(tmp_path):
    first = own_file(tmp_path, "- {id: dgx-h100, power_max_kW: 9}", "first.yaml")
    second = own_file(tmp_path, "- {id: dgx-h100, power_max_kW: 8}", "second.yaml")
    assert load_hardware([first, second]).servers["dgx-h100"].power_max_w == 8000
    assert load_hardware([second, first]).servers["dgx-h100"].power_max_w == 9000


def test_offers_of_ones_own_join_the_price_list():
    text = b"- {id: my-b200, kind: cloud_offer, provider: Us, instance_type: b200.8x, accelerator_id: nvidia-b200-sxm-180gb, "
    text += b"accelerator_count: 8, on_demand_USD_per_h: 24, date: 2026-11, source: contract}"
    (offer,) = (offer for offer in load_hardware([text]).cloud_offers if offer.provider == "Us")
    assert (offer.accelerators, offer.on_demand_usd_per_h) == (8, 24)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- {id: x}", {"catalog_unknown_kind"}),
        ("- {name: x, kind: gpu}", {"catalog_missing_field"}),
        ("- {id: 5, kind: gpu}", {"catalog_missing_field"}),
        ("- {id: dgx-h100, kind: gpu}", {"catalog_unknown_field", "catalog_missing_field"}),
        ("- {id: dgx-h100, power_max_W: 9000}", {"catalog_unknown_field"}),
        ("- {id: dgx-h100, power_max_kW: many}", {"catalog_wrong_type"}),
        ("- {id: dgx-h100, sources: {a: 3}, power_max_kW: 9}", {"catalog_wrong_type"}),
        ("- {id: nvidia-h100-sxm-80gb, peak_TFLOPps: 5}", {"catalog_wrong_type"}),
        ("- {id: nvidia-h100-sxm-80gb, server_id: nowhere}", {"catalog_dangling"}),
        ("- {id: dgx-h100, power_max_kW: 9}\n- {id: dgx-h100, power_max_kW: 8}", {"catalog_duplicate"}),
        ("- {id: dgx-h100, nics: [{nic_id: connectx-7}]}", {"catalog_missing_field"}),
        ("- {id: nvidia-l4, measured_matmul: [{format: bf16}]}", {"catalog_missing_field"}),
        ("id: dgx-h100", {"catalog_not_a_list"}),
        ("- dgx-h100", {"catalog_not_a_list"}),
        ("- {id: &a [*a]}", {"yaml_unknown_alias"}),
        ("- {id: !!python/name:os.system x}", {"yaml_tag"}),
    ],
)
def test_a_wrong_file_is_refused(text, expected):
    assert codes(text) == expected


def test_all_faults_of_a_file_are_found_together():
    with pytest.raises(RackwrightError) as raised:
        load_hardware([b"- {id: dgx-h100, power_max_kW: -1, cooling: hope}\n- {id: dgx-h200, rack_units: 900}"])
    assert {fault.field for fault in raised.value.faults} == {"power_max_kW", "cooling", "rack_units"}
    assert {fault.where for fault in raised.value.faults} == {"upload dgx-h100", "upload dgx-h200"}


def test_an_upload_over_a_megabyte_is_refused():
    assert codes(b"# " + b"x" * 1_000_001) == {"file_too_large"}


def test_a_large_file_on_disk_is_refused(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_bytes(b"# " + b"x" * 1_000_001)
    with pytest.raises(RackwrightError) as raised:
        load_hardware([path])
    assert raised.value.faults[0].code == "file_too_large"


def test_the_digest_follows_content_not_names(tmp_path):
    one, two = own_file(tmp_path, OWN, "one.yaml"), own_file(tmp_path, OWN, "two.yaml")
    other = own_file(tmp_path, OWN.replace("900", "901"), "other.yaml")
    digests = [load_hardware([path]).digest for path in (one, two, other)]
    assert digests[0] == digests[1] == load_hardware([OWN.encode()]).digest
    assert len({*digests, load_hardware().digest}) == 3


def test_the_examples_of_the_guide_hold(tmp_path):
    """Every YAML block of docs/extend/accelerator.md, in one file."""
    blocks = re.findall(r"(?:^    .*\n)+", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = [block for block in blocks if block.startswith("    - id:")]
    assert len(entries) == 2
    hardware = load_hardware([own_file(tmp_path, "".join(re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in entries))])
    assert hardware.servers["dgx-h100"].price.typical_usd == 262_000
    assert hardware.servers["acme-x1-node"].network_bytes_per_s == 8 * 5e10


FIELD_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**9), st.floats(allow_nan=False), st.text(max_size=8), st.lists(st.integers(), max_size=2)
)


@given(st.data())
def test_hostile_entries_are_refused_or_valid_never_worse(data):
    """Whatever values the fields of an entry get, loading raises `RackwrightError` or gives a record of valid values."""
    schema, drafts = merged_drafts()
    draft = data.draw(st.sampled_from(drafts))
    names = data.draw(st.lists(st.sampled_from([*schema.kinds[draft.kind].fields, "sources", "kind", "name"]), min_size=1, max_size=3))
    values = {"id": draft.id} | {name: data.draw(FIELD_VALUES) for name in names}
    try:
        _, merged = merged_drafts([json.dumps([values], allow_nan=True).encode()])
    except RackwrightError as error:
        assert error.faults
    else:
        (changed,) = (entry for entry in merged if entry.id == draft.id)
        kind = schema.kinds[changed.kind]
        assert si_values(changed.values, kind, schema) if kind.from_table else record_of(changed, schema)


def test_merging_does_not_touch_the_packaged_entries():
    before = merged_drafts()[1]
    texts = [str(draft.values) for draft in before]
    load_hardware([b"- {id: nvidia-h100-sxm-80gb, peak_TFLOPps: {fp8: 1}, tdp_W: 6}"])
    assert [str(draft.values) for draft in merged_drafts()[1]] == texts
    assert parse_yaml(b"[]") == []
