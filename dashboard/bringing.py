"""A model that the asker brings becomes the one asked about; what is wrong with it is said where it was given."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import session
from dashboard.language import language
from dashboard.models import use_own
from dashboard.wording import plain
from facts.errors import RackwrightError
from model_db import ModelEntry
from texts.sentences import sentence

FAULTS_SHOWN = 5
NOTES_SHOWN = 3


def bring(place: str, read: Callable[[], ModelEntry]) -> None:
    """Ask about the model that `read` gives; its faults or notes are kept for the control `place` (from a callback)."""
    st.session_state[f"{place}:faults"], st.session_state[f"{place}:notes"] = [], []
    try:
        entry = read()
        use_own(entry, session.draft())
    except RackwrightError as error:
        st.session_state[f"{place}:faults"] = [sentence(fault, language()) for fault in error.faults[:FAULTS_SHOWN]]
        return
    st.session_state[f"{place}:notes"] = list(entry.notes[:NOTES_SHOWN])
    session.change({})


def said(place: str) -> None:
    """What became of the last model given at `place`."""
    for message in st.session_state.get(f"{place}:faults", ()):
        st.error(plain(message))
    for note in st.session_state.get(f"{place}:notes", ()):
        st.caption(plain(note))
