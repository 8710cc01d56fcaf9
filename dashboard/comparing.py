"""The plans that are compared: each a question and the name of the option that counts, at most four.

The first of them is the baseline. One that is pinned is what the page Plan compares with, too, whatever is asked there.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from dashboard import figures, session
from dashboard.engine import answered
from dashboard.language import say
from dashboard.measures import Other
from dashboard.options import FIRST, option, valid
from dashboard.sections.comparison import Candidate
from dashboard.session import VIEW_KEYS
from facts.errors import Fault, RackwrightError
from planner.links import MAX_LINK_CHARACTERS, decode_link, encode_link
from planner.request import PlanRequest

MOST = 4
_KEY = "compared"
_FAULTS = "compared:faults"
_PINNED = "baseline"

Kept = tuple[PlanRequest, str]


def kept() -> list[Kept]:
    """Questions and names of options, in the order in which they were kept."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = []
        for link in st.session_state["compared_links"][:MOST]:
            try:
                add_link(link)
            except RackwrightError as error:
                keep_faults(error.faults)
    held: list[Kept] = st.session_state[_KEY]
    return held


def keep(request: PlanRequest, name: str) -> None:
    """Compare this plan too; the oldest but the baseline makes room for a fifth."""
    held = kept()
    if (request, name) in held:
        return
    if len(held) >= MOST:
        held.pop(1)
    held.append((request, name))


def remove(place: int) -> None:
    """Compare the plan at `place` no longer."""
    kept().pop(place)


def lead(place: int) -> None:
    """Make the plan at `place` the baseline."""
    held = kept()
    held.insert(0, held.pop(place))
    if st.session_state.get(_PINNED) is not None:
        st.session_state[_PINNED] = held[0]


def pin(request: PlanRequest, name: str) -> None:
    """Make this plan the baseline, here and on the page Plan."""
    keep(request, name)
    st.session_state[_PINNED] = (request, name)
    lead(kept().index((request, name)))


def unpin() -> None:
    """Compare with the next best option again."""
    st.session_state[_PINNED] = None


def pinned(asked: PlanRequest) -> Other | None:
    """The pinned baseline; a link that asks `asked` may have brought it. One that cannot be answered is named and dropped."""
    linked = session.linked("base")
    try:
        if linked:
            pin(*((asked, linked) if valid(linked) else read_link(linked)))
        held: Kept | None = st.session_state.get(_PINNED)
        if held is None:
            return None
        found = option(answered(held[0]), held[1])
    except RackwrightError as error:
        keep_faults(error.faults)
        found = None
    if found is None:
        unpin()
        return None
    return Other(say("the baseline"), found)


def baseline_link(asked: PlanRequest) -> list[str]:
    """The pinned baseline as a link that asks `asked` names it: by its name alone, where the question is the same."""
    held: Kept | None = st.session_state.get(_PINNED)
    if held is None:
        return []
    return [held[1]] if held[0] == asked else [_link(*held)]


def add_link(link: str) -> None:
    """Compare what `link` asks. Raises `RackwrightError` for a link that cannot be used."""
    keep(*read_link(link))


def read_link(link: str) -> Kept:
    """What `link` asks and shows; what is not used of it is kept as faults. Raises `RackwrightError` where it cannot be used."""
    if len(link) > MAX_LINK_CHARACTERS:
        raise RackwrightError(Fault("link_too_long", "link", value=str(len(link)), allowed=str(MAX_LINK_CHARACTERS)))
    query = dict(parse_qsl(urlsplit(link.strip()).query or link.strip(), keep_blank_values=True))
    decoded = decode_link({key: value for key, value in query.items() if key not in VIEW_KEYS})
    keep_faults(decoded.notices)
    name = query.get("show", FIRST)
    return decoded.request, name if valid(name) else FIRST


def links() -> list[str]:
    """One compact link a kept plan, for the address of the comparison."""
    return [_link(request, name) for request, name in kept()]


def _link(request: PlanRequest, name: str) -> str:
    return f"{encode_link(request)}&show={name}"


def candidates() -> list[Candidate]:
    """The answers of what is kept; a question that cannot be answered, or that nothing fits, is named and left out."""
    found: list[Candidate] = []
    for place, (request, name) in enumerate(kept()):
        try:
            plan = answered(request)
        except RackwrightError as error:
            keep_faults(error.faults)
            continue
        shown = option(plan, name)
        if shown is None:
            continue
        title = say("{number}: {option}", number=str(len(found) + 1), option=figures.configuration(shown))
        found.append(Candidate(title, place, plan, shown))
    return found


def faults() -> tuple[Fault, ...]:
    """What went wrong the last time something was added."""
    held: tuple[Fault, ...] = st.session_state.get(_FAULTS, ())
    return held


def keep_faults(found: tuple[Fault, ...]) -> None:
    """Show these with the comparison."""
    st.session_state[_FAULTS] = found
