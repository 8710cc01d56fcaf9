"""A table once: shown on the page in the reader's language, downloaded as CSV with the same columns in every language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import pandas as pd
import streamlit as st

from dashboard.language import language, say
from planner.tables import PlanColumn
from texts.csv_cells import Cell, csv_bytes
from texts.numbers import Absent, absent

Row = TypeVar("Row")
CSV_MIME = "text/csv"


@dataclass(frozen=True, slots=True)
class Column:
    """`name` heads the column in CSV, unit included; `label` is its message on the page. `digits` after the point."""

    name: str
    label: str
    digits: int | None = None  # None: text
    width: Literal["small", "medium", "large"] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of full-precision cells under columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def csv(self) -> bytes:
        """The table as a spreadsheet reads it."""
        return csv_bytes([column.name for column in self.columns], self.rows)

    def frame(self) -> pd.DataFrame:
        """The table as the page shows it: headers in the reader's language, one text for each kind of "no number"."""
        data: dict[str, Sequence[object]] = {}
        for index, column in enumerate(self.columns):
            cells = [row[index] for row in self.rows]
            if column.digits is None or any(isinstance(cell, Absent) for cell in cells):
                data[say(column.label)] = [_shown(cell, column.digits) for cell in cells]
            else:
                data[say(column.label)] = [round(cell, column.digits or None) for cell in cells if isinstance(cell, int | float)]
        return pd.DataFrame(data)


def table_of(columns: Sequence[PlanColumn[Row]], rows: Sequence[Row]) -> Table:
    """Records of a plan as a table, with the columns that both front doors write."""
    return Table(
        tuple(Column(column.name, column.label, column.digits) for column in columns),
        tuple(tuple(_cell(column, row) for column in columns) for row in rows),
    )


def _cell(column: PlanColumn[Row], row: Row) -> Cell:
    value = column.value(row)
    if value is not None:
        return value
    return Absent.UNKNOWN if column.missing == "unknown" else Absent.NOT_APPLICABLE


def _shown(cell: Cell, digits: int | None) -> str:
    if isinstance(cell, Absent):
        return absent(cell, language())
    if digits is None or isinstance(cell, str):
        return str(cell)
    text = f"{cell:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def show_table(
    table: Table, alt: str, key: str | None = None, names: list[str] | None = None, picked: Callable[[str, list[str]], None] | None = None
) -> None:
    """Draw `table`, numbers with thousands separators at the right; it scrolls inside its own box.

    With `names` of its rows one can be picked, by pointer or by keyboard: `picked` is called with `key` and `names`.
    """
    frame = table.frame()
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            say(column.label): st.column_config.NumberColumn(format="localized", width=column.width)
            if pd.api.types.is_numeric_dtype(frame[say(column.label)])
            else st.column_config.TextColumn(width=column.width, alignment="left" if column.digits is None else "right")
            for column in table.columns
        },
        placeholder=absent(Absent.UNKNOWN, language()),
        alt=alt,
        key=key,
        on_select="ignore" if picked is None or key is None or names is None else partial(picked, key, names),
        selection_mode="single-row",
    )


def csv_button(label: str, table: Table, file_name: str, key: str) -> None:
    """A download that is made when it is asked for and does not rerun the page."""
    st.download_button(label, table.csv, file_name, CSV_MIME, key=key, on_click="ignore", icon=":material/download:")


def file_name(parts: Sequence[str], ending: str) -> str:
    """A name of letters, digits and dashes that every file system takes."""
    text = "-".join("".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in part.lower()) for part in parts)
    return "-".join(filter(None, text.split("-")))[:100] + ending
