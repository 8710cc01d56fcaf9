"""The answer in one sentence and at most five figures, each beside the same figure of a named other option."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import figures
from dashboard.fields import FIELDS
from dashboard.language import language, say
from dashboard.measures import COST, POWER, TOKENS, Other, against, time
from dashboard.wording import plain, resource_name, word
from planner.answer import Interval, Plan, Recommendation
from planner.request import Serving
from texts import numbers
from texts.translations import Language, mark
from texts.words import LIMITS


def answer_sentence(plan: Plan, shown: Recommendation) -> None:
    """What to get, what limits it, what it costs and draws."""
    st.markdown(answer_text(plan, shown, plain), text_alignment="left")


def answer_text(plan: Plan, shown: Recommendation, safe: Callable[[str], str]) -> str:
    """The answer as Markdown; `safe` escapes the fields."""
    fields = {
        "configuration": figures.configuration(shown),
        "precision": shown.strategy.precision.upper(),
        "resource": resource_name(shown.bottleneck.resource),
        "cost": figures.cost(shown.cost),
        "power": figures.power(shown),
        "time": figures.latency(shown),
    }
    training = plan.request.workload.kind == "training"
    rented = shown.cost.acquisition == "rent"
    if training and rented:
        message = mark("**Rent {configuration}** and train in {precision} for {time}, limited by {resource}: **{cost}**, {power}.")
    elif training:
        message = mark("**Buy {configuration}** and train in {precision} for {time}, limited by {resource}: **{cost}**, {power}.")
    elif rented:
        message = mark("**Rent {configuration}** and serve in {precision} at {time} per token, limited by {resource}: **{cost}**, {power}.")
    else:
        message = mark("**Buy {configuration}** and serve in {precision} at {time} per token, limited by {resource}: **{cost}**, {power}.")
    return say(message, **{name: safe(text) for name, text in fields.items()})


def trust(plan: Plan, shown: Recommendation) -> None:
    """How far the speed can be trusted, and which software it is for."""
    speed = shown.performance
    if speed.interval is not None:
        text = say("Tokens/s, {interval}.", interval=_likely(speed.interval, numbers.count))
    elif speed.ttft_interval is not None and speed.tpot_interval is not None:
        text = say(
            "Time to first token, {ttft}. Time per token, {tpot}.",
            ttft=_likely(speed.ttft_interval, numbers.duration),
            tpot=_likely(speed.tpot_interval, numbers.duration),
        )
    elif speed.calibrated:
        text = say("Speed is fitted to measured runs; this version gives no interval for it.")
    else:
        text = say("Speed is an estimate from data sheets and efficiencies of related accelerators; confirm it with a measurement.")
    if isinstance(plan.request.workload, Serving):
        software = FIELDS["workload.engine"].choices[plan.request.workload.engine]
        text = say("{text} Predicted for {software}.", text=text, software=say(software))
        if shown.support and "unknown" in {shown.support.precision, shown.support.model}:
            text = say("{text} No source says whether it runs this model in this number format here.", text=text)
    st.caption(plain(text))


def _likely(interval: Interval, show: Callable[[float, Language], str]) -> str:
    return numbers.likely_between(interval.low, interval.high, interval.coverage, lambda value: show(value, language()), language())


def per_token(shown: Recommendation) -> None:
    """Serving: money and energy of tokens read and written, and what keeps a replica from more."""
    cost, power, limit = shown.cost, shown.power, shown.performance.limited_by
    if cost.usd_per_million_input_tokens is None or cost.usd_per_million_output_tokens is None:
        return
    st.caption(
        plain(
            say(
                "Tokens read: {read}, {read_energy}. Tokens written: {written}, {written_energy}. A replica is limited by: {limit}.",
                read=numbers.money_per_million_tokens(cost.usd_per_million_input_tokens, language()),
                read_energy=figures.joules(power.joules_per_input_token),
                written=numbers.money_per_million_tokens(cost.usd_per_million_output_tokens, language()),
                written_energy=figures.joules(power.joules_per_output_token),
                limit=word(LIMITS, limit),
            )
        )
    )


def cards(shown: Recommendation, other: Other | None) -> None:
    """Cost, power, throughput, latency or run time, headroom; the first four compared with `other`."""
    speed = shown.performance
    with st.grid(min_column_width=150, gap="small"):
        _card(
            say("Cost over {period}", period=numbers.period(shown.cost.period_days, language())),
            figures.money(shown.cost),
            against(shown, other, COST),
        )
        _card(say("Facility power"), figures.power(shown), against(shown, other, POWER))
        _card(say("Tokens/s"), numbers.count(speed.tokens_per_s, language()), against(shown, other, TOKENS))
        label = say("Time per token") if speed.run_s is None else say("Run time")
        _card(label, figures.latency(shown), against(shown, other, time(shown)))
        if shown.headroom:
            limit, share = min(shown.headroom.items(), key=lambda item: item[1])
            _card(say("Headroom"), numbers.percent(share, language()), say("to the limit on {limit}", limit=word(LIMITS, limit)))


def _card(label: str, value: str, note: str) -> None:
    with st.container(border=True, gap="xxsmall", height="stretch"):
        st.metric(label, plain(value))
        st.caption(plain(note))
