"""`rackwright bill compare`: a vendor's quote against a bill of materials.

The quote is a CSV with the columns catalog_id, quantity and unit_usd (one piece, without tax; empty: not quoted apart), or
another bill. The bill is what `rackwright plan --bill --format csv` wrote.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cli import Commands
from cli.tables import cells, text_table
from facts.errors import Fault, RackwrightError, shown
from planner.answer import BillLine
from planner.cluster.bill import FROM_STOCK
from planner.cluster.quote import AGREES, Comparison, QuoteLine, compare_quote
from planner.tables import PlanColumn
from texts.csv_cells import csv_text
from texts.translations import Language, mark

_SIZE_BYTES = 2_000_000
_ROWS = 20_000
_UNKNOWN = frozenset({"", "unknown", "n/a"})
_Rows = list[tuple[int, dict[str, str]]]

COLUMNS: tuple[PlanColumn[Comparison], ...] = (
    PlanColumn("catalog_id", mark("Catalog id"), None, lambda row: row.catalog_id),
    PlanColumn("finding", mark("Finding"), None, lambda row: row.finding),
    PlanColumn("billed", mark("In the bill"), 0, lambda row: row.billed),
    PlanColumn("quoted", mark("In the quote"), 0, lambda row: row.quoted),
    PlanColumn("unit_low_usd", mark("Price each, low (USD)"), 0, lambda row: row.unit_low_usd, "unknown"),
    PlanColumn("unit_high_usd", mark("Price each, high (USD)"), 0, lambda row: row.unit_high_usd, "unknown"),
    PlanColumn("quoted_unit_usd", mark("Quoted each (USD)"), 0, lambda row: row.quoted_unit_usd),
    PlanColumn("excess_usd", mark("Beyond the bill (USD)"), 0, lambda row: row.excess_usd),
)
FINDINGS = (
    mark("missing"),
    mark("fewer"),
    mark("surplus"),
    mark("not in the bill"),
    mark("dearer"),
    mark("cheaper"),
    mark("no reference price"),
    mark("as planned"),
)


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("bill", description="Compare a bill of materials with a quote.")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    compare = actions.add_parser("compare", description="A quote against a bill. Exit code 1: they differ.")
    compare.add_argument("quote", type=Path, metavar="QUOTE.csv", help="columns catalog_id, quantity, unit_usd; or another bill")
    compare.add_argument("--bill", type=Path, required=True, metavar="BILL.csv", help="written by: rackwright plan --bill --format csv")
    compare.add_argument("--rank", type=int, default=1, metavar="N", help="which option of the bill (default: 1)")
    compare.add_argument("--format", choices=_FORMATS, default="table", help="default: table")
    compare.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is found about every entry; 0 if quote and bill agree."""
    found = compare_quote(read_bill(arguments.bill, arguments.rank), read_quote(arguments.quote, arguments.rank))
    print(_FORMATS[arguments.format](found, arguments.lang), end="")
    return 0 if all(row.finding in AGREES for row in found) else 1


def read_quote(path: Path, rank: int = 1) -> tuple[QuoteLine, ...]:
    """The positions of a quote; of a bill what option `rank` buys, at typical prices. Raises `RackwrightError` with every cell
    that is not understood.
    """
    if _is_bill(path):
        bought = (line for line in read_bill(path, rank) if line.price_basis != FROM_STOCK)
        return tuple(QuoteLine(line.catalog_id, line.quantity, line.unit_typical_usd) for line in bought)
    rows, faults = _rows(path, ("catalog_id", "quantity", "unit_usd")), list[Fault]()
    lines = [
        QuoteLine(
            row["catalog_id"].strip(), _number(path, line, row, "quantity", faults) or 0.0, _number(path, line, row, "unit_usd", faults)
        )
        for line, row in rows
    ]
    faults += [Fault("missing_field", path.name, f"line {line}: catalog_id") for line, row in rows if not row["catalog_id"].strip()]
    if faults:
        raise RackwrightError(*faults)
    return tuple(lines)


def _is_bill(path: Path) -> bool:
    """Whether the file has a bill's columns in place of a quote's."""
    return any("unit_typical_usd" in row and "unit_usd" not in row for _, row in _rows(path, ())[:1])


def read_bill(path: Path, rank: int) -> tuple[BillLine, ...]:
    """The bill of option `rank`. Raises `RackwrightError` with every cell that is not understood."""
    rows, faults = _rows(path, ("catalog_id", "quantity", "unit_low_usd", "unit_typical_usd", "unit_high_usd")), list[Fault]()
    lines = []
    for line, row in rows:
        if row.get("rank", str(rank)).strip() != str(rank):
            continue
        quantity = _number(path, line, row, "quantity", faults) or 0.0
        low, typical, high = (_number(path, line, row, name, faults) for name in ("unit_low_usd", "unit_typical_usd", "unit_high_usd"))
        lines.append(
            BillLine(
                part=row.get("part", ""),
                catalog_id=row["catalog_id"].strip(),
                quantity=quantity,
                unit_power_w=None,
                unit_low_usd=low,
                unit_typical_usd=typical,
                unit_high_usd=high,
                price_date=row.get("price_date", ""),
                price_basis=row.get("price_basis", ""),
                source=row.get("source", ""),
                subtotal_usd=None if typical is None else quantity * typical,
            )
        )
    if faults:
        raise RackwrightError(*faults)
    if not lines:
        raise RackwrightError(Fault("unknown_id", path.name, "rank", str(rank)))
    return tuple(lines)


def _rows(path: Path, needed: Sequence[str]) -> _Rows:
    """Numbered rows of a CSV with at least the columns `needed`."""
    try:
        with path.open("rb") as file:
            content = file.read(_SIZE_BYTES + 1)
    except OSError as error:
        raise RackwrightError(Fault("file_unreadable", str(path), value=error.strerror or "")) from None
    if len(content) > _SIZE_BYTES:
        raise RackwrightError(Fault("file_too_large", path.name, value=f"> {_SIZE_BYTES} bytes", allowed=f"<= {_SIZE_BYTES} bytes"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RackwrightError(Fault("text_not_utf8", path.name, value=f"byte {error.start}")) from None
    reader = csv.DictReader(io.StringIO(text))
    try:
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise RackwrightError(*(Fault("missing_field", path.name, name) for name in missing))
        rows = [(number, {key: value or "" for key, value in row.items() if key}) for number, row in _limited(reader)]
    except csv.Error as error:
        raise RackwrightError(Fault("wrong_form", path.name, f"line {reader.line_num}", shown(str(error)))) from None
    if len(rows) > _ROWS:
        raise RackwrightError(Fault("file_too_large", path.name, value=f"> {_ROWS} rows", allowed=f"<= {_ROWS} rows"))
    return rows


def _limited(reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, row in enumerate(reader, start=2):
        yield number, row
        if number > _ROWS + 1:
            return


def _number(path: Path, line: int, row: dict[str, str], name: str, faults: list[Fault]) -> float | None:
    """The number in a cell, None where it is empty or unknown; what is no plain number or negative is a fault."""
    text = row[name].strip()
    if text in _UNKNOWN:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        faults.append(Fault("not_a_number", path.name, f"line {line}: {name}", shown(text)))
        return None
    return value


def _table(found: Sequence[Comparison], language: Language) -> str:
    return text_table(COLUMNS, found, language) + "\n"


def _csv(found: Sequence[Comparison], _: Language) -> str:
    return csv_text([column.name for column in COLUMNS], [cells(COLUMNS, row) for row in found])


def _json(found: Sequence[Comparison], _: Language) -> str:
    return json.dumps([dataclasses.asdict(row) for row in found], indent=2) + "\n"


_FORMATS: dict[str, Callable[[Sequence[Comparison], Language], str]] = {"table": _table, "csv": _csv, "json": _json}
