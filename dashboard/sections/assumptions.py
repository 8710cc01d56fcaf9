"""What the asker did not say, each with what it rests on and where to change it."""

from __future__ import annotations

import streamlit as st

from dashboard.fields import FIELDS, FormField
from dashboard.language import say
from dashboard.tables import Column, Table, csv_button, file_name, show_table
from dashboard.wording import plain
from planner.answer import Assumption, Plan
from texts.translations import mark

COLUMNS = (
    Column("field", mark("Field")),
    Column("meaning", mark("Meaning")),
    Column("value", mark("Value")),
    Column("unit", mark("Unit")),
    Column("section", mark("Change it under")),
    Column("basis", mark("Rests on")),
    Column("source", mark("Source")),
)
BASES = {
    "choice": mark("choice"),
    "spec": mark("specification"),
    "measured": mark("measured"),
    "derived": mark("derived"),
    "estimate": mark("estimate"),
}


def assumption_list(plan: Plan) -> None:
    """The fields that stand at their default."""
    st.markdown(plain(say("What you did not say was taken from this list. Each value is an input at the left.")))
    table = assumption_table(plan)
    show_table(table, say("Assumptions of this plan with their sources."))
    csv_button(say("Export CSV"), table, file_name((plan.model_name, "assumptions"), ".csv"), "csv:assumptions")


def assumption_table(plan: Plan) -> Table:
    """One row a field."""
    return Table(COLUMNS, tuple(_row(assumption) for assumption in plan.assumptions))


def _row(assumption: Assumption) -> tuple[str, ...]:
    row = FIELDS.get(assumption.field)
    value = ", ".join(assumption.value) if isinstance(assumption.value, tuple) else str(assumption.value)
    return (
        assumption.field,
        say(assumption.meaning),
        value,
        assumption.unit or "–",
        _section(row),
        say(BASES[assumption.basis]),
        assumption.source or "–",
    )


def _section(row: FormField | None) -> str:
    if row is None:
        return "–"
    names = {
        "workload": say("Workload") if row.main else say("More about the workload"),
        "limits": say("Limits"),
        "site": say("Site"),
        "room": say("Room and network"),
        "advanced": say("Advanced"),
    }
    return names[row.group]
