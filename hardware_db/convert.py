"""From the units people write to SI records: the one place where GB and GiB, Gb/s and GB/s, kW and W are told apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias, TypeVar, cast

from facts.errors import Fault, RackwrightError
from facts.yaml_files import DEFAULT_LIMITS, Limits, Yaml, parse_yaml
from hardware_db import records
from hardware_db.records import Accelerator, CloudOffer, Fact, NicSlot, Price, ReferenceFabric, Server, StorageBenchmark, Value
from hardware_db.schema.table import Field, Kind, Schema

Values: TypeAlias = Mapping[str, Yaml]  # an entry, or a row of one, as it is written and after it was validated
_Row = TypeVar("_Row", CloudOffer, ReferenceFabric, StorageBenchmark)


@dataclass(frozen=True, slots=True)
class Draft:
    """One entry as it is written, with the file it stands in."""

    file: str
    values: Values

    @property
    def id(self) -> str:
        """The id of the entry."""
        return str(self.values["id"])

    @property
    def kind(self) -> str:
        """The kind of the entry."""
        return str(self.values["kind"])


def entry_list(content: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> list[Mapping[str, Yaml]]:
    """The list of entries in a YAML file; raises `RackwrightError` if it is anything else."""
    entries = parse_yaml(content, name, limits) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RackwrightError(Fault("catalog_not_a_list", name, allowed="a list of entries"))
    return cast("list[Mapping[str, Yaml]]", entries)


def record_of(draft: Draft, schema: Schema) -> Fact:
    """The record of one validated entry."""
    kind = schema.kinds[draft.kind]
    record = cast("type[Fact]", getattr(records, kind.record))
    values = si_values(draft.values, kind, schema)
    given: dict[str, object] = {name: value for name, value in values.items() if name in record.__dataclass_fields__}
    given |= {
        "id": draft.id,
        "name": draft.values["name"],
        "kind": kind.name,
        "basis": draft.values["basis"],
        "sources": sources_of(draft.values),
        "file": draft.file,
        "notes": draft.values.get("notes") or "",
        "values": values,
        "groups": _groups(schema, kind),
    }
    if record is Accelerator:
        given["matmul_fraction"] = matmul_fraction(values)
    if record is Server:
        given |= _server(values)
    return cast("Callable[..., Fact]", record)(**given)


def row_of(draft: Draft, row: type[_Row], schema: Schema) -> _Row:
    """The record of one row of a table."""
    values: dict[str, object] = dict(si_values(draft.values, schema.kinds[draft.kind], schema))
    if row is CloudOffer:
        values["accelerators"] = values.pop("accelerator_count")
        values["flags"] = tuple(str(values.get("flags", "")).split(";")) if values.get("flags") else ()
    given = {name: values.get(name) for name in row.__dataclass_fields__ if name in values or row is ReferenceFabric}
    return cast("Callable[..., _Row]", row)(**given)


def si_values(values: Values, kind: Kind, schema: Schema) -> dict[str, Value]:
    """The values of an entry under their SI names; fields without a value are left out."""
    found: dict[str, Value] = {}
    for name in kind.fields:
        written = values.get(name)
        if written is not None:
            field = schema.fields[name]
            found[field.si_name] = _value(written, field, values, kind, schema)
    return found


def _value(written: Yaml, field: Field, values: Values, kind: Kind, schema: Schema) -> Value:
    if field.type == "price":
        return _price(cast("Mapping[str, float | None]", written), field, values)
    if field.type == "rows":
        columns = schema.columns(kind, field)
        return tuple(_row(cast("Values", row), columns, kind, schema) for row in cast("list[Yaml]", written))
    return _scaled(written, field.unit.factor if field.unit else 1)


def _row(written: Values, columns: tuple[str, ...], kind: Kind, schema: Schema) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    for name in columns:
        value = written.get(name)
        if value is not None:
            field = schema.fields[name]
            found[field.si_name] = _value(value, field, written, kind, schema)
    return found


def _scaled(written: Yaml, factor: float) -> Value:
    if isinstance(written, Mapping):
        return {name: _scaled(value, factor) for name, value in written.items() if value is not None}
    if isinstance(written, list):
        return tuple(_scaled(value, factor) for value in written)
    if isinstance(written, (int, float)) and not isinstance(written, bool):
        return written if factor == 1 else written * factor
    return "" if written is None else written


def _price(written: Mapping[str, float | None], field: Field, values: Values) -> Price:
    """A price whose missing ends are filled: the typical one with the geometric mean, the ends with what is known."""
    low, typical, high = (written.get(end) for end in ("low", "typical", "high"))
    basis = str(values.get("price_basis") or "estimate")
    if typical is None:
        if low is not None and high is not None and low != high:
            basis = "derived"
        known = [end for end in (low, high) if end is not None]
        typical = math.sqrt(known[0] * known[-1])
    factor = field.unit.factor if field.unit else 1
    date = values.get("price_date") or values.get("date") or ""
    sources = sources_of(values)
    where = (
        sources.get(field.si_name)
        or sources.get(field.sources)
        or sources.get("")
        or ((str(values["source"]),) if values.get("source") else ())
    )
    return Price(
        low_usd=(typical if low is None else low) * factor,
        typical_usd=typical * factor,
        high_usd=(typical if high is None else high) * factor,
        basis=basis,
        date=str(date),
        sources=where,
    )


def sources_of(values: Values) -> dict[str, tuple[str, ...]]:
    """The sources of an entry by group of fields; a plain list covers the whole entry and is the group ""."""
    written = values.get("sources") or []
    if isinstance(written, Mapping):
        return {group: tuple(cast("list[str]", sources)) for group, sources in written.items()}
    return {"": tuple(cast("list[str]", written))} if written else {}


def matmul_fraction(values: Mapping[str, Value]) -> dict[str, float]:
    """Best measured matmul rate over the listed dense peak, by number format."""
    peaks = cast("Mapping[str, float]", values["peak_flops_per_s"])
    rows = cast("tuple[Mapping[str, Value], ...]", values.get("measured_matmul", ()))
    return {
        str(row["format"]): cast("float", row["measured_flops_per_s"]) / peaks[str(row["format"])]
        for row in rows
        if peaks.get(str(row["format"]))
    }


def _server(values: Mapping[str, Value]) -> dict[str, object]:
    """What a server record holds beside its plain values: its cards, and their scale-out rate where none is written."""
    rows = cast("tuple[Mapping[str, Value], ...]", values.get("nics", ()))
    slots = tuple(
        NicSlot(
            nic_id=str(row.get("nic_id", "")),
            count=cast("int", row["count"]),
            ports=cast("int", row["ports"]),
            port_bytes_per_s=cast("float", row["port_bytes_per_s"]),
            role=str(row["role"]),
        )
        for row in rows
    )
    scale_out = sum(slot.count * slot.ports * slot.port_bytes_per_s for slot in slots if slot.role == "scale_out")
    history = cast("tuple[Mapping[str, Value], ...]", values.get("price_history", ()))
    return {
        "nics": slots,
        "network_bytes_per_s": values.get("network_bytes_per_s", scale_out or None),
        "price_history": tuple(row["price"] for row in history),
    }


@cache
def _groups_of(pairs: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return dict(pairs)


def _groups(schema: Schema, kind: Kind) -> Mapping[str, str]:
    """SI name of a field -> its group of sources; one map for all entries of a kind."""
    fields = (schema.fields[name] for name in kind.fields)
    return _groups_of(tuple((field.si_name, field.sources) for field in fields if field.sources))
