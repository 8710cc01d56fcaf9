"""Everything that can be taken along: tables, the question, the plan, a report."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
import yaml

from dashboard import report, session
from dashboard.engine import answered_by, library
from dashboard.language import language, say, speaking
from dashboard.measures import Other
from dashboard.tables import CSV_MIME, Table, file_name, table_of
from facts.errors import RackwrightError
from planner.answer import Plan, Recommendation
from planner.library import Library
from planner.links import encode_link
from planner.pareto import configurations
from planner.request import PlanRequest
from planner.tables import BILL_COLUMNS, FRONTIER_COLUMNS, RECOMMENDATION_COLUMNS

FRONTIER_ROWS = 100_000  # more than that and a spreadsheet is the wrong tool; the command line writes all of them as Parquet


def exports(plan: Plan, shown: Recommendation, other: Other | None) -> None:
    """The two usual files as buttons, the others one press away; each is made when it is asked for. The report compares with `other`."""
    name = (plan.model_name, plan.request.workload.kind, plan.catalog_release)
    place, known, shown_name, request = st.context.url or "", library(), session.shown(), plan.request

    def again() -> Plan:  # what a button holds lives as long as the session: not the plan, which is kept packed
        return answered_by(known, request)

    _table(say("Export options as CSV"), lambda: table_of(RECOMMENDATION_COLUMNS, again().recommendations), file_name(name, ".csv"))
    _table(say("Export bill as CSV"), lambda: table_of(BILL_COLUMNS, shown.bill), file_name((*name, "bill"), ".csv"))
    with st.popover(say("More exports")):
        _table(say("Export frontier as CSV"), lambda: frontier_table(request, known), file_name((*name, "frontier"), ".csv"))
        _file(
            say("Export question as YAML"),
            lambda: question_yaml(request),
            file_name((*name, "question"), ".yaml"),
            "application/yaml",
        )
        _file(
            say("Export plan as JSON"), lambda: again().canonical_json().encode(), file_name((*name, "plan"), ".json"), "application/json"
        )
        _file(
            say("Export report as HTML"),
            lambda: report.report(again(), shown, link_to(again(), shown_name, place), other).encode(),
            file_name((*name, "report"), ".html"),
            "text/html",
        )


def frontier_table(request: PlanRequest, known: Library) -> Table:
    """Every configuration that fits, those that none beats in both cost and time marked."""
    return table_of(FRONTIER_COLUMNS, list(configurations(request, library=known, most=FRONTIER_ROWS)))


def link_to(plan: Plan, name: str, place: str) -> str:
    """The address of the option called `name` on the server at `place`; none where the question is too long for one."""
    try:
        return f"{encode_link(plan.request, place, plan)}&show={name}"
    except RackwrightError:
        return ""


def question_yaml(request: PlanRequest) -> bytes:
    """The request as `rackwright plan` reads it."""
    return yaml.safe_dump(request.model_dump(mode="json"), sort_keys=False, allow_unicode=True).encode()


def _table(label: str, table: Callable[[], Table], name: str) -> None:
    _file(label, lambda: table().csv(), name, CSV_MIME)


def _file(label: str, content: Callable[[], bytes], name: str, mime: str) -> None:
    tongue = language()  # the file is made outside of the session

    def made() -> bytes:
        with speaking(tongue):
            return content()

    st.download_button(label, made, name, mime, key=f"file:{name}", on_click="ignore", icon=":material/download:")
