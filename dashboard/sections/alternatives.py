"""The other options: a table in which the chosen row becomes the shown plan."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard import comparing, figures, session
from dashboard.language import language, say
from dashboard.measures import COST, Other, difference
from dashboard.wording import REASONS, plain, resource_name, word
from planner.answer import Plan, Recommendation
from texts import numbers


def alternatives(plan: Plan, shown: Recommendation) -> None:
    """Pick an option by name, or by its row."""
    options = plan.recommendations
    labels = {_name(option, shown): figures.option_label(option) for option in options}
    key = "shown_option"
    st.session_state[key] = _name(shown, shown)
    st.selectbox(
        say("Shown option"),
        list(labels),
        format_func=lambda name: labels[name],
        key=key,
        on_change=lambda: session.show_option(st.session_state[key]),
        help=say("The whole page then shows this option; the link names it."),
    )
    table = f"options:{plan.request.digest()}:{shown.rank}"
    frame = _frame(options, shown, comparing.pinned(plan.request))
    names = list(labels)  # Streamlit keeps what the callback holds as long as the session
    st.dataframe(
        frame,
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="localized") for name in frame.select_dtypes("number").columns},
        key=table,
        on_select=lambda: _choose(table, names),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [options.index(shown)]}},
        placeholder="–",
        alt=say("Options, the best first; the row that is chosen is shown on the page."),
    )
    st.caption(plain(say("Best option of each accelerator and number format, the best of all first. Select a row to show that option.")))


def _name(option: Recommendation, shown: Recommendation) -> str:
    """What a link calls `option`; the shown one may have been picked from a frontier."""
    return session.shown() if option == shown and not session.shown().isdecimal() else str(option.rank)


def _choose(table: str, names: Sequence[str]) -> None:
    rows = st.session_state[table]["selection"]["rows"]
    if rows:
        session.show_option(names[rows[0]])


def _frame(options: Sequence[Recommendation], shown: Recommendation, pinned: Other | None) -> pd.DataFrame:
    tongue = language()
    training = shown.performance.run_s is not None
    other = pinned or Other(say("shown"), shown)
    heading = say("Against the baseline") if pinned else say("Against option {rank}", rank=str(shown.rank))
    return pd.DataFrame(
        {
            say("Option"): [figures.option_label(option) for option in options],
            say("Cost over the period (USD)"): [round(option.cost.total_usd) for option in options],
            heading: [_difference(option, other) for option in options],
            say("Run time (days)") if training else say("Time per output token (ms)"): [
                round((option.performance.run_s or 0) / 86_400, 1) if training else round((option.performance.tpot_s or 0) * 1e3, 1)
                for option in options
            ],
            say("Throughput (tokens/s)"): [round(option.performance.tokens_per_s) for option in options],
            say("Facility power"): [figures.power(option) for option in options],
            say("Format"): [option.strategy.precision.upper() for option in options],
            say("Parallelism"): [figures.parallelism(option) for option in options],
            say("Bought or rented"): [say("rented") if option.cost.acquisition == "rent" else say("bought") for option in options],
            say("Limited by"): [resource_name(option.bottleneck.resource) for option in options],
            say("Memory used"): [numbers.percent(option.memory.used_bytes / option.memory.capacity_bytes, tongue) for option in options],
            say("Why not first"): [word(REASONS, option.why_not_first) if option.why_not_first else "–" for option in options],
        }
    )


def _difference(option: Recommendation, other: Other) -> str:
    return other.name if option == other.option else difference(option.cost.total_usd, other.option.cost.total_usd, COST)
