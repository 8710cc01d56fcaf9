"""How the headline figures come about: each formula with its numbers, and where the method has it."""

from __future__ import annotations

import streamlit as st

from dashboard.engine import library
from dashboard.formulas import Formula, formulas
from dashboard.language import say
from dashboard.method_documents import address_of
from dashboard.wording import plain
from planner.answer import Plan, Recommendation


def derivation(plan: Plan, shown: Recommendation) -> None:
    """A closed section; nothing is made before it is opened."""
    box = st.expander(say("How these figures come about"), key="section:derivation", on_change="rerun")
    if box.open:
        with box:
            st.markdown("\n".join(map(_line, formulas(plan, shown, library().models))))


def _line(formula: Formula) -> str:
    link = f"[{say('Method {equation}', equation=formula.equation)}]({address_of(formula.equation)})"
    return f"- **{plain(formula.name)}** = {plain(formula.written())} · {link}"
