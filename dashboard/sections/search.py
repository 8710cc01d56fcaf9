"""The account of the search: how many configurations were looked at, and what became of each."""

from __future__ import annotations

import streamlit as st

from dashboard.language import language, say
from dashboard.tables import Column, Table, csv_button, file_name, show_table
from dashboard.wording import plain, word
from planner.answer import Plan
from texts import numbers
from texts.numbers import Absent
from texts.translations import mark
from texts.words import LIMITS

REJECTED = (Column("reason", mark("Rejected for")), Column("configurations", mark("Configurations"), 0))
REFUSED = (
    Column("accelerator_id", mark("Accelerator")),
    Column("precision", mark("Number format")),
    Column("engine", mark("Serving software")),
    Column("read", mark("Read on")),
    Column("source", mark("Source")),
)
MISSES = (
    Column("accelerator_id", mark("Accelerator")),
    Column("reason", mark("Fails on")),
    Column("over_by", mark("Over the limit by (share)"), 2),
    Column("change", mark("Fits with")),
)


def search_account(plan: Plan) -> None:
    """Counts by fate, then the nearest miss of every accelerator that gave no plan."""
    search = plan.search
    st.markdown(
        plain(
            say(
                "{evaluated} configurations of {accelerators} accelerators evaluated, {pruned} left out by a bound, {feasible} fit.",
                evaluated=numbers.whole(search.evaluated, language()),
                accelerators=numbers.whole(search.accelerators, language()),
                pruned=numbers.whole(search.pruned, language()),
                feasible=numbers.whole(search.feasible, language()),
            )
        )
    )
    rejected = Table(REJECTED, tuple((word(LIMITS, code), number) for code, number in search.rejected.items() if number))
    if rejected.rows:
        show_table(rejected, say("Configurations rejected, by reason."))
    if search.refused:
        st.subheader(say("What the serving software is known not to run"), anchor=False)
        show_table(refusals_table(plan), say("What the serving software is known not to run"))
    if search.nearest:
        misses = misses_table(plan)
        st.subheader(say("Nearest miss of each accelerator without a plan"), anchor=False)
        show_table(misses, say("Nearest miss of each accelerator without a plan"))
        csv_button(say("Export CSV"), misses, file_name((plan.model_name, "misses"), ".csv"), "csv:misses")


def refusals_table(plan: Plan) -> Table:
    """One row an accelerator and number format."""
    return Table(
        REFUSED,
        tuple(
            (one.accelerator_id, one.precision.upper(), f"{one.engine} {one.release}", one.read, "; ".join(one.sources))
            for one in plan.search.refused
        ),
    )


def misses_table(plan: Plan) -> Table:
    """One row an accelerator, the nearest first."""
    return Table(
        MISSES,
        tuple(
            (
                miss.accelerator_id,
                word(LIMITS, miss.reason),
                Absent.NOT_APPLICABLE if miss.over_by >= 1e6 or not miss.change else miss.over_by,
                "; ".join(f"{field} = {value}" for field, value in miss.change.items()) or Absent.NOT_APPLICABLE,
            )
            for miss in plan.search.nearest
        ),
    )
