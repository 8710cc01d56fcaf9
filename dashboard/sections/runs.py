"""What else a cluster could serve: every model of the library that runs on it within the limits, the largest first."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.draft import request_of
from dashboard.engine import library
from dashboard.language import language, say
from dashboard.owned import Cluster, request_for
from dashboard.tables import csv_button, show_table, table_of
from dashboard.waiting import SearchProgress, is_stopped
from dashboard.wording import plain
from facts.errors import RackwrightError
from planner.request import PlanRequest, Serving
from planner.reverse import Runs, what_runs
from planner.tables import RUNS_COLUMNS
from texts import numbers
from texts.sentences import sentence

_KEY = "owned:runs"


def runs_section(cluster: Cluster) -> None:
    """The section on the page; nothing is computed before it is opened."""
    box = st.expander(say("Models that your cluster can serve"), key="section:runs", on_change="rerun")
    if not box.open:
        return
    with box:
        try:
            asked = request_of(session.draft() | {"workload.kind": "serving"})
            asked = request_for(asked, cluster)
            found = None if is_stopped(asked) else _found(cluster, asked)
        except RackwrightError as error:
            for fault in error.faults:
                st.error(plain(sentence(fault, language())))
            return
        if found is not None:
            _show(found)


def _show(found: list[Runs]) -> None:
    st.markdown(
        plain(
            say(
                "{count} of {all} models run within your limits on latency, each on the whole cluster and as is best for the rate.",
                count=numbers.whole(len(found), language()),
                all=numbers.whole(len(library().models), language()),
            )
        )
    )
    if found:
        table = table_of(RUNS_COLUMNS, found)
        show_table(table, say("Models by size, with requests in flight, rates and longest context."))
        csv_button(say("Export CSV"), table, "runs.csv", "csv:runs")


def _found(cluster: Cluster, asked: PlanRequest) -> list[Runs]:
    """Kept while the cluster, the serving workload and the catalogs stay. Raises `RackwrightError` for an unusable cluster."""
    assert isinstance(asked.workload, Serving)  # noqa: S101 as it was asked for
    key = (cluster.text, asked.workload, library().digest)
    kept: tuple[object, list[Runs]] | None = st.session_state.get(_KEY)
    if kept is not None and kept[0] == key:
        return kept[1]
    progress = SearchProgress(asked, key="stop:runs")
    found = what_runs(cluster.accelerator_id, cluster.devices, asked.workload, library(), progress)
    progress.done()
    st.session_state[_KEY] = (key, found)
    return found
