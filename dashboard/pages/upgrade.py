"""The page Upgrade: what a cluster that one owns can do, what limits it, and what another one would bring."""

from __future__ import annotations

import streamlit as st

from dashboard import figures, owned, session
from dashboard.address import keep_address
from dashboard.changes import Change, best_change, changes, changes_table
from dashboard.charts.bottleneck import bottleneck_figure
from dashboard.charts.figure import show_figure
from dashboard.draft import request_of
from dashboard.engine import answered
from dashboard.language import language, say
from dashboard.question import main_inputs, model_choice
from dashboard.sections.nothing import miss_text
from dashboard.sections.runs import runs_section
from dashboard.tables import csv_button, show_table
from dashboard.waiting import SearchProgress, is_stopped
from dashboard.wording import plain, resource_name, word
from facts.errors import RackwrightError
from planner.answer import Plan, Recommendation
from texts import numbers
from texts.sentences import sentence
from texts.words import LIMITS


def page() -> None:
    """What one has and what it is for at the left; what it does and what would change it at the right."""
    with st.sidebar:
        st.header(say("What I have"), anchor=False)
        cluster = owned.cluster_inputs()
        st.header(say("Model"), anchor=False)
        model_choice()
        st.header(say("Workload"), anchor=False)
        main_inputs()
    st.title(
        say("Upgrade: {count} × {accelerator}", count=numbers.whole(cluster.devices, language()), accelerator=plain(cluster.name)),
        anchor=False,
    )
    try:
        asked = request_of(session.draft())
        plan = answered(owned.request_for(asked, cluster))
        shown = plan.recommendations[0] if plan.recommendations else None
        if is_stopped(asked):
            return
        progress = SearchProgress(asked)
        found = changes(asked, cluster, shown, progress)
        progress.done()
    except RackwrightError as error:
        for fault in error.faults:
            st.error(plain(sentence(fault, language())))
        return
    st.markdown(plain(_sentence(plan)))
    keep_address(asked, None, {"have": [cluster.text]})
    if shown:
        _figures(shown)
        show_figure(bottleneck_figure(shown), "bottleneck.csv")
    _changes(found, training=asked.workload.kind == "training")
    st.header(say("What else it can do"), anchor=False)
    runs_section(cluster)


def _changes(found: tuple[Change, ...], *, training: bool) -> None:
    st.header(say("What a change would bring"), anchor=False)
    if (best := best_change(found)) and best.gain is not None and best.price_usd is not None:
        text = say(
            "Most for its money: {change}, {gain} for {money}.",
            change=best.name,
            gain=numbers.percent(best.gain, language(), signed=True),
            money=numbers.money(best.price_usd, language()),
        )
        st.markdown(plain(text))
    table = changes_table(found, lambda work: _work(work, training=training))
    show_table(table, say("Changes with what they bring and cost."))
    csv_button(say("Export CSV"), table, "changes.csv", "csv:changes")
    st.caption(plain(say("What you own is used first, network and racks included. Price: what is bought, or the rent over the period.")))
    if not training:
        st.caption(plain(say("Changes are sized for twice the traffic that all of your cluster serves now, beside it or instead of it.")))


def _work(work_per_s: float, *, training: bool) -> str:
    """A training run takes so long; of requests so many are answered a second."""
    return numbers.duration(1 / work_per_s, language()) if training and work_per_s else numbers.number(work_per_s, language())


def _sentence(plan: Plan) -> str:
    if not plan.recommendations:
        miss = next((miss for miss in plan.search.nearest if miss.change), None)
        cannot = say("Your cluster cannot do this: {task}.", task=figures.task(plan))
        return cannot if miss is None else f"{cannot} {miss_text(miss)}"
    shown = plan.recommendations[0]
    limit, share = min(shown.headroom.items(), key=lambda item: item[1])
    return say(
        "Your cluster can do this: {task}. It is limited by {resource}; {share} is left to the limit on {limit}.",
        task=figures.task(plan),
        resource=resource_name(shown.bottleneck.resource),
        share=numbers.percent(share, language()),
        limit=word(LIMITS, limit),
    )


def _figures(shown: Recommendation) -> None:
    speed = shown.performance
    cards = [
        (say("Accelerators used"), numbers.whole(shown.devices, language())),
        (say("Format"), shown.strategy.precision.upper()),
        (say("Facility power"), figures.power(shown)),
        (say("Run time"), figures.latency(shown)) if speed.run_s is not None else (say("Time per token"), figures.latency(shown)),
    ]
    if speed.capacity_requests_per_s is not None:
        cards.append((say("Most requests/s"), numbers.number(speed.capacity_requests_per_s, language())))
    with st.grid(min_column_width=150, gap="small"):
        for label, value in cards:
            with st.container(border=True, height="stretch"):
                st.metric(label, plain(value))


page()
