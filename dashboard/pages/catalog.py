"""The page Catalog: every part with its figures, prices and sources; the asker's own entries on top."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard import overlay, session
from dashboard.address import keep_address
from dashboard.charts.catalog import MEASURES, comparison_figure
from dashboard.charts.figure import show_figure
from dashboard.draft import request_of
from dashboard.engine import library
from dashboard.language import language, say
from dashboard.sections.catalog_table import entries_table, entry_table
from dashboard.tables import csv_button, file_name, show_table
from dashboard.wording import plain
from hardware_db.records import Accelerator, Fact
from texts.dates import date
from texts.translations import mark

GROUPS = {
    "accelerators": mark("Accelerators"),
    "servers": mark("Servers"),
    "device_memory": mark("Device memory"),
    "host_memory": mark("Host memory"),
    "memory_modules": mark("Memory modules"),
    "cxl": mark("CXL memory"),
    "storage": mark("Storage devices"),
    "storage_classes": mark("Storage classes"),
    "cloud_storage": mark("Cloud storage"),
    "filesystems": mark("File systems"),
    "stores": mark("Stores and databases"),
    "scale_up_links": mark("Scale-up links"),
    "fabrics": mark("Fabrics"),
    "nics": mark("Network cards"),
    "switches": mark("Switches"),
    "transceivers": mark("Transceivers"),
    "cables": mark("Cables"),
    "cpus": mark("Processors"),
    "facility": mark("Facility"),
    "facility_parts": mark("Facility parts"),
    "reliability": mark("Reliability"),
}

MOST_LETTERS = 60
AXES = (("x", "catalog:x", next(iter(MEASURES))), ("y", "catalog:y", list(MEASURES)[1]))  # in a link, of the widget, the usual one


def page() -> None:
    """Choose a group and filter at the left; table, comparison and one entry's sources at the right."""
    hardware = library().hardware
    with st.sidebar:
        st.header(say("Catalog"), anchor=False)
        session.seed_choice("group", "catalog:group", GROUPS)
        group = st.selectbox(
            say("Group"), list(GROUPS), format_func=lambda name: say(GROUPS[name]), key="catalog:group", persist_state="session"
        )
        entries: Mapping[str, Fact] = getattr(hardware, group)
        chosen = _filtered(entries)
        overlay.catalog_section()
    st.title(say("Hardware catalog"), anchor=False)
    st.markdown(
        plain(
            say(
                "{shown} of {all} entries of {group}. Release of {date}; every figure has a source.",
                shown=str(len(chosen)),
                all=str(len(entries)),
                group=say(GROUPS[group]).lower(),
                date=date(hardware.release, language()),
            )
        )
    )
    keep_address(request_of(session.draft()), None, {"group": [group], **_filters(), **_axes()})
    if not chosen:
        st.info(say("Nothing in this group matches. Clear the search or choose other vendors."))
        return
    table = entries_table(chosen)
    show_table(table, say("Entries of the catalog."), key="catalog:entries")
    csv_button(say("Export CSV"), table, file_name((group, hardware.release), ".csv"), "csv:catalog")
    _one_entry(chosen)
    accelerators = [entry for entry in chosen if isinstance(entry, Accelerator)]
    if accelerators:
        _comparison(accelerators)


def _filtered(entries: Mapping[str, Fact]) -> list[Fact]:
    vendors = sorted({entry.vendor for entry in entries.values() if isinstance(entry, Accelerator)})
    st.session_state.setdefault("catalog:search", session.linked("find")[:MOST_LETTERS])
    text = (
        st.text_input(say("Search"), max_chars=MOST_LETTERS, key="catalog:search", placeholder=say("Name or id"), persist_state="session")
        .casefold()
        .strip()
    )
    linked = session.linked("vendor").split(",") if vendors else []
    st.session_state.setdefault("catalog:vendors", [vendor for vendor in vendors if vendor in linked])
    wanted = (
        st.multiselect(say("Vendors"), vendors, key="catalog:vendors", placeholder=say("All vendors"), persist_state="session")
        if vendors
        else []
    )
    return [
        entry
        for entry in entries.values()
        if (not text or text in entry.name.casefold() or text in entry.id.casefold())
        and (not wanted or (isinstance(entry, Accelerator) and entry.vendor in wanted))
    ]


def _filters() -> dict[str, list[str]]:
    """The search and the vendors as a link names them."""
    text, vendors = st.session_state["catalog:search"].strip(), st.session_state["catalog:vendors"]
    return {"find": [text] if text else [], "vendor": [",".join(vendors)] if vendors else []}


def _axes() -> dict[str, list[str]]:
    """The axes of the comparison as a link names them; none for the usual ones."""
    for name, key, usual in AXES:
        session.seed_choice(name, key, MEASURES)
        st.session_state.setdefault(key, usual)
    return {name: [st.session_state[key]] for name, key, usual in AXES if st.session_state[key] != usual}


def _one_entry(entries: list[Fact]) -> None:
    st.header(say("One entry and its sources"), anchor=False)
    names = {entry.id: entry.name for entry in entries}
    chosen = st.selectbox(say("Entry"), list(names), format_func=lambda id_: names[id_], key="catalog:entry")
    entry = next(entry for entry in entries if entry.id == chosen)
    if entry.notes:
        st.caption(plain(entry.notes))
    show_table(entry_table(entry, library().hardware.release), say("Values of the entry with their sources."))


def _comparison(accelerators: list[Accelerator]) -> None:
    st.header(say("Accelerators against each other"), anchor=False)
    with st.container(horizontal=True):
        across, up = (
            st.selectbox(label, list(MEASURES), format_func=lambda name: say(MEASURES[name].title), key=key, persist_state="session")
            for label, (_, key, _) in zip((say("Across"), say("Up")), AXES, strict=True)
        )
    show_figure(comparison_figure(accelerators, across, up), "accelerators.csv")


page()
