"""Everything that can be taken along: tables, the question, the plan, a report."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
import yaml

from dashboard import report
from dashboard.language import say
from dashboard.measures import Other
from dashboard.tables import csv_button, file_name, table_of
from facts.errors import RackwrightError
from planner.answer import Plan, Recommendation
from planner.links import encode_link
from planner.tables import BILL_COLUMNS, FRONTIER_COLUMNS, RECOMMENDATION_COLUMNS


def exports(plan: Plan, shown: Recommendation, other: Other | None) -> None:
    """The two usual files as buttons, the others one press away. The report compares with `other`."""
    name = (plan.model_name, plan.request.workload.kind, plan.catalog_release)
    csv_button(
        say("Export options as CSV"), table_of(RECOMMENDATION_COLUMNS, plan.recommendations), file_name(name, ".csv"), "csv:recommendations"
    )
    csv_button(say("Export bill as CSV"), table_of(BILL_COLUMNS, shown.bill), file_name((*name, "bill"), ".csv"), "csv:bill")
    place = st.context.url or ""
    with st.popover(say("More exports")):
        csv_button(
            say("Export frontier as CSV"), table_of(FRONTIER_COLUMNS, plan.frontier), file_name((*name, "frontier"), ".csv"), "csv:frontier"
        )
        _file(say("Export question as YAML"), lambda: question_yaml(plan), file_name((*name, "question"), ".yaml"), "application/yaml")
        _file(say("Export plan as JSON"), plan.canonical_json, file_name((*name, "plan"), ".json"), "application/json")
        _file(
            say("Export report as HTML"),
            lambda: report.report(plan, shown, link_to(plan, shown, place), other),
            file_name((*name, "report"), ".html"),
            "text/html",
        )


def link_to(plan: Plan, shown: Recommendation, place: str) -> str:
    """The address of `shown` on the server at `place`; none where the question is too long for one."""
    try:
        return f"{encode_link(plan.request, place, plan)}&show={shown.rank}"
    except RackwrightError:
        return ""


def question_yaml(plan: Plan) -> str:
    """The request as `rackwright plan` reads it."""
    return yaml.safe_dump(plan.request.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _file(label: str, content: Callable[[], str], name: str, mime: str) -> None:
    st.download_button(label, lambda: content().encode(), name, mime, key=f"file:{name}", on_click="ignore", icon=":material/download:")
