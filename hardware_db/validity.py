"""What a catalog must hold to to be loaded: entries that keep to the schema, no duplicates, no dangling references."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from facts.errors import Fault, shown
from facts.yaml_files import Yaml
from hardware_db.convert import Draft, Values
from hardware_db.schema.models import Models
from hardware_db.schema.table import Kind, Schema


def catalog_faults(drafts: Sequence[Draft], schema: Schema) -> tuple[Fault, ...]:
    """Faults that keep a catalog from being loaded: entries against the schema, duplicates, references."""
    models = Models(schema)
    faults = [fault for draft in drafts for fault in models.faults(draft.values, where(draft))]
    faults += _duplicates(drafts)
    return tuple(faults) or reference_faults(drafts, schema)


def where(draft: Draft) -> str:
    """File and entry, as faults name them."""
    return f"{draft.file} {shown(draft.values.get('id', '?'))}"


def _duplicates(drafts: Iterable[Draft]) -> Iterator[Fault]:
    counts: Counter[str] = Counter()
    for draft in drafts:
        identity = str(draft.values.get("id"))
        counts[identity] += 1
        if counts[identity] == 2:
            yield Fault("catalog_duplicate", draft.file, "id", shown(identity))


def reference_faults(drafts: Sequence[Draft], schema: Schema, only: Container[str] | None = None) -> tuple[Fault, ...]:
    """References to entries that do not exist or are of another kind; with `only`, those of the entries named there."""
    kinds = {draft.id: draft.kind for draft in drafts}
    return tuple(
        fault
        for draft in drafts
        if only is None or draft.id in only
        for fault in _dangling(draft.values, schema.kinds[draft.kind], schema, kinds, where(draft))
    )


def _dangling(values: Values, kind: Kind, schema: Schema, kinds: Mapping[str, str], place: str, path: str = "") -> Iterator[Fault]:
    for name, value in values.items():
        field = schema.fields.get(name)
        if field is None or value is None:
            continue
        if field.type == "rows" and isinstance(value, list):
            for number, row in enumerate(value):
                if isinstance(row, Mapping):
                    yield from _dangling(row, kind, schema, kinds, place, f"{path}{name}.{number}.")
        elif field.type == "reference":
            for target in _as_list(value):
                if kinds.get(str(target)) not in field.to:
                    known = [identity for identity, target_kind in kinds.items() if target_kind in field.to]
                    hint = "".join(difflib.get_close_matches(str(target), known, 1, cutoff=0.4))
                    yield Fault("catalog_dangling", place, path + name, shown(target), ", ".join(field.to), hint)


def _as_list(value: Yaml) -> list[Yaml]:
    return value if isinstance(value, list) else [value]
