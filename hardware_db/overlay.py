"""A user's own entries on top of the packaged catalog: own hardware, own prices. Hostile until validated.

A file is a list of entries of the catalog's own form. An entry with a new id is added; its `basis` and `sources` may be
left out, the file is then its source. An entry with a known id needs only the fields it changes: named numbers (peaks by
format) are replaced name by name, a price as a whole with its basis, date and history. Changed fields name the file as
their source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import Limits, Yaml, read_bounded
from hardware_db.convert import Draft, Values, entry_list, sources_of
from hardware_db.schema.models import Models
from hardware_db.schema.table import Schema
from hardware_db.validity import reference_faults

_LIMITS = Limits(size_bytes=1_000_000, nodes=100_000)
_COMMON = ("name", "kind", "basis", "sources", "notes")
_PRICE_COMPANIONS = ("price_basis", "price_date", "price_note", "price_history")


@dataclass(frozen=True, slots=True)
class Overlay:
    """The content of one such file and the name that messages and sources give it."""

    name: str
    content: bytes


def read_overlays(overlays: Sequence[Path | bytes]) -> tuple[Overlay, ...]:
    """The files' contents; raises `RackwrightError` for one that cannot be read or is too large."""
    return tuple(
        Overlay("upload", overlay) if isinstance(overlay, bytes) else Overlay(overlay.name, read_bounded(overlay, _LIMITS))
        for overlay in overlays
    )


def with_overlays(drafts: Iterable[Draft], overlays: Sequence[Overlay], schema: Schema) -> tuple[Draft, ...]:
    """The entries of the catalog with those of `overlays` added or put in their place, later files last.

    Raises `RackwrightError` with every fault of the files' entries.
    """
    merged = {draft.id: draft for draft in drafts}
    touched: dict[str, str] = {}
    faults: list[Fault] = []
    for overlay in overlays:
        seen: set[str] = set()
        for values in entry_list(overlay.content, overlay.name, _LIMITS):
            identity = values.get("id")
            if not isinstance(identity, str):
                faults.append(Fault("catalog_missing_field", overlay.name, "id"))
            elif identity in seen:
                faults.append(Fault("catalog_duplicate", overlay.name, "id", shown(identity)))
            else:
                seen.add(identity)
                touched[identity] = overlay.name
                base = merged.get(identity)
                merged[identity] = _new(values, overlay) if base is None else _changed(base, values, overlay, schema)
    models = Models(schema)
    for identity, name in touched.items():
        faults += models.faults(merged[identity].values, f"{name} {shown(identity)}")
    if not faults:
        faults += reference_faults(tuple(merged.values()), schema, only=touched)
    if faults:
        raise RackwrightError(*faults)
    return tuple(merged.values())


def _new(values: Values, overlay: Overlay) -> Draft:
    identity = values["id"]
    sources = sources_of(values) if _well_formed(values.get("sources")) else {}
    own = {group: [overlay.name, *given] for group, given in sources.items()} or {"": [overlay.name]}
    return Draft(overlay.name, {"name": identity, "basis": "estimate", **values, "sources": cast("Yaml", own)})


def _changed(base: Draft, values: Values, overlay: Overlay, schema: Schema) -> Draft:
    """`base` with the fields that `values` gives; the kind stays, so a wrong one is a fault of the merged entry."""
    merged: dict[str, Yaml] = dict(base.values)
    sources: dict[str, list[str]] = {group: list(given) for group, given in sources_of(base.values).items()}
    given_sources = values.get("sources")
    own = [overlay.name, *(source for group in sources_of(values).values() for source in group)] if _well_formed(given_sources) else []
    if "price_USD" in values:
        for companion in _PRICE_COMPANIONS:
            merged.pop(companion, None)
        merged["price_basis"] = "own"
    for name, value in values.items():
        field = schema.fields.get(name)
        old = merged.get(name)
        by_name = field is not None and field.shape == "map" and isinstance(old, Mapping) and isinstance(value, Mapping)
        if by_name:
            merged[name] = {**cast("dict[str, Yaml]", old), **cast("dict[str, Yaml]", value)}
        elif name != "sources":
            merged[name] = value
        if field is not None and name not in ("id", *_COMMON):
            sources[field.si_name] = own or [overlay.name]
    merged["sources"] = cast("Yaml", sources) if _well_formed(given_sources) else given_sources
    if values.get("kind") not in (None, base.kind):
        merged["kind"] = values["kind"]
    return Draft(base.file, merged)


def _well_formed(sources: Yaml) -> bool:
    """Whether `sources` can be merged; anything else is left for the models to refuse."""
    groups = list(sources.values()) if isinstance(sources, Mapping) else [sources or []]
    return all(isinstance(group, list) and all(isinstance(source, str) for source in group) for group in groups)
