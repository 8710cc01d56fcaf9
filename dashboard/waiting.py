"""While a plan is searched for: what goes on after a moment, how far it is, and a way to stop it."""

from __future__ import annotations

import time

import streamlit as st

from dashboard.language import language, say
from planner.request import PlanRequest
from texts import numbers

PATIENCE_S = 0.3
_KEY = "stopped"


class SearchProgress:
    """Called with the share of the search that is done; draws nothing before it takes longer than a moment.

    Drawing is also where Streamlit ends a run that another input, or "Stop", has overtaken.
    """

    def __init__(self, request: PlanRequest, key: str = "stop") -> None:
        self._digest = request.digest()
        self._key = key  # of the button: a page may search twice
        self._started_s = time.monotonic()
        self._bar = st.empty()
        self._button = st.empty()
        self._drawn = False

    def __call__(self, share: float) -> None:
        """`share` of the search is done."""
        if time.monotonic() - self._started_s < PATIENCE_S:
            return
        text = say("Searching configurations: {share} done", share=numbers.percent(share, language()))
        self._bar.progress(min(max(share, 0.0), 1.0), text=text)
        if not self._drawn:
            self._button.button(say("Stop"), key=self._key, on_click=_stop, args=(self._digest,))
            self._drawn = True

    def done(self) -> None:
        """Take the bar away."""
        self._bar.empty()
        self._button.empty()


def is_stopped(request: PlanRequest) -> bool:
    """Whether the user stopped the search for `request`; says so and offers to go on."""
    if st.session_state.get(_KEY) != request.digest():
        return False
    st.info(say("Stopped. Change the question, or search again."))
    st.button(say("Search again"), on_click=_stop, args=("",))
    return True


def _stop(digest: str) -> None:
    st.session_state[_KEY] = digest
