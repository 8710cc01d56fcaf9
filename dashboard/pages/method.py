"""The page Method: every equation that the planner uses, with its source, as the documents state it."""

from __future__ import annotations

import re

import streamlit as st

from dashboard import session
from dashboard.address import keep_address
from dashboard.draft import request_of
from dashboard.language import say
from dashboard.method_documents import chapters

_FIRST_HEADING = re.compile(r"\A# (.+)\n")
_OTHER_DOCUMENT = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)]*\)")


def page() -> None:
    """Choose a chapter at the left, read it at the right."""
    known = chapters()
    if not known:
        st.title(say("Method"), anchor=False)
        st.info(say("The documents of the method are not part of this installation; they stand in the repository under docs/method."))
        return
    names = {stem: _title(text) for stem, text in known.items()}
    order = sorted(names, key=lambda stem: (stem != "README", names[stem]))
    with st.sidebar:
        st.header(say("Method"), anchor=False)
        session.seed_choice("chapter", "method:chapter", order)
        chosen = st.radio(say("Chapter"), order, format_func=lambda stem: names[stem], key="method:chapter", persist_state="session")
    st.title(names[chosen], anchor=False)
    keep_address(request_of(session.draft()), None, {"chapter": [chosen]})
    st.markdown(_body(known[chosen]))


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
