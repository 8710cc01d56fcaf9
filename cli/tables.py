"""Tables on a terminal: units in the header, digits to the right, one text for each kind of "no number"."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import TypeVar

from planner.tables import PlanColumn
from texts.csv_cells import Cell
from texts.numbers import MINUS, Absent, absent
from texts.translations import Language, translation

Row = TypeVar("Row")
_GAP = "  "


def cells(columns: Sequence[PlanColumn[Row]], row: Row) -> list[Cell]:
    """The full-precision cells of one row, for files."""
    values = ((column, column.value(row)) for column in columns)
    return [Absent(column.missing) if value is None else value for column, value in values]


def text_table(columns: Sequence[PlanColumn[Row]], rows: Sequence[Row], language: Language) -> str:
    """The rows under their headers in `language`, padded with spaces."""
    body = [[_shown(cell, column, language) for cell, column in zip(cells(columns, row), columns, strict=True)] for row in rows]
    headers = [_wrapped(translation(column.label, language), [line[index] for line in body]) for index, column in enumerate(columns)]
    height = max(map(len, headers))
    head = zip(*([""] * (height - len(header)) + header for header in headers), strict=True)
    lines = [*head, *body]
    widths = [max(_width(line[index]) for line in lines) for index in range(len(columns))]
    right = [column.digits is not None for column in columns]
    return "\n".join(_line(line, widths, right) for line in lines)


def _wrapped(label: str, texts: Sequence[str]) -> list[str]:
    """A header on as many lines as it takes not to be wider than its column or its longest word."""
    return textwrap.wrap(label, max(_width(text) for text in (*texts, *label.split())), break_long_words=False, break_on_hyphens=False)


def _shown(cell: Cell, column: PlanColumn[Row], language: Language) -> str:
    if isinstance(cell, Absent):
        return absent(cell, language)
    if column.digits is None or not isinstance(cell, int | float):
        return translation(str(cell), language)
    return f"{cell:,.{column.digits}f}".replace("-", MINUS)


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for text, width, to_right in zip(texts, widths, right, strict=True):
        padding = " " * (width - _width(text))
        padded.append(padding + text if to_right else text + padding)
    return _GAP.join(padded).rstrip()


def _width(text: str) -> int:
    """Columns that `text` takes on a terminal: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
