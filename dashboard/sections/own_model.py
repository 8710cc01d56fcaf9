"""Bring a model: the `config.json` that every Hugging Face repository has, as a file or as text."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.language import language, say
from dashboard.models import use_own
from dashboard.wording import plain
from facts.errors import RackwrightError
from model_db.config_import import import_config
from texts.sentences import sentence

MOST_MB = 1
FAULTS_SHOWN = 5


def own_model() -> None:
    """The section in the sidebar; what is wrong with a file is said under it."""
    box = st.expander(say("Bring your own model"), key="section:own_model", on_change="rerun")
    if not box.open:
        return
    with box:
        name = st.text_input(say("Name"), max_chars=60, key="own_model:name", placeholder=say("My model"))
        file = st.file_uploader(
            say("config.json"),
            type=["json"],
            max_upload_size=MOST_MB,
            key="own_model:file",
            help=say("The configuration file of a Hugging Face model. It is read here and goes nowhere else."),
        )
        text = st.text_area(
            say("Or its text"), max_chars=200_000, height=120, key="own_model:text", placeholder='{"model_type": "llama", …}'
        )
        content = file.getvalue() if file is not None else text.encode()
        st.button(say("Use this model"), disabled=not content.strip(), on_click=_use, args=(content, name.strip()))
        for message in st.session_state.get("own_model:faults", ()):
            st.error(plain(message))


def _use(content: bytes, name: str) -> None:
    try:
        entry = import_config(content, name or say("My model"))
    except RackwrightError as error:
        st.session_state["own_model:faults"] = [sentence(fault, language()) for fault in error.faults[:FAULTS_SHOWN]]
        return
    st.session_state["own_model:faults"] = []
    draft = session.draft()
    use_own(entry, draft)
    session.change({})
