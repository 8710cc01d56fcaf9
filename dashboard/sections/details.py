"""What stands behind the answer, one tab each; only the open one is built."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import figures, session
from dashboard.charts.figure import show_figure
from dashboard.charts.memory import memory_figure, memory_finding
from dashboard.language import language, say
from dashboard.sections.alternatives import alternatives
from dashboard.sections.assumptions import assumption_list
from dashboard.sections.launch import launch_settings
from dashboard.sections.possible import possible
from dashboard.sections.room import room
from dashboard.sections.search import search_account
from dashboard.sections.sureness import sureness
from dashboard.tables import file_name, show_table, table_of
from dashboard.wording import plain
from planner.answer import Plan, Recommendation
from planner.request import Serving
from planner.tables import BILL_COLUMNS
from texts import numbers
from texts.dates import is_older
from texts.translations import mark


def details(plan: Plan, shown: Recommendation) -> None:
    """Alternatives, frontier, memory, bill, room, launch settings, assumptions, sources and the account of the search."""
    labels = {name: say(label) for name, (label, _) in TABS.items()}
    linked = session.linked_tab()
    st.header(say("Details"), anchor=False)
    boxes = st.tabs(list(labels.values()), default=labels.get(linked), key=_KEY, on_change="rerun")
    for box, (_, build) in zip(boxes, TABS.values(), strict=True):
        if box.open:
            with box:
                build(plan, shown)


def open_tab() -> list[str]:
    """The open tab as a link names it; none for the first."""
    shown = st.session_state.get(_KEY)
    name = next((name for name, (label, _) in TABS.items() if say(label) == shown), session.linked_tab())
    return [name] if name in TABS and name != next(iter(TABS)) else []


def _memory(plan: Plan, shown: Recommendation) -> None:
    show_figure(memory_figure(shown), file_name((plan.model_name, "memory"), ".csv"))
    if (text := _past_prompts(plan, shown)) is not None:
        st.caption(plain(text))
    if shown.prefill:
        st.caption(plain(say("Replicas that prefill. {finding}.", finding=memory_finding(shown.prefill.memory))))


def _past_prompts(plan: Plan, shown: Recommendation) -> str | None:
    """What of past prompts is kept outside of device memory, where that was asked for."""
    work, kept = plan.request.workload, shown.prompt_cache
    if not isinstance(work, Serving) or work.kv_offload == "none":
        return None
    if kept is None:
        return say("Past prompts are computed again: none are reused, or loading them would take longer.")
    size, load = numbers.memory(kept.server_bytes, language()), numbers.duration(kept.load_s, language())
    if kept.tier == "host":
        return say(
            "Past prompts take {size} of each server's memory; loading one takes {load} of the time to the first token.",
            size=size,
            load=load,
        )
    return say(
        "Past prompts take {size} of each server's flash; loading one takes {load} of the time to the first token.", size=size, load=load
    )


def _bill(plan: Plan, shown: Recommendation) -> None:
    total = numbers.money(shown.cost.capital_usd, language())
    if shown.cost.acquisition == "rent":
        st.markdown(plain(say("This option is rented: the bill lists what is used, not what is bought.")))
    elif shown.cost.at_least:
        st.markdown(plain(say("Purchase price: at least {total}; parts without a price need a quote.", total=total)))
    else:
        st.markdown(plain(say("Purchase price: {total}.", total=total)))
    stale = [line.catalog_id for line in shown.bill if is_older(line.price_date, figures.STALE_DAYS, plan.catalog_release)]
    if stale:
        st.warning(plain(say("Prices over {days} days old: {parts}.", days=str(figures.STALE_DAYS), parts=", ".join(stale))))
    show_table(table_of(BILL_COLUMNS, shown.bill), say("Bill of materials of the shown option."))


def _sources(plan: Plan) -> None:
    for entry, sources in plan.sources.items():
        st.markdown(f"**{plain(entry)}**\n" + "\n".join(f"- {_linked(source)}" for source in sources))


def _linked(source: str) -> str:
    """A source as a link where it is an address alone."""
    address = source if source.startswith(("https://", "http://")) else f"https://{source}"
    host = address.split("/")[2]
    spaced = any(letter.isspace() or letter in "()<>[]" for letter in source)
    return plain(source) if spaced or "." not in host else f"[{plain(source)}]({address})"


TABS: dict[str, tuple[str, Callable[[Plan, Recommendation], None]]] = {
    "alternatives": (mark("Alternatives"), alternatives),
    "frontier": (mark("Frontier"), possible),
    "sensitivity": (mark("Sensitivity"), sureness),
    "memory": (mark("Memory"), _memory),
    "bill": (mark("Bill of materials"), _bill),
    "room": (mark("Network and racks"), room),
    "launch": (mark("Launch settings"), launch_settings),
    "assumptions": (mark("Assumptions"), lambda plan, shown: assumption_list(plan)),
    "sources": (mark("Sources"), lambda plan, shown: _sources(plan)),
    "search": (mark("Search"), lambda plan, shown: search_account(plan)),
}
_KEY = "details"
