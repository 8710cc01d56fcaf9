"""The plans that this session compares: each a question and the rank of the option that counts, at most four."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from dashboard import figures
from dashboard.engine import answered
from dashboard.language import say
from dashboard.sections.comparison import Candidate
from dashboard.session import VIEW_KEYS, rank_of
from facts.errors import Fault, RackwrightError
from planner.links import MAX_LINK_CHARACTERS, decode_link, encode_link
from planner.request import PlanRequest

MOST = 4
_KEY = "compared"
_FAULTS = "compared:faults"

Kept = tuple[PlanRequest, int]


def kept() -> list[Kept]:
    """Questions and ranks, in the order in which they were kept."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = []
        for link in st.session_state["compared_links"][:MOST]:
            try:
                add_link(link)
            except RackwrightError as error:
                keep_faults(error.faults)
    held: list[Kept] = st.session_state[_KEY]
    return held


def keep(request: PlanRequest, rank: int) -> None:
    """Compare this plan too; the oldest but the baseline makes room for a fifth."""
    held = kept()
    if (request, rank) in held:
        return
    if len(held) >= MOST:
        held.pop(1)
    held.append((request, rank))


def remove(number: int) -> None:
    """Compare the plan at `number` no longer."""
    if number < len(kept()):
        kept().pop(number)


def add_link(link: str) -> None:
    """Compare what `link` asks. Raises `RackwrightError` for a link that cannot be used."""
    if len(link) > MAX_LINK_CHARACTERS:
        raise RackwrightError(Fault("link_too_long", "link", value=str(len(link)), allowed=str(MAX_LINK_CHARACTERS)))
    query = dict(parse_qsl(urlsplit(link.strip()).query or link.strip(), keep_blank_values=True))
    decoded = decode_link({key: value for key, value in query.items() if key not in VIEW_KEYS})
    keep(decoded.request, rank_of(query.get("show", "")))
    keep_faults(decoded.notices)


def links() -> list[str]:
    """One compact link a kept plan, for the address of the comparison."""
    return [f"{encode_link(request)}&show={rank}" for request, rank in kept()]


def candidates() -> list[Candidate]:
    """The answers of what is kept; a question that cannot be answered, or that nothing fits, is named and left out."""
    found: list[Candidate] = []
    for request, rank in kept():
        try:
            plan = answered(request)
        except RackwrightError as error:
            keep_faults(error.faults)
            continue
        if not plan.recommendations:
            continue
        option = next((option for option in plan.recommendations if option.rank == rank), plan.recommendations[0])
        name = say("{number}: {option}", number=str(len(found) + 1), option=figures.configuration(option))
        found.append(Candidate(name, plan, option))
    return found


def faults() -> tuple[Fault, ...]:
    """What went wrong the last time something was added."""
    held: tuple[Fault, ...] = st.session_state.get(_FAULTS, ())
    return held


def keep_faults(found: tuple[Fault, ...]) -> None:
    """Show these with the comparison."""
    st.session_state[_FAULTS] = found
