"""What limits the shown plan, what it costs and where its power goes: three charts."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import session
from dashboard.charts.bottleneck import bottleneck_figure
from dashboard.charts.cost import cost_figure
from dashboard.charts.figure import show_figure
from dashboard.charts.memory import memory_finding, memory_parts
from dashboard.charts.power import power_figure
from dashboard.charts.roofline import roofline_figure
from dashboard.language import language, say
from dashboard.tables import file_name
from dashboard.wording import MEMORY_PARTS, plain, word
from planner.answer import Plan, Recommendation
from texts import numbers
from texts.translations import mark

OPTIONS_DRAWN = 4
VIEWS = {"time": mark("Time of a step"), "roofline": mark("Roofline")}
_VIEW = "limits:view"


def why(plan: Plan, shown: Recommendation) -> None:
    """Bottleneck, cost and power, with the leading options beside the shown one."""
    st.header(say("Why, and at what cost"), anchor=False)
    options = compared(plan.recommendations, shown)
    with st.grid(columns=2, min_column_width=330, gap="medium"):
        with st.container():
            _limits(plan, shown)
        for figure in (cost_figure(options, shown, plan.catalog_release), power_figure(options, shown, plan.request.limits.power_w)):
            with st.container():
                show_figure(figure, file_name((plan.model_name, figure.key), ".csv"))
        with st.container():
            _memory(shown)


def limits_view() -> list[str]:
    """The view of the limits as a link names it; none for the first."""
    session.seed_choice("view", _VIEW, VIEWS)
    chosen = st.session_state.get(_VIEW)
    return [chosen] if chosen in VIEWS and chosen != next(iter(VIEWS)) else []


def _limits(plan: Plan, shown: Recommendation) -> None:
    """The time of a step by resource, or the roofs of the accelerator, as the asker chooses."""
    figure = None
    if shown.roofline is not None:
        st.session_state.setdefault(_VIEW, next(iter(VIEWS)))
        chosen = st.segmented_control(
            say("What limits it"),
            list(VIEWS),
            format_func=lambda view: say(VIEWS[view]),
            key=_VIEW,
            required=True,
        )
        figure = roofline_figure(shown) if chosen == "roofline" else None
    figure = figure or bottleneck_figure(shown)
    show_figure(figure, file_name((plan.model_name, figure.key), ".csv"))


def _memory(shown: Recommendation) -> None:
    """What is on the fullest device, in words; the tab Memory draws it."""
    use = shown.memory
    st.subheader(plain(memory_finding(use)), anchor=False)
    parts = [f"{word(MEMORY_PARTS, code)}: {numbers.memory(size, language())}" for code, size in memory_parts(use)]
    st.markdown("\n".join(f"- {plain(part)}" for part in parts))


def compared(options: Sequence[Recommendation], shown: Recommendation) -> list[Recommendation]:
    """The shown option first, then the best others."""
    return [shown, *(option for option in options if option.rank != shown.rank)][:OPTIONS_DRAWN]
