"""Every check of a catalog at once, for the people who write entries: what it takes to load, then physics and prices.

Each fault names file, entry, field, what is allowed and, where it can, the fix.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facts.errors import Fault, RackwrightError
from facts.yaml_files import parse_yaml
from hardware_db.catalog_files import DATA, SCHEMA_FILE, data_files, entries_of
from hardware_db.overlay import read_overlays, with_overlays
from hardware_db.plausibility import plausibility_faults
from hardware_db.schema.table import schema_of
from hardware_db.validity import catalog_faults


def check_catalog(folder: Path = DATA, overlays: Sequence[Path | bytes] = ()) -> tuple[Fault, ...]:
    """Every fault of the catalog files in `folder` with `overlays` on top of them; later checks run when earlier ones pass."""
    try:
        schema = schema_of(parse_yaml(data_files()[SCHEMA_FILE], SCHEMA_FILE))
        drafts = tuple(entries_of(data_files(folder), schema))
        faults = catalog_faults(drafts, schema)
        if faults:
            return faults
        return tuple(plausibility_faults(with_overlays(drafts, read_overlays(overlays), schema), schema))
    except RackwrightError as error:
        return error.faults
