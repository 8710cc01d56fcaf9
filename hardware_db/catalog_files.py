"""The files of the packaged catalog: their digest, and their entries as they are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from facts.cache import cached, digest_of
from facts.errors import RackwrightError
from facts.yaml_files import Yaml, parse_yaml
from hardware_db.convert import Draft, entry_list
from hardware_db.schema.table import Field, Kind, Schema, schema_of

ROOM = Path(__file__).parent
DATA = ROOM / "data"
SCHEMA_FILE = "schema.yaml"


@dataclass(frozen=True, slots=True)
class PackagedCatalog:
    """The schema, the valid entries, the digest of the files and the day the catalog was released."""

    schema: Schema
    drafts: tuple[Draft, ...]
    digest: str
    release: str


def data_files(folder: Path = DATA) -> dict[str, bytes]:
    """Contents of all data files of `folder` by their path below it."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".csv") or path.name == "RELEASE")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def merged_drafts(overlays: Sequence[Path | bytes] = ()) -> tuple[Schema, tuple[Draft, ...]]:
    """The schema and the entries as they are written, those of `overlays` added or put in place."""
    own = packaged()
    if not overlays:
        return own.schema, own.drafts
    from hardware_db.overlay import read_overlays, with_overlays  # noqa: PLC0415 - pydantic is only needed for overlays

    return own.schema, with_overlays(own.drafts, read_overlays(overlays), own.schema)


@cache
def packaged() -> PackagedCatalog:
    """The packaged catalog as it is written.

    Raises `RackwrightError` if the files are not valid. What was parsed and found valid is kept in the user's cache.
    """
    files = data_files()
    digest = digest_of(files.items())
    code = digest_of((path.relative_to(ROOM).as_posix(), path.read_bytes()) for path in ROOM.rglob("*.py"))
    content = cast("dict[str, list[list[Yaml]]]", cached("hardware", f"{digest}-{code[:16]}", lambda: _checked(files)))
    drafts = tuple(Draft(cast("str", file), cast("Mapping[str, Yaml]", values)) for file, values in content["entries"])
    return PackagedCatalog(schema_of(cast("Yaml", content["schema"])), drafts, digest, files["RELEASE"].decode().strip())


def _checked(files: Mapping[str, bytes]) -> Yaml:
    from hardware_db.validity import catalog_faults  # noqa: PLC0415 - pydantic is only needed when the files have changed

    raw = parse_yaml(files[SCHEMA_FILE], SCHEMA_FILE)
    schema = schema_of(raw)
    drafts = tuple(entries_of(files, schema))
    faults = catalog_faults(drafts, schema)
    if faults:
        raise RackwrightError(*faults)
    return {"schema": raw, "entries": [[draft.file, dict(draft.values)] for draft in drafts]}


def entries_of(files: Mapping[str, bytes], schema: Schema) -> Iterator[Draft]:
    """The entries of data files as they are written, in the order of the files' names."""
    for name in sorted(files):
        if name.endswith(".csv"):
            yield from _rows(name, files[name], schema)
        elif name.endswith(".yaml") and name != SCHEMA_FILE:
            yield from (Draft(name, values) for values in entry_list(files[name], name))


def _rows(name: str, content: bytes, schema: Schema) -> Iterator[Draft]:
    """The rows of a table as entries: an empty cell is no value; the id is the table's name and the row's number."""
    kind = next(kind for kind in schema.kinds.values() if kind.file == name)
    for number, row in enumerate(csv.DictReader(io.StringIO(content.decode("utf-8"))), 1):
        yield Draft(name, _entry_of_row(kind, number, row, schema))


def _entry_of_row(kind: Kind, number: int, row: Mapping[str, str], schema: Schema) -> Mapping[str, Yaml]:
    cells: dict[str, Yaml] = {}
    for column, text in row.items():
        if text:
            cells[column] = _cell(text, schema.fields.get(column))
    identity = f"{kind.name.replace('_', '-')}-{number}"
    return {"id": identity, "name": identity, "kind": kind.name, "basis": "measured", "sources": [row.get("source") or ""], **cells}


def _cell(text: str, field: Field | None) -> Yaml:
    if field is None or field.type not in ("number", "count"):
        return text
    try:
        return int(text) if field.type == "count" else float(text)
    except ValueError:
        return text
