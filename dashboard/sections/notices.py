"""What was not used of the link that opened this session."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.language import language
from dashboard.wording import plain
from texts.sentences import sentence


def link_notices() -> None:
    """One line a fault."""
    for fault in session.notices():
        st.warning(plain(sentence(fault, language())))
