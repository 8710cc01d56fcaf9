"""Everything that can be taken along: tables, the question, the plan, a report."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
import yaml

from dashboard import report
from dashboard.language import say
from dashboard.tables import Column, Table, csv_button, file_name, table_of
from planner.answer import Plan, Recommendation
from planner.links import encode_link
from planner.tables import BILL_COLUMNS, RECOMMENDATION_COLUMNS
from texts.numbers import Absent
from texts.translations import mark

FRONTIER = (
    Column("accelerator_id", mark("Accelerator id")),
    Column("accelerators", mark("Accelerators"), 0),
    Column("precision", mark("Precision")),
    Column("total_usd", mark("Cost (USD)"), 0),
    Column("total_is", mark("Cost is")),
    Column("facility_w", mark("Facility power (W)"), 0),
    Column("tokens_per_s", mark("Tokens/s"), 0),
    Column("time_s", mark("Time (s)"), 3),
    Column("carbon_kgco2e", mark("Carbon (kg CO₂e)"), 0),
    Column("pareto", mark("On the frontier")),
)


def exports(plan: Plan, shown: Recommendation) -> None:
    """The two usual files as buttons, the others one press away."""
    name = (plan.model_name, plan.request.workload.kind, plan.catalog_release)
    csv_button(
        say("Export options as CSV"), table_of(RECOMMENDATION_COLUMNS, plan.recommendations), file_name(name, ".csv"), "csv:recommendations"
    )
    csv_button(say("Export bill as CSV"), table_of(BILL_COLUMNS, shown.bill), file_name((*name, "bill"), ".csv"), "csv:bill")
    with st.popover(say("More exports")):
        csv_button(say("Export frontier as CSV"), frontier_table(plan), file_name((*name, "frontier"), ".csv"), "csv:frontier")
        _file(say("Export question as YAML"), lambda: question_yaml(plan), file_name((*name, "question"), ".yaml"), "application/yaml")
        _file(say("Export plan as JSON"), plan.canonical_json, file_name((*name, "plan"), ".json"), "application/json")
        _file(
            say("Export report as HTML"),
            lambda: report.report(plan, shown, "?" + encode_link(plan.request)),
            file_name((*name, "report"), ".html"),
            "text/html",
        )


def frontier_table(plan: Plan) -> Table:
    """Every configuration of the shortlist."""
    return Table(
        FRONTIER,
        tuple(
            (
                point.accelerator_id,
                point.devices,
                point.precision,
                point.cost_usd,
                "at least" if point.at_least else "complete",
                Absent.UNKNOWN if point.facility_w is None else point.facility_w,
                point.tokens_per_s,
                point.time_s,
                Absent.UNKNOWN if point.carbon_kgco2e is None else point.carbon_kgco2e,
                "yes" if point.pareto else "no",
            )
            for point in plan.frontier
        ),
    )


def question_yaml(plan: Plan) -> str:
    """The request as `rackwright plan` reads it."""
    return yaml.safe_dump(plan.request.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _file(label: str, content: Callable[[], str], name: str, mime: str) -> None:
    st.download_button(label, lambda: content().encode(), name, mime, key=f"file:{name}", on_click="ignore", icon=":material/download:")
