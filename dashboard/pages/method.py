"""The page Method: every equation that the planner uses, with its source, as the documents state it."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

from dashboard import session
from dashboard.address import keep_address
from dashboard.draft import request_of
from dashboard.language import say

_PLACES = (Path(__file__).parents[1] / "method", Path(__file__).parents[2] / "docs" / "method")  # of a wheel, of a checkout
_FIRST_HEADING = re.compile(r"\A# (.+)\n")
_OTHER_DOCUMENT = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)]*\)")


def page() -> None:
    """Choose a chapter at the left, read it at the right."""
    folder = next((place for place in _PLACES if place.is_dir()), None)
    chapters = {path.stem: path for path in sorted(folder.glob("*.md"))} if folder else {}
    if not chapters:
        st.title(say("Method"), anchor=False)
        st.info(say("The documents of the method are not part of this installation; they stand in the repository under docs/method."))
        return
    names = {stem: _title(path.read_text(encoding="utf-8")) for stem, path in chapters.items()}
    order = sorted(names, key=lambda stem: (stem != "README", names[stem]))
    with st.sidebar:
        st.header(say("Method"), anchor=False)
        session.seed_choice("chapter", "method:chapter", order)
        chosen = st.radio(say("Chapter"), order, format_func=lambda stem: names[stem], key="method:chapter", persist_state="session")
    st.title(names[chosen], anchor=False)
    keep_address(request_of(session.draft()), None, {"chapter": [chosen]})
    st.markdown(_body(chapters[chosen].read_text(encoding="utf-8")))


def _title(text: str) -> str:
    found = _FIRST_HEADING.match(text)
    return found[1] if found else say("Method")


def _body(text: str) -> str:
    """The chapter without its title, headings one level under the page's, links to other documents as their words alone."""
    body = _FIRST_HEADING.sub("", text)
    if "\n## " not in body:
        body = body.replace("\n### ", "\n## ")
    return _OTHER_DOCUMENT.sub(r"\1", body)


page()
