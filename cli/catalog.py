"""`rackwright catalog`: list and show what the hardware catalog knows, check it, print a template for an entry of one's own."""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from cli import Commands
from facts.errors import Fault, RackwrightError, shown
from hardware_db.catalog_files import merged_drafts
from hardware_db.check import check_catalog
from hardware_db.convert import Draft
from hardware_db.schema.table import Schema
from hardware_db.template import entry_template
from texts.sentences import sentence
from texts.translations import tr, trn

_FORMATS = ("table", "json")
_LIST_COLUMNS = ("id", "kind", "name", "file")


def register(commands: Commands) -> None:
    """Add the command and its four actions to the parser."""
    parser = commands.add_parser("catalog", description="The hardware catalog: list, show, check, new.")
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="entries, one a line")
    listing.add_argument("kind", nargs="?", metavar="KIND", help="only this kind (gpu, server, switch, ...) or group (accelerators, ...)")
    _common(listing)
    listing.set_defaults(run=list_entries)

    showing = actions.add_parser("show", help="all that is known of an entry, with its sources")
    showing.add_argument("id", metavar="ID")
    _common(showing)
    showing.set_defaults(run=show_entry)

    checking = actions.add_parser("check", help="find what is wrong with the catalog; exit code 1 if anything is")
    _common(checking)
    checking.set_defaults(run=check)

    new = actions.add_parser("new", help="print a template for an entry of one's own")
    new.add_argument("kind", metavar="KIND", help="gpu, server, nic, switch, cloud_offer, ...")
    new.set_defaults(run=new_entry)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--catalog", action="append", default=[], type=Path, metavar="FILE", help="own entries on top; may be repeated")
    parser.add_argument("--format", choices=_FORMATS, default="table", help="default: table")


def list_entries(arguments: argparse.Namespace) -> int:
    """Print id, kind, name and file of the entries, all or those of one kind or group."""
    schema, drafts = merged_drafts(arguments.catalog)
    wanted = _kinds(schema, arguments.kind)
    rows = [
        {"id": draft.id, "kind": draft.kind, "name": str(draft.values["name"]), "file": draft.file}
        for draft in drafts
        if draft.kind in wanted
    ]
    print(_json(rows) if arguments.format == "json" else _table(_LIST_COLUMNS, rows))
    return 0


def show_entry(arguments: argparse.Namespace) -> int:
    """Print one entry in the units it is written in."""
    _, drafts = merged_drafts(arguments.catalog)
    found = {draft.id: draft for draft in drafts}
    if arguments.id not in found:
        hint = "".join(difflib.get_close_matches(arguments.id, found, 1, cutoff=0.4))
        raise RackwrightError(Fault("catalog_unknown_id", value=shown(arguments.id), hint=hint))
    draft = found[arguments.id]
    print(_json({"file": draft.file, **draft.values}) if arguments.format == "json" else _sheet(draft))
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Print one line for each thing that is wrong; 1 if there is any."""
    faults = check_catalog(overlays=arguments.catalog)
    if arguments.format == "json":
        print(_json([asdict(fault) for fault in faults]))
        return 1 if faults else 0
    for fault in faults:
        print(sentence(fault, arguments.lang))
    if faults:
        print(trn("{number} finding", "{number} findings", len(faults), arguments.lang, number=str(len(faults))))
        return 1
    entries = str(len(merged_drafts(arguments.catalog)[1]))
    print(tr("{entries} entries, nothing wrong", arguments.lang, entries=entries))
    return 0


def new_entry(arguments: argparse.Namespace) -> int:
    """Print a commented template."""
    schema, _ = merged_drafts()
    if arguments.kind not in schema.kinds:
        hint = "".join(difflib.get_close_matches(arguments.kind, schema.kinds, 1))
        raise RackwrightError(Fault("catalog_unknown_kind", value=shown(arguments.kind), allowed=", ".join(schema.kinds), hint=hint))
    print(entry_template(schema.kinds[arguments.kind], schema), end="")
    return 0


def _kinds(schema: Schema, wanted: str | None) -> frozenset[str]:
    """Names of the kinds that `wanted` names as a kind or a group; all of them without it."""
    if wanted is None:
        return frozenset(schema.kinds)
    kinds = frozenset(kind.name for kind in schema.kinds.values() if wanted in (kind.name, kind.group))
    if not kinds:
        known = sorted({name for kind in schema.kinds.values() for name in (kind.name, kind.group)})
        hint = "".join(difflib.get_close_matches(wanted, known, 1))
        raise RackwrightError(Fault("catalog_unknown_kind", value=shown(wanted), allowed=", ".join(known), hint=hint))
    return kinds


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2)


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    widths = [max(len(row[column]) for row in (dict(zip(columns, columns, strict=True)), *rows)) for column in columns]
    lines = [columns, *([row[column] for column in columns] for row in rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def _sheet(draft: Draft) -> str:
    """An entry as indented lines, nested values below their name."""
    return "\n".join([f"file: {draft.file}", *_indented(draft.values, "")])


def _indented(values: Mapping[str, object], margin: str) -> list[str]:
    lines: list[str] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{margin}{name}:", *_indented(value, margin + "  ")]
        elif isinstance(value, list):
            items = (", ".join(f"{key}: {item}" for key, item in row.items()) if isinstance(row, Mapping) else str(row) for row in value)
            lines += [f"{margin}{name}:", *(f"{margin}  - {item}" for item in items)]
        elif value is not None:
            lines.append(f"{margin}{name}: {value}")
    return lines
