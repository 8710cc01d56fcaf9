"""What else is possible: the frontier of two figures of one's choice; a point or a row of it becomes the shown option."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.charts.figure import show_figure
from dashboard.charts.frontier import CHOICE, MEASURES, Shown, frontier_dots, frontier_figure
from dashboard.engine import library
from dashboard.language import say
from dashboard.options import ranking, whole_frontier
from dashboard.tables import Column, Table, file_name, show_table
from dashboard.waiting import SearchProgress, is_stopped
from dashboard.wording import plain
from planner.answer import Plan, Recommendation
from texts.translations import mark

AXES = (("x", "frontier:x", "cost"), ("y", "frontier:y", "time"))  # in a link, of the widget, the usual one
MOST_ROWS = 200
_EVERY = "frontier:every"
_CHART = "chart:frontier"
_ROWS = (
    Column("configuration", mark("Configuration"), width="large"),
    Column("on_frontier", mark("On the frontier")),
)


def frontier_view() -> dict[str, list[str]]:
    """The axes and the extent as a link names them; none for the usual ones."""
    for name, key, usual in AXES:
        session.seed_choice(name, key, MEASURES)
        st.session_state.setdefault(key, usual)
    if session.linked("every"):
        st.session_state[_EVERY] = True
    view = {name: [st.session_state[key]] for name, key, usual in AXES if st.session_state[key] != usual}
    return view | ({"every": ["1"]} if st.session_state.get(_EVERY) else {})


def possible(plan: Plan, shown: Recommendation) -> None:
    """Choose the figures, look, pick."""
    frontier_view()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, (_, key, _) in zip((say("Across"), say("Up")), AXES, strict=True):
            st.selectbox(label, list(MEASURES), format_func=lambda name: say(MEASURES[name].title), key=key, persist_state="session")
        st.toggle(
            say("Search every configuration"),
            key=_EVERY,
            persist_state="session",
            help=say("The frontier of both figures over the whole space, not only of what the search for the plan kept. Takes seconds."),
        )
    plan, view = ranking(plan, shown, session.shown()), _view(plan)
    names = {entry.id: entry.name for entry in library().hardware.accelerators.values()}
    figure = frontier_figure(plan, shown, names, view)
    show_figure(figure, file_name((plan.model_name, "frontier"), ".csv"), on_select=_pick_point, selection=CHOICE)
    _rows(plan, view, names)


def _view(plan: Plan) -> Shown:
    view = Shown(*(st.session_state[key] for _, key, _ in AXES))
    if not st.session_state[_EVERY]:
        return view
    if view.axes is None or view.across == view.up:
        st.caption(plain(say("These figures have no frontier over the whole space; what the plan has seen is shown.")))
        return view
    if is_stopped(plan.request):
        return view
    progress = SearchProgress(plan.request, key="stop:frontier")
    found = whole_frontier(plan.request, view.axes, progress)
    progress.done()
    return Shown(view.across, view.up, found)


def _rows(plan: Plan, view: Shown, names: dict[str, str]) -> None:
    """The same configurations as rows, for the keyboard; built when it is opened."""
    box = st.expander(say("Pick a configuration from a table"), key="section:frontier_rows", on_change="rerun")
    if not box.open:
        return
    dots = frontier_dots(plan, view, names)[:MOST_ROWS]
    options = [name for name, _, _ in dots]
    table = Table(_ROWS, tuple((label, say("yes") if optimal else say("no")) for _, label, optimal in dots))
    key = f"frontier_rows:{plan.request.digest()}:{view.across}:{view.up}"
    with box:
        show_table(
            table, say("Configurations, those on the frontier first; a selected row becomes the shown option."), key, options, _pick_row
        )


def _pick_point() -> None:
    picked = st.session_state[_CHART]["selection"].get(CHOICE, [])
    if picked:
        session.show_option(str(picked[0]["name"]))


def _pick_row(key: str, options: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        session.show_option(options[rows[0]])
