"""What nobody foresaw: a short reference for the user and a way on; the log has the rest."""

from __future__ import annotations

import logging
import uuid

import streamlit as st

from dashboard import session
from dashboard.language import say

logger = logging.getLogger(__name__)


def show_failure() -> None:
    """Called while an exception is handled."""
    reference = uuid.uuid4().hex[:8]
    logger.exception("reference %s", reference)
    st.title(say("Something went wrong"), anchor=False)
    st.error(say("The log has it under reference {reference}. Change the question, or start again.", reference=reference))
    st.button(say("Start again from the example"), key="failure:restart", on_click=session.restart)
