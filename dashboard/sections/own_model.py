"""Bring a model as a file: configuration, list of layers, or the header of a weights file; a configuration also as text."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import streamlit as st

from dashboard.bringing import bring, said
from dashboard.language import say
from dashboard.tables import file_name
from model_db import ModelEntry
from model_db.config_import import import_config
from model_db.model_files import read_model
from planner.counting import parameters

MOST_MB = 16  # the header of a GGUF file holds the whole vocabulary
_UPLOADS = "own_model:uploads"  # how many files were used: the uploader begins anew, and lets go of the last one
KINDS = ["json", "yaml", "yml", "safetensors", "gguf"]


def own_model() -> None:
    """The section in the sidebar; what is wrong with a file is said under it."""
    box = st.expander(say("Bring your own model"), key="section:own_model", on_change="rerun")
    if not box.open:
        return
    with box:
        name = st.text_input(say("Name"), max_chars=60, key="own_model:name", placeholder=say("My model")).strip()
        file = st.file_uploader(
            say("Model file"),
            type=KINDS,
            max_upload_size=MOST_MB,
            key=f"own_model:file:{st.session_state.setdefault(_UPLOADS, 0)}",
            help=say(
                "config.json of a Hugging Face model, a list of layers (YAML), safetensors or GGUF. It is read here and goes nowhere."
            ),
        )
        st.caption(say("Of weights larger than {size} MB the first {size} MB will do, or run this where they are:", size=str(MOST_MB)))
        st.code("rackwright model show FILE", language=None)
        text = st.text_area(
            say("Or the text of config.json"),
            max_chars=200_000,
            height=120,
            key="own_model:text",
            placeholder='{"model_type": "llama", …}',
        )
        given = (file.name, file.getvalue()) if file is not None else ("config.json", text.encode())
        st.button(say("Use this model"), disabled=not given[1].strip(), on_click=_use, args=(*given, name))
        said("own_model")


def _use(title: str, content: bytes, name: str) -> None:
    bring("own_model", lambda: model_of(title, content, name))
    st.session_state[_UPLOADS] += 1


def model_of(title: str, content: bytes, name: str = "") -> ModelEntry:
    """The model in an uploaded file called `title`, of weights maybe just the beginning; `name` is the asker's.

    Raises `RackwrightError` for a faulty one.
    """
    stem, suffix = Path(title).stem, Path(title).suffix.lower()
    if suffix == ".json":
        return import_config(content, name or say("My model"))
    with tempfile.TemporaryDirectory(prefix="rackwright-") as folder:
        path = Path(folder) / file_name((stem or "model",), suffix)
        path.write_bytes(content)
        entry = read_model(path, lambda architecture: parameters(architecture).total, cut=True)
    return replace(entry, name=name) if name else entry
