"""The table of the catalog (`data/schema.yaml`) as records: units, fields, kinds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict, cast

from facts.yaml_files import Yaml

FieldType = Literal["number", "count", "text", "word", "flag", "date", "reference", "price", "rows"]
Shape = Literal["one", "list", "map", "table"]

COMMON_HEAD = ("id", "name", "kind")
COMMON_TAIL = ("basis", "sources", "notes")


class _RawUnit(TypedDict):
    si: str
    factor: float


class _RawField(TypedDict):
    type: FieldType
    meaning: str
    shape: NotRequired[Shape]
    unit: NotRequired[str]
    si: NotRequired[str]
    min: NotRequired[float]
    max: NotRequired[float]
    words: NotRequired[list[str]]
    names: NotRequired[list[str]]
    to: NotRequired[list[str]]
    of: NotRequired[list[str]]
    needs: NotRequired[list[str]]
    sources: NotRequired[str]


class _RawKind(TypedDict):
    meaning: str
    record: str
    group: str
    file: str
    required: list[str]
    fields: list[str]
    rows: NotRequired[list[str]]


class _RawTable(TypedDict):
    units: dict[str, _RawUnit]
    fields: dict[str, _RawField]
    kinds: dict[str, _RawKind]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as it stands in the name of a field; a value times `factor` is in the unit whose token is `si`."""

    name: str
    si: str
    factor: float


@dataclass(frozen=True, slots=True)
class Field:
    """One field: what it holds, in which bounds, and its name in SI.

    words     accepted words of a `word`
    names     accepted names of a map, if they are limited
    to        kinds that a `reference` may point to
    of        columns of `rows`; empty where the kind lists them
    needs     columns that each row must give
    sources   group of an entry's sources that covers the field
    """

    name: str
    type: FieldType
    meaning: str
    shape: Shape
    unit: Unit | None
    si_name: str
    min: float | None
    max: float | None
    words: tuple[str, ...]
    names: tuple[str, ...]
    to: tuple[str, ...]
    of: tuple[str, ...]
    needs: frozenset[str]
    sources: str

    @property
    def range_text(self) -> str:
        """The accepted range with its unit, for messages and the page of fields."""
        unit = f" {self.unit.name}" if self.unit else ""
        return "" if self.min is None and self.max is None else f"{_plain(self.min)} to {_plain(self.max)}{unit}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry; `record` is its class in `hardware_db.records`, `group` its place in `Hardware`."""

    name: str
    meaning: str
    record: str
    group: str
    file: str
    required: frozenset[str]
    fields: tuple[str, ...]
    rows: tuple[str, ...]

    @property
    def from_table(self) -> bool:
        """Whether the packaged entries are rows of a CSV."""
        return self.file.endswith(".csv")


@dataclass(frozen=True, slots=True)
class Schema:
    """The whole table."""

    fields: Mapping[str, Field]
    kinds: Mapping[str, Kind]

    def columns(self, kind: Kind, field: Field) -> tuple[str, ...]:
        """The columns of `field` (of type `rows`) in entries of `kind`."""
        return field.of or kind.rows


def schema_of(raw: Yaml) -> Schema:
    """The table in the parsed content of `data/schema.yaml`."""
    table = cast("_RawTable", raw)
    units = {name: Unit(name, unit["si"], unit["factor"]) for name, unit in table["units"].items()}
    fields = {name: _field(name, field, units) for name, field in table["fields"].items()}
    kinds = {
        name: Kind(
            name=name,
            meaning=kind["meaning"],
            record=kind["record"],
            group=kind["group"],
            file=kind["file"],
            required=frozenset(kind["required"]),
            fields=tuple(kind["fields"]),
            rows=tuple(kind.get("rows", ())),
        )
        for names, kind in table["kinds"].items()
        for name in names.split(", ")
    }
    return Schema(fields, kinds)


def _field(name: str, raw: _RawField, units: Mapping[str, Unit]) -> Field:
    unit = units[raw["unit"]] if "unit" in raw else None
    return Field(
        name=name,
        type=raw["type"],
        meaning=raw["meaning"],
        shape=raw.get("shape", "one"),
        unit=unit,
        si_name=raw.get("si") or (si_name(name, unit) if unit else name),
        min=raw.get("min"),
        max=raw.get("max"),
        words=tuple(raw.get("words", ())),
        names=tuple(raw.get("names", ())),
        to=tuple(raw.get("to", ())),
        of=tuple(raw.get("of", ())),
        needs=frozenset(raw.get("needs", ())),
        sources=raw.get("sources", ""),
    )


def si_name(name: str, unit: Unit) -> str:
    """`name` with the token of its unit replaced: `power_max_kW` becomes `power_max_w`."""
    return re.sub(rf"(^|_){re.escape(unit.name)}(?=_|$)", rf"\1{unit.si}", name, count=1)


def _plain(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
