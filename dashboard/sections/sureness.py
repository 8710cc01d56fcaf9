"""How sure the answer is: what its inputs do to it, computed when the tab is opened."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.charts.figure import show_figure
from dashboard.charts.tornado import tornado_figure
from dashboard.engine import library
from dashboard.language import say
from dashboard.tables import file_name
from dashboard.waiting import SearchProgress, is_stopped
from dashboard.wording import plain
from facts.errors import RackwrightError
from planner.answer import Plan, Recommendation
from planner.explain.sensitivity import Sensitivities, sensitivities

_KEPT = "sensitivities"


def sureness(plan: Plan, shown: Recommendation) -> None:
    """The tornado of the shown option."""
    if is_stopped(plan.request):
        return
    found = _found(plan, shown)
    if found is None or not found.inputs:
        st.info(plain(say("This option cannot be planned for alone; choose another one to see what moves it.")))
        return
    show_figure(tornado_figure(found), file_name((plan.model_name, "sensitivity"), ".csv"))


def _found(plan: Plan, shown: Recommendation) -> Sensitivities | None:
    """Kept while question, option and catalogs stay."""
    key = (plan.request.digest(), session.shown(), library().digest)
    kept: tuple[object, Sensitivities | None] | None = st.session_state.get(_KEPT)
    if kept is not None and kept[0] == key:
        return kept[1]
    progress = SearchProgress(plan.request, key="stop:sensitivity")
    try:
        found = sensitivities(plan.request, shown, library(), progress)
    except RackwrightError:
        found = None
    finally:
        progress.done()
    st.session_state[_KEPT] = (key, found)
    return found
