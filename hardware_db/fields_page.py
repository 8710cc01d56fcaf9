"""The page docs/catalog/fields.md, made from the table of fields.

python -m hardware_db.fields_page > docs/catalog/fields.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from hardware_db.catalog_files import packaged
from hardware_db.schema.table import COMMON_HEAD, COMMON_TAIL, Field, Kind, Schema

_INTRODUCTION = """\
# Fields of the hardware catalog

This page is made from `hardware_db/data/schema.yaml` by `python -m hardware_db.fields_page`; a test keeps it in step.

An entry is one fact of one kind. Every entry has `id`, `name`, `kind`, `basis` and `sources`, and may have `notes`. `sources` is a
list of places, or a group of fields with such a list each. Units are in the names of the fields; the program sees SI units under the
names in the last column of the second table. A field without a value is left out or `null`: unknown is not zero.
"""


def fields_page(schema: Schema) -> str:
    """The page as Markdown: kinds with their fields, then every field once."""
    parts = [_INTRODUCTION, "## Kinds\n", *_kinds(schema), "\n## Fields\n", *_fields(schema)]
    return "\n".join(parts) + "\n"


def _kinds(schema: Schema) -> Iterator[str]:
    """One line for kinds that share their fields; required ones in bold."""
    yield "| kind | file | what it is | fields (required ones in bold) |"
    yield "|---|---|---|---|"
    together: dict[tuple[str, ...], list[Kind]] = {}
    for kind in schema.kinds.values():
        together.setdefault((kind.group, *kind.fields), []).append(kind)
    for kinds in together.values():
        first = kinds[0]
        names = ", ".join(f"`{kind.name}`" for kind in kinds)
        fields = ", ".join(f"**{name}**" if name in first.required else name for name in first.fields)
        rows = f" (rows: {', '.join(first.rows)})" if first.rows else ""
        yield f"| {names} | {first.file} | {first.meaning} | {fields}{rows} |"


def _fields(schema: Schema) -> Iterator[str]:
    yield "| field | holds | range | meaning | name in SI |"
    yield "|---|---|---|---|---|"
    for field in schema.fields.values():
        if field.name not in (*COMMON_HEAD, *COMMON_TAIL):
            si = field.si_name if field.si_name != field.name else ""
            yield f"| {field.name} | {_holds(field)} | {field.range_text} | {field.meaning} | {si} |"


def _holds(field: Field) -> str:
    shape = {"one": "", "list": "list of ", "map": "by name: ", "table": "by name, name: "}[field.shape]
    kind = {
        "word": " or ".join(field.words),
        "reference": "id of " + ", ".join(field.to),
        "price": "low, typical, high",
        "rows": "rows" + (f" of {', '.join(field.of)}" if field.of else ""),
        "count": "whole number",
    }
    return shape + kind.get(field.type, field.type)


if __name__ == "__main__":
    sys.stdout.write(fields_page(packaged().schema))
