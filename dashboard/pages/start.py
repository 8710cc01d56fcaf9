"""The page Start: three questions, each one press away from a filled-in plan."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.language import say
from dashboard.navigation import PLAN_PAGE, UPGRADE_PAGE
from dashboard.presets import Preset, presets


def page() -> None:
    """Presets by task, and the way to what one owns."""
    st.title(say("What do you want to plan?"), anchor=False)
    with st.grid(min_column_width=280, gap="large"):
        with st.container():
            st.header(say("Serve a model"), anchor=False)
            st.markdown(say("Answer requests within limits on latency."))
            _choices("serving")
        with st.container():
            st.header(say("Train a model"), anchor=False)
            st.markdown(say("Pre-train or fine-tune by a deadline."))
            _choices("training")
        with st.container():
            st.header(say("Use what I have"), anchor=False)
            st.markdown(say("See what a cluster you own can do, and which change buys most."))
            if st.button(say("Describe my cluster"), width="stretch"):
                st.switch_page(UPGRADE_PAGE.source)


def _choices(kind: str) -> None:
    for preset in presets():
        if preset.request.workload.kind == kind and st.button(say(preset.title), key=f"preset:{preset.title}", width="stretch"):
            _open(preset)


def _open(preset: Preset) -> None:
    session.ask(preset.request)
    st.switch_page(PLAN_PAGE.source)


page()
