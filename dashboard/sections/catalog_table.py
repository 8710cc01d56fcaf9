"""Entries of one group of the catalog as a table, and one entry with the source of every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard.figures import given, price_date
from dashboard.language import language, say
from dashboard.tables import Column, Table
from hardware_db.catalog_files import packaged
from hardware_db.records import Fact, Price, Value
from hardware_db.schema.table import Field
from texts import numbers
from texts.csv_cells import Cell
from texts.numbers import Absent
from texts.translations import mark

MOST_COLUMNS = 14


def entries_table(entries: Sequence[Fact]) -> Table:
    """One row an entry; columns are the values that most entries say, in the units of the catalog's files."""
    fields = _common_fields(entries)
    columns = (
        Column("id", mark("Id")),
        Column("name", mark("Name")),
        *(Column(field.name, field.name.replace("_", " "), 3 if field.type in {"number", "count"} else None) for field in fields),
        Column("price_usd", mark("Price (USD)"), 0),
        Column("basis", mark("Rests on")),
    )
    rows = tuple(
        (entry.id, entry.name, *(_cell(entry.values.get(field.si_name), field) for field in fields), _price_cell(entry), entry.basis)
        for entry in entries
    )
    return Table(columns, rows)


def entry_table(entry: Fact, release: str) -> Table:
    """Every value of `entry` with its meaning, what it rests on and where it was read; prices old at `release` are marked."""
    columns = (
        Column("field", mark("Field")),
        Column("value", mark("Value")),
        Column("meaning", mark("Meaning")),
        Column("source", mark("Source")),
    )
    by_si_name = fields_by_si_name()
    rows: list[tuple[Cell, ...]] = []
    for si_name, value in entry.values.items():
        field = by_si_name.get(si_name)
        parts: Mapping[str, Value] = value if isinstance(value, Mapping) else {"": value}
        for part, single in parts.items():
            if isinstance(single, tuple | Mapping):
                continue
            name = (field.name if field else si_name) + (f".{part}" if part else "")
            sources = "; ".join(entry.sources_of(si_name, part))
            rows.append((name, _text(single, field, release), field.meaning if field else "–", sources))
    return Table(columns, tuple(rows))


def fields_by_si_name() -> dict[str, Field]:
    """The catalog's fields by the name that records use."""
    schema = packaged().schema
    return {field.si_name: field for field in schema.fields.values()}


def _common_fields(entries: Sequence[Fact]) -> list[Field]:
    """What most entries say in one number or word: numbers first, then words, each in the order of the schema."""
    counts: dict[str, int] = {}
    for entry in entries:
        for si_name, value in entry.values.items():
            if isinstance(value, bool | int | float | str) and value != "":
                counts[si_name] = counts.get(si_name, 0) + 1
    known = [
        field
        for field in fields_by_si_name().values()
        if field.shape == "one" and field.si_name in counts and field.name not in _SHOWN_APART
    ]
    chosen = sorted(known, key=lambda field: -counts[field.si_name])[:MOST_COLUMNS]
    return sorted(chosen, key=lambda field: (field.type not in {"number", "count"}, known.index(field)))


_SHOWN_APART = {"id", "name", "kind", "basis", "notes", "price_note"}


def _cell(value: Value | None, field: Field) -> Cell:
    """A value in the unit of its field; what an entry does not say is unknown."""
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, int | float):
        return value / field.unit.factor if field.unit else value
    return value if isinstance(value, str) and value else Absent.UNKNOWN


def _price_cell(entry: Fact) -> Cell:
    price = next((value for value in entry.values.values() if isinstance(value, Price)), None)
    return Absent.UNKNOWN if price is None else price.typical_usd


def _text(value: Value | None, field: Field | None, release: str) -> str:
    if isinstance(value, Price):
        return say(
            "{low} to {high}, {basis}, {date}",
            low=numbers.money(value.low_usd, language()),
            high=numbers.money(value.high_usd, language()),
            basis=value.basis,
            date=price_date(value.date, release) if value.date else say("no date"),
        )
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, int | float):
        scaled = value / field.unit.factor if field and field.unit else value
        unit = f" {field.unit.name}" if field and field.unit else ""
        return f"{given(scaled)}{unit}"
    return str(value)
