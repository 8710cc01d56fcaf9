"""The question, at the left: a few inputs in sight, every assumption one opened section away."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import streamlit as st

from dashboard import overlay, session
from dashboard.controls import field_control
from dashboard.draft import asked
from dashboard.engine import library
from dashboard.fields import FIELDS, Choice, FormField, Group
from dashboard.language import language, say
from dashboard.models import plannable
from dashboard.options import FIRST
from dashboard.wording import plain
from facts.errors import Fault
from texts.sentences import sentence

OWN_MODEL = "own"


def question(faults: Mapping[str, Fault]) -> None:
    """Draw all inputs in the sidebar; those that `faults` (by field path) name are marked with what is wrong."""
    marks = {path: sentence(fault, language()) for path, fault in faults.items()}
    with st.sidebar:
        st.header(say("Model"), anchor=False)
        model_choice(marks.get("model", ""))
        st.header(say("Workload"), anchor=False)
        main_inputs(marks)
        _section("workload", say("More about the workload"), marks)
        _section("limits", say("Limits"), marks)
        _section("site", say("Site"), marks)
        _section("room", say("Room and network"), marks)
        overlay.catalog_section()
        _section("advanced", say("Advanced"), marks)


def model_choice(fault: str = "", *, every_kind: bool = False) -> None:
    """The models that a plan can be made for, or `every_kind`; one that the asker brought stands first."""
    model = session.draft()["model"]
    names = {entry.id: entry.name for entry in library().models.values()} if every_kind else plannable()
    if isinstance(model, dict):
        names = {OWN_MODEL: str(model["name"]), **names}
        current = OWN_MODEL
    else:
        entry = library().models[model] if isinstance(model, str) and model in library().models else None
        current = entry.id if entry else str(model)
        names.setdefault(current, entry.name if entry else current)
    key = session.FIELD_KEY + "model"
    if st.session_state.get(key) not in names:
        st.session_state[key] = current
    st.selectbox(
        say("Model"),
        list(names),
        format_func=lambda id_: names.get(id_, id_),
        key=key,
        help=say("Decides weights, arithmetic and cache per token. Bring your own on the page Model."),
        on_change=_store_model,
        label_visibility="collapsed",
    )
    if fault:
        st.error(plain(fault))


def _store_model() -> None:
    chosen = st.session_state[session.FIELD_KEY + "model"]
    if chosen != OWN_MODEL:
        session.draft()["model"] = chosen
    session.show_option(FIRST)


def main_inputs(marks: Mapping[str, str] = MappingProxyType({})) -> None:
    """The task and the few inputs of the workload that stand open."""
    _task()
    for row in _fields("workload", main=True):
        field_control(row, fault=marks.get(row.path, ""))


def _task() -> None:
    key = session.FIELD_KEY + "workload.kind"
    names = {"serving": say("Serve"), "training": say("Train")}
    if key not in st.session_state:
        st.session_state[key] = session.draft()["workload.kind"]
    st.segmented_control(
        say("Task"), list(names), format_func=lambda kind: names[kind], key=key, required=True, on_change=_store_task, width="stretch"
    )


def _store_task() -> None:
    session.draft()["workload.kind"] = st.session_state[session.FIELD_KEY + "workload.kind"]
    session.show_option(FIRST)


def _section(group: Group, title: str, marks: Mapping[str, str]) -> None:
    """A closed section; its controls are built when it is opened or when one of them is at fault."""
    rows = _fields(group, main=False)
    wrong = any(row.path in marks for row in rows)
    box = st.expander(title, expanded=wrong, key=f"section:{group}", on_change="rerun")
    if box.open or wrong:
        with box:
            for row in rows:
                field_control(row, _catalog_choices(row.path), marks.get(row.path, ""))


def _fields(group: Group, *, main: bool) -> list[FormField]:
    kind = str(session.draft()["workload.kind"])
    return [row for row in FIELDS.values() if row.group == group and row.main == main and asked(row.path, kind)]


def _catalog_choices(path: str) -> dict[Choice, str] | None:
    """Choices that come from the catalog; None where the form's table has them."""
    accelerators = library().hardware.accelerators
    if path == "limits.accelerators":
        return {id_: entry.name for id_, entry in sorted(accelerators.items(), key=lambda item: item[1].name)}
    if path == "limits.vendors":
        return {vendor: vendor for vendor in sorted({entry.vendor for entry in accelerators.values()})}
    if path == "workload.draft_model":
        return dict(plannable().items())
    return None
