"""The page Accuracy: every measured run beside its prediction, as `rackwright validate` computes it."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.address import keep_address
from dashboard.charts.accuracy import accuracy_figure
from dashboard.charts.figure import show_figure
from dashboard.draft import request_of
from dashboard.engine import library
from dashboard.language import language, say
from dashboard.tables import Column, Table, csv_button, show_table
from dashboard.wording import DIMENSIONS, QUANTITIES, plain, word
from measurements import measured_runs
from planner.library import Library
from planner.validate import Report, kind_of, validate
from planner.validation.rows import parse_rows
from texts import numbers
from texts.translations import mark

TABLES = {
    "serving_latency": mark("Serving: latency under load"),
    "serving_published": mark("Serving: published throughput"),
    "serving_mlperf": mark("Serving: MLPerf Inference"),
    "serving_memory": mark("Serving: memory"),
    "training_published": mark("Training: published runs"),
    "training_mlperf": mark("Training: MLPerf Training"),
    "training_memory": mark("Training: memory"),
}
SLICES = (
    Column("quantity", mark("Quantity")),
    Column("by", mark("Grouped by")),
    Column("group", mark("Group")),
    Column("rows", mark("Rows"), 0),
    Column("median_error_pct", mark("Median error (%)"), 1),
    Column("p90_error_pct", mark("Nine of ten within (%)"), 1),
    Column("median_bias_pct", mark("Median bias (%)"), 1),
)
MOST_REPORTS = 16


def page() -> None:
    """Choose a table of measured runs; its errors as a whole, as points, by group."""
    with st.sidebar:
        st.header(say("Accuracy"), anchor=False)
        session.seed_choice("table", "accuracy:table", TABLES)
        name = st.selectbox(
            say("Measured runs"), list(TABLES), format_func=lambda name: say(TABLES[name]), key="accuracy:table", persist_state="session"
        )
    st.title(say("Accuracy: predicted against measured"), anchor=False)
    known = library()
    with st.spinner(say("Predicting every measured run")):
        report = _report(name, known.digest, known)
    st.markdown(
        plain(
            say(
                "{answered} of {rows} rows are predicted, each from its own stated configuration.",
                answered=numbers.whole(report.answered, language()),
                rows=numbers.whole(report.rows, language()),
            )
        )
    )
    st.caption(plain(say("Efficiencies are fitted to rows of these tables; errors on rows that a fit did not see stand with the method.")))
    if "mlperf" in name:
        st.caption(
            plain(say("Results are from MLCommons, with the names of its submissions. Derived figures are not verified by MLCommons."))
        )
    keep_address(request_of(session.draft()), None, {"table": [name]})
    _points(report, name)
    _groups(report, name)


@st.cache_resource(max_entries=MOST_REPORTS, show_spinner=False)
def _report(name: str, library_digest: str, _library: Library) -> Report:
    rows = parse_rows(measured_runs(name), name)
    return validate(rows, kind_of(rows.header, name), _library)


@st.fragment
def _points(report: Report, name: str) -> None:
    quantities = list(dict.fromkeys(item.quantity for item in report.predictions if item.predicted is not None))
    if not quantities:
        st.info(say("This version predicts none of these rows."))
        return
    quantity = st.selectbox(say("Quantity"), quantities, format_func=lambda quantity: word(QUANTITIES, quantity), key="accuracy:quantity")
    source = say("Measured runs of the table {name}, with their sources in the repository.", name=name)
    show_figure(accuracy_figure(report.predictions, quantity, source), f"accuracy-{name}.csv")


def _groups(report: Report, name: str) -> None:
    st.header(say("Errors by group"), anchor=False)
    rows = tuple(
        (
            word(QUANTITIES, part.quantity),
            word(DIMENSIONS, part.by),
            part.key or "–",
            part.n,
            part.median_ape_pct,
            part.p90_ape_pct,
            part.median_bias_pct,
        )
        for part in report.slices
    )
    table = Table(SLICES, rows)
    show_table(table, say("Errors by group."))
    csv_button(say("Export CSV"), table, f"errors-{name}.csv", "csv:slices")
    if report.unanswered:
        st.header(say("Rows without a prediction"), anchor=False)
        reasons = Table((Column("reason", mark("Reason")), Column("rows", mark("Rows"), 0)), tuple(report.unanswered.items()))
        show_table(reasons, say("Rows without a prediction, by reason."))


page()
