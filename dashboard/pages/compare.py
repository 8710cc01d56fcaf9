"""The page Compare: up to four plans side by side, kept from the page Plan or opened from links."""

from __future__ import annotations

import streamlit as st

from dashboard import comparing, session
from dashboard.address import keep_address
from dashboard.charts.cost import cost_figure
from dashboard.charts.figure import show_figure
from dashboard.charts.power import power_figure
from dashboard.draft import request_of
from dashboard.language import language, say
from dashboard.navigation import PLAN_PAGE
from dashboard.sections.comparison import Candidate, comparison_table
from dashboard.tables import csv_button, show_table
from dashboard.wording import plain
from facts.errors import RackwrightError
from texts.sentences import sentence


def page() -> None:
    """What is kept, its differences, its parts of cost and power."""
    with st.sidebar:
        st.header(say("Compare"), anchor=False)
        _add_from_link()
    st.title(say("Compare plans"), anchor=False)
    for fault in comparing.faults():
        st.warning(plain(sentence(fault, language())))
    candidates = comparing.candidates()
    keep_address(request_of(session.draft()), None, {"with": comparing.links()})
    if len(candidates) < 2:
        st.info(say("Keep two to four plans to compare: press “Keep to compare” on the page Plan, or paste links at the left."))
        st.page_link(PLAN_PAGE.source, label=say("Go to the page Plan"), icon=":material/arrow_forward:")
    if candidates:
        _kept(candidates)
    if len(candidates) >= 2:
        _compared(candidates)


def _kept(candidates: list[Candidate]) -> None:
    with st.container(horizontal=True, gap="small"):
        for candidate in candidates:
            st.button(
                say("Remove {name}", name=plain(candidate.name)),
                key=f"compare:remove:{candidate.place}",
                icon=":material/close:",
                on_click=comparing.remove,
                args=(candidate.place,),
            )


def _compared(candidates: list[Candidate]) -> None:
    st.header(say("What differs"), anchor=False)
    _baseline({candidate.place: candidate.name for candidate in candidates})
    differences = st.toggle(say("Show only differences"), value=True, key="compare:differences", persist_state="session")
    table = comparison_table(candidates, only_differences=differences)
    show_table(table, say("Plans side by side."))
    csv_button(say("Export CSV"), table, "comparison.csv", "csv:comparison")
    st.header(say("Cost and power on the same scale"), anchor=False)
    options = [candidate.option.model_copy(update={"rank": number}) for number, candidate in enumerate(candidates, start=1)]
    with st.grid(columns=2, min_column_width=330, gap="medium"):
        for figure in (cost_figure(options, options[0], candidates[0].plan.catalog_release), power_figure(options, options[0], None)):
            with st.container():
                show_figure(figure, f"comparison-{figure.key}.csv")


def _baseline(names: dict[int, str]) -> None:
    """Which of the plans the others are compared with: the first; another one that is chosen becomes it."""
    key = "compare:baseline"
    st.session_state[key] = next(iter(names))
    st.selectbox(
        say("Baseline"),
        list(names),
        format_func=lambda place: names[place],
        key=key,
        on_change=lambda: comparing.lead(st.session_state[key]),
        help=say("Differences are against this plan; it stands first."),
    )


def _add_from_link() -> None:
    link = st.text_input(say("Link of a plan"), max_chars=9_000, key="compare:link", placeholder=say("Paste a link"))
    st.button(say("Add"), disabled=not link.strip(), on_click=_add, args=(link,))


def _add(link: str) -> None:
    try:
        comparing.add_link(link)
    except RackwrightError as error:
        comparing.keep_faults(error.faults)


page()
