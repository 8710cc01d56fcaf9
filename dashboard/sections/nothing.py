"""Nothing fits: which limit fails, by how much, and the smallest change that would let something in, one press away."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.engine import library
from dashboard.fields import FIELDS
from dashboard.language import language, say
from dashboard.sections.search import search_account
from dashboard.wording import plain, word
from planner.answer import NearestMiss, Plan
from texts import numbers
from texts.words import LIMITS

BUTTONS = 3


def nothing_fits(plan: Plan) -> None:
    """The answer when no configuration keeps every limit."""
    misses = _distinct([miss for miss in plan.search.nearest if miss.change])
    if not misses:
        why = say("No single change of a limit would help; the list below says why each accelerator is out.")
        st.warning(f"**{say('Nothing fits.')}** {plain(why)}")
    else:
        st.warning(f"**{say('Nothing fits.')}** {plain(miss_text(misses[0]))}")
        with st.container(horizontal=True):
            for miss in misses[:BUTTONS]:
                st.button(
                    plain(_change_text(miss)),
                    key=f"apply:{sorted(miss.change.items())}",
                    on_click=session.change,
                    args=(miss.change,),
                )
    st.header(say("What was tried"), anchor=False)
    search_account(plan)


def accelerator_name(id_: str) -> str:
    """The name in this session's catalog."""
    known = library().hardware.accelerators
    return known[id_].name if id_ in known else id_


def miss_text(miss: NearestMiss) -> str:
    """Which limit the nearest configuration passes, and by how much."""
    return say(
        "The nearest is {accelerator}: it misses the limit on {limit} by {share}.",
        accelerator=accelerator_name(miss.accelerator_id),
        limit=word(LIMITS, miss.reason),
        share=numbers.percent(miss.over_by, language()),
    )


def _distinct(misses: list[NearestMiss]) -> list[NearestMiss]:
    """The first miss of each changed field."""
    return list({tuple(miss.change): miss for miss in reversed(misses)}.values())[::-1]


def _change_text(miss: NearestMiss) -> str:
    """What the button does: "Set time per output token to 120"."""
    changes = []
    for path, value in miss.change.items():
        row = FIELDS[path]
        shown = numbers.number(value / row.scale, language()) if isinstance(value, int | float) else str(value)
        changes.append(say("Set “{field}” to {value}", field=say(row.label), value=shown))
    return " · ".join(changes)
