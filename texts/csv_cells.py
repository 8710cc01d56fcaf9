"""CSV that a spreadsheet opens as meant: UTF-8 with a byte order mark, ISO dates, bare numbers, text that stays text.

A text cell that a spreadsheet would run as a formula gets an apostrophe in front; numbers are written as they are, so a
negative number stays a number. Columns and the words for "no value" are the same in every language, for programs.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TypeAlias

from texts.numbers import Absent

Cell: TypeAlias = str | int | float | date | Absent

_BYTE_ORDER_MARK = "\ufeff"
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """The whole file as text, byte order mark included. Every row has one cell a column."""
    buffer = io.StringIO()
    buffer.write(_BYTE_ORDER_MARK)
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([_text(column) for column in columns])
    for row in rows:
        if len(row) != len(columns):
            msg = f"a row of {len(row)} cells under {len(columns)} columns"
            raise ValueError(msg)
        writer.writerow([_text(cell) for cell in row])
    return buffer.getvalue()


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """`csv_text` as it is stored and downloaded."""
    return csv_text(columns, rows).encode("utf-8")


def _text(cell: Cell) -> str:
    match cell:
        case Absent():
            return cell.value
        case bool():
            return "true" if cell else "false"
        case int():
            return str(cell)
        case float():
            if not math.isfinite(cell):
                msg = f"{cell} is not a quantity; say why there is none with Absent"
                raise ValueError(msg)
            return repr(cell)
        case date():
            return cell.isoformat()
        case _:
            return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
