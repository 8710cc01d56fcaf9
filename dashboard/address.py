"""The link of what is asked, kept in the address bar without adding a step to the browser's history.

Streamlit's own writing to the query pushes a history entry on every change, which traps Back. This component replaces
the current entry instead, and copies the full address on a press of its button.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import streamlit as st

from dashboard import session
from dashboard.language import language, say
from dashboard.options import FIRST
from facts.errors import RackwrightError
from planner.answer import Plan
from planner.links import encode_link
from planner.request import PlanRequest

_HTML = '<button type="button"></button><span role="status"></span>'
_CSS = """
:host { display: block; }
button {
  font: inherit; font-size: 0.875rem; min-height: 40px; padding: 4px 12px; cursor: pointer; color: var(--st-text-color);
  background: var(--st-background-color); border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
}
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
span { margin-left: 8px; color: var(--st-text-color); }
@media print { :host { display: none; } }
"""
_SCRIPT = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  const status = parentElement.querySelector("span");
  const address = () => location.pathname + data.query + location.hash;
  if (location.search !== data.query) history.replaceState(history.state, "", address());
  button.textContent = data.copy;
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(location.origin + address());
      status.textContent = data.copied;
    } catch {
      status.textContent = data.refused;
    }
    setTimeout(() => { status.textContent = ""; }, 4000);
  };
}
"""
_COMPONENT = st.components.v2.component("rackwright.address", html=_HTML, css=_CSS, js=_SCRIPT)


def keep_address(request: PlanRequest, plan: Plan | None, more: Mapping[str, Sequence[str]] | None = None) -> None:
    """Put the link of `request`, with what a page adds to it, in the address bar and draw the button that copies it."""
    try:
        query = encode_link(request, plan=plan)
    except RackwrightError:
        st.caption(say("This question is too long for a link; export it as YAML instead."))
        return
    view = {"lang": language() if language() != "en" else "", "show": session.shown() if session.shown() != FIRST else ""}
    seen = urlencode({key: value for key, value in view.items() if value} | dict(more or {}), doseq=True)
    data = {
        "query": "?" + "&".join(filter(None, (query, seen))),
        "copy": say("Copy link"),
        "copied": say("Link copied"),
        "refused": say("The browser refused; copy the address bar instead."),
    }
    _COMPONENT(data=data, key="address", height="content", width="content")
