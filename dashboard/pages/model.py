"""The page Model: what any model weighs and computes, before any hardware is chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from dashboard import session
from dashboard.address import keep_address
from dashboard.charts.figure import show_figure
from dashboard.draft import request_of
from dashboard.language import language, say
from dashboard.models import ChosenModel, chosen_model
from dashboard.navigation import PLAN_PAGE
from dashboard.question import model_choice
from dashboard.sections import model_figures
from dashboard.sections.holders import holders
from dashboard.sections.layer_table import layer_table
from dashboard.sections.notices import link_notices
from dashboard.sections.own_model import own_model
from dashboard.tables import file_name
from dashboard.wording import format_name, plain
from facts.errors import RackwrightError
from planner.counting import forward_flops_per_token, kv_cache_bytes_per_token, parameters, weight_bytes
from texts import numbers
from texts.sentences import sentence


def page() -> None:
    """Choose or bring a model at the left; its figures at the right."""
    with st.sidebar:
        st.header(say("Model"), anchor=False)
        model_choice(every_kind=True)
        own_model()
    try:
        model = chosen_model()
    except RackwrightError as error:
        st.title(say("Model"), anchor=False)
        for fault in error.faults:
            st.error(plain(sentence(fault, language())))
        return
    st.title(plain(model.name), anchor=False)
    link_notices()
    layer_table()
    _headline(model)
    with st.container(horizontal=True, gap="small"):
        keep_address(request_of(session.draft()), None)
        st.page_link(PLAN_PAGE.source, label=say("Plan with this model"), icon=":material/arrow_forward:")
    with st.grid(columns=2, min_column_width=330, gap="medium"):
        for figure in (model_figures.components_figure(model), model_figures.formats_figure(model)):
            with st.container():
                show_figure(figure, file_name((model.name, figure.key), ".csv"))
    _details(model)
    _about(model)


def _headline(model: ChosenModel) -> None:
    counted = parameters(model.architecture)
    cache = kv_cache_bytes_per_token(model.architecture)
    flops = float(forward_flops_per_token(model.architecture, np.array([1024.0]), decode=True)[0])
    cards = (
        (say("Parameters"), numbers.count(counted.total, language())),
        (say("Active per token"), numbers.count(counted.active, language())),
        (
            say("Weights ({format})", format=format_name(model.weight_format)),
            numbers.memory(weight_bytes(model.architecture, model.weight_format), language()),
        ),
        (say("Cache per token"), numbers.memory(cache, language())),
        (say("Work per token"), numbers.work(flops, language()) if flops else say("per sample")),
    )
    with st.grid(min_column_width=150, gap="small"):
        for label, value in cards:
            with st.container(border=True, height="stretch"):
                st.metric(label, plain(value))


def _details(model: ChosenModel) -> None:
    builders: dict[str, Callable[[], None]] = {
        say("Accelerators that hold it"): lambda: holders(model),
        say("Cache"): lambda: show_figure(model_figures.cache_figure(model), file_name((model.name, "cache"), ".csv")),
        say("Arithmetic"): lambda: show_figure(model_figures.flops_figure(model), file_name((model.name, "flops"), ".csv")),
    }
    st.header(say("Details"), anchor=False)
    for tab, build in zip(st.tabs(list(builders), key="model_details", on_change="rerun"), builders.values(), strict=True):
        if tab.open:
            with tab:
                build()


def _about(model: ChosenModel) -> None:
    for note in model.notes:
        st.caption(plain(note))
    if model.source:
        st.caption(plain(say("Architecture from {source}.", source=model.source)))


page()
