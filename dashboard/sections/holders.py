"""Which accelerators hold a model alone: weights beside memory, format by format."""

from __future__ import annotations

import streamlit as st

from dashboard.engine import library
from dashboard.language import language, say
from dashboard.models import ChosenModel
from dashboard.tables import Column, Table, csv_button, file_name, show_table
from dashboard.wording import plain
from model_db.weight_formats import load_weight_formats
from planner.counting import weight_bytes_by_format
from texts import numbers
from texts.csv_cells import Cell
from texts.numbers import Absent
from texts.translations import mark

GIB = 2.0**30


def holders(model: ChosenModel) -> None:
    """Accelerators, the largest memory first, with the share of it that the weights take in the chosen format."""
    formats = load_weight_formats()
    sizes = weight_bytes_by_format(model.architecture)
    names = {id_: say("{format}: {size}", format=formats[id_].name, size=numbers.memory(sizes[id_], language())) for id_ in sizes}
    start = model.weight_format if model.weight_format in names else next(iter(names))
    chosen = st.selectbox(
        say("Weight format"), list(names), index=list(names).index(start), format_func=lambda id_: names[id_], key="holders:format"
    )
    table = holders_table(sizes[chosen])
    held = sum(isinstance(row[3], float) and row[3] <= 1 for row in table.rows)
    st.markdown(
        plain(
            say(
                "{held} of {all} accelerators hold these weights alone, cache and workspace not counted.",
                held=str(held),
                all=str(len(table.rows)),
            )
        )
    )
    show_table(table, say("Accelerators by memory, with the share that the weights take."))
    csv_button(say("Export CSV"), table, file_name((model.name, "holders"), ".csv"), "csv:holders")


def holders_table(weights_bytes: float) -> Table:
    """One row an accelerator."""
    columns = (
        Column("accelerator", mark("Accelerator")),
        Column("vendor", mark("Vendor")),
        Column("memory_gib", mark("Memory (GiB)"), 1),
        Column("weights_share", mark("Weights (share of memory)"), 3),
        Column("alone", mark("Holds it alone")),
    )
    rows: list[tuple[Cell, ...]] = []
    for entry in sorted(library().hardware.accelerators.values(), key=lambda entry: -(entry.memory_bytes or 0)):
        if entry.memory_bytes is None:
            rows.append((entry.name, entry.vendor, Absent.UNKNOWN, Absent.UNKNOWN, say("unknown")))
            continue
        share = weights_bytes / entry.memory_bytes
        rows.append((entry.name, entry.vendor, entry.memory_bytes / GIB, share, say("yes") if share <= 1 else say("does not fit")))
    return Table(columns, tuple(rows))
