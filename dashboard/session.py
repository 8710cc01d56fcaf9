"""What one browser session holds: the draft of the question, the shown option, the notices of the link it came by.

Widgets are views of the draft: they are seeded from it whenever they appear and write to it when they change. So values
survive a page switch and a closed section, and a link, a preset or "apply" replaces the question in one place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import streamlit as st

from dashboard.draft import Draft, draft_of, example_draft
from dashboard.language import set_language
from dashboard.options import FIRST, valid
from facts.errors import Fault, RackwrightError
from planner.links import Snapshot, decode_link
from planner.request import PlanRequest

FIELD_KEY = "field:"
CHOICE_KEYS = ("group", "table", "chapter", "find", "vendor", "x", "y", "every", "view")  # how charts and other pages are seen
VIEW_KEYS = ("lang", "show", "tab", "with", "have", "base", *CHOICE_KEYS)  # of a link: how the page is seen, not what is asked


def start(query: Mapping[str, str], compared: Sequence[str] = ()) -> None:
    """Read the link once; what cannot be used of it is kept as notices and the example stands in.

    `compared` are the links of plans that the page Compare shows; it reads them when it is opened.
    """
    if "draft" in st.session_state:
        return
    st.session_state["draft"] = example_draft()
    st.session_state["notices"] = ()
    st.session_state["snapshot"] = None
    st.session_state["compared_links"] = tuple(compared)
    st.session_state["owned_link"] = query.get("have", "")
    st.session_state["linked_tab"] = query.get("tab", "")
    st.session_state["linked_choices"] = {name: query.get(name, "") for name in ("base", *CHOICE_KEYS)}
    show_option(query.get("show", FIRST))
    set_language(query.get("lang", ""))
    asked = {key: value for key, value in query.items() if key not in VIEW_KEYS}
    if not asked:
        return
    try:
        link = decode_link(asked)
    except RackwrightError as error:
        st.session_state["notices"] = error.faults
        return
    st.session_state["draft"] = draft_of(link.request, draft())
    st.session_state["notices"] = link.notices
    st.session_state["snapshot"] = link.snapshot


def restart() -> None:
    """Drop the question and what came with its link; the example stands again."""
    st.session_state["notices"] = ()
    st.session_state["snapshot"] = None
    change(example_draft())


def draft() -> Draft:
    """The question as it stands."""
    held: Draft = st.session_state["draft"]
    return held


def notices() -> tuple[Fault, ...]:
    """What was not used of the link that opened this session."""
    held: tuple[Fault, ...] = st.session_state["notices"]
    return held


def snapshot() -> Snapshot | None:
    """What the maker of the link saw."""
    held: Snapshot | None = st.session_state["snapshot"]
    return held


def ask(request: PlanRequest) -> None:
    """Replace the question (from a callback, before any widget is drawn)."""
    change(draft_of(request, draft()))


def change(changes: Mapping[str, object]) -> None:
    """Set fields of the draft and make their widgets show it."""
    draft().update(changes)  # type: ignore[arg-type]
    for key in [key for key in st.session_state if str(key).startswith(FIELD_KEY)]:
        del st.session_state[key]
    show_option(FIRST)


def shown() -> str:
    """Name of the option that the page shows."""
    name: str = st.session_state["shown"]
    return name


def seed_choice(name: str, key: str, options: Collection[str]) -> None:
    """Give the widget `key` what the link says under `name`, once, if it is one of `options`."""
    if st.session_state["linked_choices"].get(name, "") in options:
        st.session_state[key] = linked(name)


def linked(name: str) -> str:
    """What the link says under `name`, given once."""
    text: str = st.session_state["linked_choices"].pop(name, "")
    return text


def linked_tab() -> str:
    """The tab of details that the link opens; nothing else may be believed of it."""
    tab: str = st.session_state["linked_tab"]
    return tab


def show_option(name: str) -> None:
    """Show the option called so from now on; the first where no option could have that name."""
    st.session_state["shown"] = name if valid(name) else FIRST
