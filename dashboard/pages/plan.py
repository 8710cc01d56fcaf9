"""The page Plan: a question at the left, its whole answer at the right."""

from __future__ import annotations

import streamlit as st

from dashboard import comparing, figures, session
from dashboard.address import keep_address
from dashboard.draft import request_of
from dashboard.engine import answered
from dashboard.language import language, say
from dashboard.measures import next_best
from dashboard.options import option, with_option
from dashboard.question import question
from dashboard.sections.derivation import derivation
from dashboard.sections.details import details, open_tab
from dashboard.sections.exports import exports
from dashboard.sections.headline import answer_sentence, cards, per_token, trust
from dashboard.sections.nothing import nothing_fits
from dashboard.sections.notices import link_notices
from dashboard.sections.possible import frontier_view
from dashboard.sections.why import limits_view, why
from dashboard.waiting import SearchProgress, is_stopped
from dashboard.wording import plain
from facts.errors import RackwrightError
from planner.answer import Plan, Recommendation
from planner.request import PlanRequest
from texts import numbers
from texts.sentences import sentence

_ANSWERED = "answered"  # the last request that could be


def page() -> None:
    """Draw the form with what is wrong in it, search, then draw the answer."""
    try:
        request = request_of(session.draft())
    except RackwrightError as error:
        question({fault.field: fault for fault in error.faults})
        _refused(error)
        return
    question({})
    if is_stopped(request):
        return
    progress = SearchProgress(request)
    try:
        plan = answered(request, progress)
        shown = option(plan, session.shown(), progress)
    except RackwrightError as error:
        _refused(error)
        return
    finally:
        progress.done()
    st.session_state[_ANSWERED] = request
    st.title(plain(figures.task(plan)), anchor=False)
    link_notices()
    _changes(plan)
    if shown is not None:
        _answer(plan, shown)
    else:
        nothing_fits(plan)
        keep_address(plan.request, plan)
    _foot(plan)


def _refused(error: RackwrightError) -> None:
    """The question is at fault: what is wrong with it, a way back, and the answer to the last question that was not."""
    st.title(say("Plan"), anchor=False)
    link_notices()
    for fault in error.faults:
        st.error(plain(sentence(fault, language())))
    st.button(say("Start again from the example"), on_click=session.restart)
    last: PlanRequest | None = st.session_state.get(_ANSWERED)
    if last is None:
        return
    plan = answered(last)
    shown = option(plan, session.shown())
    if shown is not None:
        st.info(plain(say("This is the answer to the question before: {task}.", task=figures.task(plan))))
        _answer(plan, shown)


def _answer(answer: Plan, shown: Recommendation) -> None:
    """All about `shown`, which may be a configuration that the ranking has not."""
    plan = with_option(answer, shown)
    pinned = comparing.pinned(plan.request)
    other = pinned or next_best(plan, shown)
    answer_sentence(plan, shown)
    cards(shown, other)
    if pinned is not None:
        fields = {"configuration": figures.configuration(pinned.option), "cost": figures.cost(pinned.option.cost)}
        st.caption(plain(say("The baseline is {configuration}: {cost}.", **fields)))
    trust(plan, shown)
    per_token(shown)
    derivation(plan, shown)
    with st.container(horizontal=True, gap="small"):
        view = {"tab": open_tab(), "view": limits_view(), "base": comparing.baseline_link(plan.request)}
        keep_address(plan.request, plan, view | frontier_view())
        exports(plan, shown, other)
        st.button(say("Keep to compare"), on_click=comparing.keep, args=(plan.request, session.shown()), icon=":material/add:")
        if pinned is None:
            st.button(say("Pin as baseline"), on_click=comparing.pin, args=(plan.request, session.shown()), icon=":material/keep:")
        else:
            st.button(say("Unpin the baseline"), on_click=comparing.unpin, icon=":material/keep_off:")
    why(plan, shown)
    details(plan, shown)


def _changes(plan: Plan) -> None:
    """What changed since the link was made, when the catalog did."""
    seen = session.snapshot()
    if seen is None or seen.library_digest == plan.library_digest or not plan.recommendations:
        return
    first = plan.recommendations[0]
    st.info(
        plain(
            say(
                "This link was made with another release of the catalog. Then: {then_cost}, {then_power}. Now: {now_cost}, {now_power}.",
                then_cost=numbers.money(seen.cost_usd, language()),
                then_power=numbers.power(seen.facility_w, language()),
                now_cost=numbers.money(first.cost.total_usd, language()),
                now_power=figures.power(first),
            )
        )
    )


def _foot(plan: Plan) -> None:
    st.caption(
        plain(
            say(
                "Rackwright {version}. Hardware catalog of {release}, library {digest}.",
                version=plan.version,
                release=plan.catalog_release,
                digest=plan.library_digest,
            )
        )
    )


page()
