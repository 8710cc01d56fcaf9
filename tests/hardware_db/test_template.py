"""The template of a kind is valid YAML whose entry, filled in, passes the check."""

import re

import pytest

from facts.yaml_files import Yaml, parse_yaml
from hardware_db.catalog_files import packaged
from hardware_db.convert import Draft
from hardware_db.schema.table import Field
from hardware_db.template import entry_template
from hardware_db.validity import reference_faults

KINDS = sorted(packaged().schema.kinds)


def filled(field: Field, schema, kind, drafts) -> Yaml:
    """The least that a person could write into `field`."""
    if field.type == "price":
        return {"typical": field.min}
    if field.type == "rows":
        columns = field.needs or schema.columns(kind, field)[:1]
        return [{name: filled(schema.fields[name], schema, kind, drafts) for name in columns}]
    value: Yaml = "some text"
    if field.type in ("number", "count"):
        value = field.min
    elif field.type == "word":
        value = field.words[0]
    elif field.type == "flag":
        value = True
    elif field.type == "date":
        value = "2026-11"
    elif field.type == "reference":
        value = next(draft.id for draft in drafts if draft.kind in field.to)
    if field.shape == "list":
        return [value]
    named = {(field.names or ("some_name",))[0]: value}
    return {"one": value, "map": named, "table": {"some_name": named}}[field.shape]


@pytest.mark.parametrize("name", KINDS)
def test_a_template_reads_and_has_every_field_of_its_kind(schema, name):
    text = entry_template(schema.kinds[name], schema)
    (entry,) = parse_yaml(text)
    assert entry["kind"] == name
    (everything,) = parse_yaml(re.sub(r"^  # (\w+: )", r"  \1", text, flags=re.MULTILINE))
    assert everything.keys() == {"id", "name", "kind", "basis", "sources", "notes", *schema.kinds[name].fields}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("optional", [False, True], ids=["required fields", "every field"])
def test_a_filled_template_passes(schema, drafts, models, name, optional):
    kind = schema.kinds[name]
    (entry,) = parse_yaml(entry_template(kind, schema))
    wanted = [field for field in kind.fields if optional or field in kind.required]
    values = entry | {field: filled(schema.fields[field], schema, kind, drafts) for field in wanted}
    values |= {"id": "my-entry", "name": "Mine", "basis": "estimate", "sources": ["a quote"]}
    assert models.faults(values, "my.yaml") == ()
    assert reference_faults((*drafts, Draft("my.yaml", values)), schema, only={"my-entry"}) == ()


def test_required_fields_are_open_and_the_others_commented_out(schema):
    kind = schema.kinds["switch"]
    lines = entry_template(kind, schema).splitlines()
    for name in kind.fields:
        assert any(line.startswith(f"  {'' if name in kind.required else '# '}{name}:") for line in lines)


def test_a_comment_says_unit_range_and_meaning(schema):
    text = entry_template(schema.kinds["gpu"], schema)
    assert "memory_GiB: # device memory to plan with; 0.1 to 2000 GiB; required" in text
    assert "# status: " not in text
    assert "status: # whether it can be bought or rented; available, announced, legacy; required" in text
