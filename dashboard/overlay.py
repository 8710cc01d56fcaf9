"""The asker's own catalog entries and prices: a YAML file on top of the packaged catalog, for this session."""

from __future__ import annotations

import streamlit as st

from dashboard.engine import library, with_overlay
from dashboard.language import language, say
from dashboard.wording import plain
from facts.errors import RackwrightError
from texts.dates import date
from texts.sentences import sentence

_KEY = "overlay"
MOST_MB = 1


def catalog_section() -> None:
    """Upload a catalog file, say what is used, take it back."""
    box = st.expander(say("Catalog"), key="section:catalog", on_change="rerun")
    if not box.open:
        return
    with box:
        hardware = library().hardware
        st.caption(
            plain(
                say(
                    "Hardware catalog of {date}: {count} accelerators.",
                    date=date(hardware.release, language()),
                    count=str(len(hardware.accelerators)),
                )
            )
        )
        file = st.file_uploader(
            say("Own entries and prices (YAML)"),
            type=["yaml", "yml"],
            max_upload_size=MOST_MB,
            key="overlay:file",
            help=say(
                "Entries of the catalog's own form; they add to it or replace entries of the same id. The file stays in this session."
            ),
        )
        if file is not None:
            _use(file.getvalue())
        if st.session_state.get(_KEY):
            st.success(say("Your own entries are in use. Links do not carry them."))
            held: bytes = st.session_state[_KEY]
            st.download_button(
                say("Export my entries"), held, "my-catalog.yaml", "application/yaml", on_click="ignore", icon=":material/download:"
            )
            st.button(say("Use the packaged catalog"), on_click=_forget)


def _use(content: bytes) -> None:
    """Take `content` as the overlay when it holds; say what is wrong with it otherwise."""
    if content == st.session_state.get(_KEY) or content == st.session_state.get("overlay_forgotten"):
        return
    try:
        with_overlay(content)
    except RackwrightError as error:
        for fault in error.faults[:5]:
            st.error(plain(sentence(fault, language())))
        return
    st.session_state[_KEY] = content
    st.rerun()


def _forget() -> None:
    st.session_state["overlay_forgotten"] = st.session_state.pop(_KEY)
