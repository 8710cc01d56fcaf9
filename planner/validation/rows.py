"""Measured rows from CSV text that anyone may bring: bounded, every refusal a fault, every cell plain text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facts.errors import Fault, RackwrightError, shown

_MOST_BYTES = 20_000_000
_MOST_ROWS = 100_000
_MOST_COLUMNS = 500
_MOST_CELL = 20_000  # characters
_EMPTY = frozenset({"", "nan", "none", "null", "n/a", "na", "-"})


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of text cells; `header` names the columns in order."""

    header: tuple[str, ...]
    cells: tuple[Mapping[str, str], ...]

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Mapping[str, str]]:
        return iter(self.cells)


def parse_rows(content: bytes, where: str = "") -> Rows:
    """The table in `content`. Raises `RackwrightError` for what is no bounded CSV with a header and unique column names."""
    if len(content) > _MOST_BYTES:
        raise RackwrightError(Fault("file_too_large", where, value=f"{len(content)} bytes", allowed=f"at most {_MOST_BYTES} bytes"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RackwrightError(Fault("text_not_utf8", where, value=f"byte {error.start}")) from None
    if "\0" in text:
        raise RackwrightError(Fault("csv_not_text", where, value=f"character {text.index(chr(0))}"))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(next(reader, []), where)
        return Rows(header, tuple(_body(reader, header, where)))
    except csv.Error as error:
        raise RackwrightError(Fault("csv_damaged", where, field=f"line {reader.line_num}", value=str(error))) from None


def _header(names: list[str], where: str) -> tuple[str, ...]:
    header = tuple(name.strip() for name in names)
    if not any(header):
        raise RackwrightError(Fault("csv_empty", where))
    if len(header) > _MOST_COLUMNS:
        raise RackwrightError(Fault("csv_too_many", where, "columns", str(len(header)), f"at most {_MOST_COLUMNS}"))
    repeated = next((name for name in header if name and header.count(name) > 1), None)
    if repeated is not None:
        raise RackwrightError(Fault("csv_column_repeated", where, shown(repeated)))
    return header


def _body(reader: Iterator[list[str]], header: tuple[str, ...], where: str) -> Iterator[dict[str, str]]:
    for number, cells in enumerate((cells for cells in reader if any(cell.strip() for cell in cells)), start=1):
        if number > _MOST_ROWS:
            raise RackwrightError(Fault("csv_too_many", where, "rows", f"over {_MOST_ROWS}", f"at most {_MOST_ROWS}"))
        if len(cells) > len(header):
            raise RackwrightError(Fault("csv_row_too_long", where, f"row {number}", str(len(cells)), f"at most {len(header)} cells"))
        if max(map(len, cells)) > _MOST_CELL:
            raise RackwrightError(Fault("csv_too_many", where, f"row {number}", "characters in a cell", f"at most {_MOST_CELL}"))
        yield dict(zip(header, (cell.strip() for cell in cells), strict=False))


def text_cell(row: Mapping[str, str], name: str) -> str:
    """The cell as text; "" where it is missing or stands for nothing."""
    value = row.get(name, "")
    return "" if value.lower() in _EMPTY else value


def number_cell(row: Mapping[str, str], name: str) -> float | None:
    """The cell as a finite number, or None."""
    try:
        value = float(text_cell(row, name) or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def count_cell(row: Mapping[str, str], name: str, most: float = 1e9) -> int | None:
    """The cell as a whole number from 1 to `most`, or None."""
    value = number_cell(row, name)
    return int(value) if value is not None and 1 <= value <= most and value == int(value) else None


def is_scorable(row: Mapping[str, str]) -> bool:
    """Rows count unless the file marks them as context."""
    return text_cell(row, "scorable").lower() not in {"no", "false", "0"}
