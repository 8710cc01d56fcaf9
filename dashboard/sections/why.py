"""What limits the shown plan, what it costs and where its power goes: three charts."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.charts.bottleneck import bottleneck_figure
from dashboard.charts.cost import cost_figure
from dashboard.charts.figure import show_figure
from dashboard.charts.memory import memory_finding, memory_parts
from dashboard.charts.power import power_figure
from dashboard.language import language, say
from dashboard.tables import file_name
from dashboard.wording import MEMORY_PARTS, plain, word
from planner.answer import Plan, Recommendation
from texts import numbers

OPTIONS_DRAWN = 4


def why(plan: Plan, shown: Recommendation) -> None:
    """Bottleneck, cost and power, with the leading options beside the shown one."""
    st.header(say("Why, and at what cost"), anchor=False)
    options = compared(plan.recommendations, shown)
    drawn = (
        bottleneck_figure(shown),
        cost_figure(options, shown),
        power_figure(options, shown, plan.request.limits.power_w),
    )
    with st.grid(columns=2, min_column_width=330, gap="medium"):
        for figure in drawn:
            with st.container():
                show_figure(figure, file_name((plan.model_name, figure.key), ".csv"))
        with st.container():
            _memory(shown)


def _memory(shown: Recommendation) -> None:
    """What is on the fullest device, in words; the tab Memory draws it."""
    use = shown.memory
    st.subheader(plain(memory_finding(use)), anchor=False)
    parts = [f"{word(MEMORY_PARTS, code)}: {numbers.memory(size, language())}" for code, size in memory_parts(use)]
    st.markdown("\n".join(f"- {plain(part)}" for part in parts))


def compared(options: Sequence[Recommendation], shown: Recommendation) -> list[Recommendation]:
    """The shown option first, then the best others."""
    return [shown, *(option for option in options if option.rank != shown.rank)][:OPTIONS_DRAWN]
