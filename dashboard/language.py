"""The language of this browser session, and messages in it; what is written outside of a session says its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import streamlit as st

from dashboard.built_in_words import translate_built_in_words
from texts.translations import LANGUAGE_NAMES, LANGUAGES, Language, tr, trn

_KEY = "language"
_SPOKEN: ContextVar[Language | None] = ContextVar("spoken", default=None)


@contextmanager
def speaking(tongue: Language) -> Iterator[None]:
    """Messages inside are in `tongue`, whatever the session, if there is one, has chosen."""
    before = _SPOKEN.set(tongue)
    try:
        yield
    finally:
        _SPOKEN.reset(before)


def language() -> Language:
    """The session's language: chosen, or that of the browser where we have it, else English."""
    if (spoken := _SPOKEN.get()) is not None:
        return spoken
    chosen: Language | None = st.session_state.get(_KEY)
    if chosen is not None:
        return chosen
    own: Language = next((known for known in LANGUAGES if (st.context.locale or "").lower().startswith(known)), "en")
    set_language(own)
    return own


def set_language(chosen: str) -> None:
    """Use `chosen` from now on; an unknown language is left aside."""
    if chosen in LANGUAGES:
        st.session_state[_KEY] = chosen


def language_choice() -> None:
    """The control that changes it, on every page, which the browser is told too."""
    st.session_state["language_choice"] = language()
    st.segmented_control(
        say("Language"),
        LANGUAGES,
        format_func=lambda known: LANGUAGE_NAMES[known],
        key="language_choice",
        required=True,
        on_change=lambda: set_language(st.session_state["language_choice"]),
    )
    translate_built_in_words(language())


def say(message: str, /, **fields: str) -> str:
    """`message` in the session's language with `fields`, formatted already, put in."""
    return tr(message, language(), **fields)


def say_count(singular: str, plural: str, number: int, /, **fields: str) -> str:
    """The one of two messages that goes with `number`, in the session's language."""
    return trn(singular, plural, number, language(), **fields)
