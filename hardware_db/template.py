"""A commented entry to fill in, made from the table of fields."""

from __future__ import annotations

from hardware_db.schema.table import Field, Kind, Schema

_SCALE = ("low", "typical", "high")
_HEAD = """\
# Kind {name}: {meaning}.
# Fill in what has no value, take away the # of what you know, drop the rest. Units are in the names.
# Then: rackwright catalog check --catalog FILE
"""


def entry_template(kind: Kind, schema: Schema) -> str:
    """A list with one entry of `kind` in YAML: required fields open, optional ones commented out, each with its meaning."""
    lines = [
        "- id: # lower-case name, unique in the whole catalog",
        f"  name: # {schema.fields['name'].meaning}",
        f"  kind: {kind.name}",
        *(line for name in kind.fields for line in _lines(schema.fields[name], kind, schema)),
        f"  basis: # {', '.join(schema.fields['basis'].words)}",
        "  sources:",
        "    - # where it was read, one line a place",
        f"  # notes: # {schema.fields['notes'].meaning}",
    ]
    return _HEAD.format(name=kind.name, meaning=kind.meaning) + "\n".join(lines) + "\n"


def _lines(field: Field, kind: Kind, schema: Schema) -> list[str]:
    required = field.name in kind.required
    comment = "; ".join(part for part in (field.meaning, ", ".join(field.words), field.range_text, "required" if required else "") if part)
    return [f"  {'' if required else '# '}{field.name}: {_value(field, kind, schema)}# {comment}"]


def _value(field: Field, kind: Kind, schema: Schema) -> str:
    """The form of a value, for fields that hold more than one."""
    if field.type == "price":
        return "{" + ", ".join(f"{end}: null" for end in _SCALE) + "} "
    if field.type == "rows":
        return "[{" + ", ".join(f"{name}: null" for name in schema.columns(kind, field)) + "}] "
    if field.shape in ("map", "table"):
        return "{" + ", ".join(f"{name}: null" for name in field.names) + "} "
    return "[] " if field.shape == "list" else ""
