"""The table of fields: complete, used, and the one source of units, checks, the page and the records."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from hardware_db import records
from hardware_db.fields_page import fields_page
from hardware_db.schema.table import COMMON_HEAD, COMMON_TAIL, si_name

PAGE = Path(__file__).resolve().parents[2] / "docs" / "catalog" / "fields.md"


def test_every_field_is_used_and_every_used_field_is_there(schema):
    used = {name for kind in schema.kinds.values() for name in (*kind.fields, *kind.rows, *kind.required)}
    used |= {column for field in schema.fields.values() for column in field.of}
    used |= {*COMMON_HEAD, *COMMON_TAIL} & schema.fields.keys()
    assert used == schema.fields.keys()


def test_required_fields_are_fields_of_their_kind(schema):
    assert [kind.name for kind in schema.kinds.values() if not kind.required <= set(kind.fields)] == []


def test_rows_have_columns(schema):
    for kind in schema.kinds.values():
        assert [name for name in kind.fields if schema.fields[name].type == "rows" and not schema.columns(kind, schema.fields[name])] == []


def test_needed_columns_are_columns(schema):
    assert [field.name for field in schema.fields.values() if field.needs and not field.needs <= set(field.of)] == []


def test_a_unit_stands_in_the_name_of_its_field(schema):
    silent = [
        field.name
        for field in schema.fields.values()
        if field.unit and not re.search(rf"(^|_){re.escape(field.unit.name)}(_|$)", field.name)
    ]
    assert silent == []


def test_numbers_with_a_unit_have_bounds(schema):
    assert [field.name for field in schema.fields.values() if field.unit and (field.min is None or field.max is None)] == []


def test_references_point_to_kinds(schema):
    assert {kind for field in schema.fields.values() for kind in field.to} <= schema.kinds.keys()


def test_source_groups_are_used(schema, drafts):
    """A group of sources in the data covers a field, a number format, or is one for the rest of the entry."""
    groups = {group for draft in drafts if isinstance(draft.values["sources"], dict) for group in draft.values["sources"]}
    covered = {field.sources for field in schema.fields.values()} | set(schema.fields["peak_TFLOPps"].names)
    covered |= {field.si_name for field in schema.fields.values()} | {"", "specs"}
    assert groups - covered == set()


def test_every_kind_has_a_record_with_attributes_that_some_field_fills(schema):
    derived = {"matmul_fraction", "network_bytes_per_s", "nics", "price_history"}
    shared = {field.name for field in fields(records.Fact)}
    for kind in schema.kinds.values():
        record = getattr(records, kind.record)
        names = {schema.fields[name].si_name for name in kind.fields}
        if kind.from_table or record is records.Entry:
            continue
        of_group = {name for other in schema.kinds.values() if other.record == kind.record for name in other.fields}
        names |= {schema.fields[name].si_name for name in of_group}
        assert {field.name for field in fields(record)} - shared - names - derived == set(), kind.name


def test_the_page_of_fields_is_in_step(schema):
    assert PAGE.read_text(encoding="utf-8") == fields_page(schema), "python -m hardware_db.fields_page > docs/catalog/fields.md"


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        ("power_max_kW", "kW", "power_max_w"),
        ("host_dram_GiB", "GiB", "host_dram_bytes"),
        ("mttf_h_by_gpus", "h", "mttf_s_by_gpus"),
        ("grid_gCO2e_per_kWh", "gCO2e_per_kWh", "grid_gco2e_per_kwh"),
        ("USD_per_TB", "USD_per_TB", "usd_per_byte"),
        ("afr_pct", "pct", "afr_fraction"),
        ("busbw_16GiB_GBps", "GBps", "busbw_16GiB_bytes_per_s"),
    ],
)
def test_the_si_name_replaces_the_unit(schema, name, unit, expected):
    known = {field.unit.name: field.unit for field in schema.fields.values() if field.unit}
    assert si_name(name, known[unit]) == expected
