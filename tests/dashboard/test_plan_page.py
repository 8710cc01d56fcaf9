"""The page Plan: its form, hostile links, answers of every kind."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import engine
from facts.errors import Fault, RackwrightError
from planner.answer import Interval
from planner.explain.launch import launches
from planner.links import encode_link
from planner.request import PlanRequest
from tests.dashboard import sample


def text_of(app: AppTest) -> str:
    """Everything the page says in words."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "warning", "error", "info", "success")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


def plain(text: str) -> str:
    """Markdown's escapes taken away."""
    return re.sub(r"\\(.)", r"\1", text).replace("\u202f", " ")


def test_first_visit_shows_a_finished_example(opened, asked):
    app = opened()
    assert not app.exception
    assert len(asked) == 1
    assert "Serve Example 70B at 10 requests/s" in plain(app.title[0].value)
    assert "Buy 8 × =Example <b>X</b>" in plain(app.markdown[0].value)
    assert [metric.value.replace("\\", "").replace("\u202f", " ") for metric in app.metric] == [
        "$400 k",
        "10.8 kW",
        "2.11 k",
        "24.0 ms",
        "10%",
    ]
    assert not app.warning


def test_names_from_a_catalog_cannot_become_markup(opened):
    answer = opened().markdown[0].value
    assert r"\=Example" in answer or "=Example" in answer
    assert r"\<b\>" in answer


def test_at_most_six_inputs_stand_open(opened):
    sidebar = opened().sidebar
    widgets = [
        widget
        for kind in ("selectbox", "number_input", "multiselect", "segmented_control", "text_input", "slider")
        for widget in sidebar.get(kind)
        if str(widget.key).startswith("field:")
    ]
    assert 4 <= len(widgets) <= 6


def test_a_changed_input_changes_the_question_and_nothing_else(opened, asked):
    app = opened()
    app.number_input(key="field:workload.requests_per_s").set_value(25.0).run()
    assert not app.exception
    before, after = asked[0], asked[-1]
    assert after.workload.requests_per_s == 25
    assert after.model_copy(update={"workload": before.workload}) == before
    assert after.workload.model_copy(update={"requests_per_s": 10.0}) == before.workload


def test_values_survive_the_other_task(opened, asked):
    app = opened()
    app.number_input(key="field:workload.input_tokens").set_value(4096).run()
    app.segmented_control(key="field:workload.kind").set_value("training").run()
    assert not app.exception
    assert asked[-1].workload.kind == "training"
    app.number_input(key="field:workload.tokens").set_value(15.0).run()
    assert asked[-1].workload.tokens == 15e9
    app.segmented_control(key="field:workload.kind").set_value("serving").run()
    assert app.title[0].value.startswith("Serve")
    assert app.number_input(key="field:workload.input_tokens").value == 4096


def test_a_link_opens_what_it_asks(opened, asked):
    wanted = PlanRequest.parse(
        {"model": "llama3.1-8b", "workload": {"kind": "training", "tokens": 3e11, "optimizer": "muon"}, "limits": {"power_w": 250_000}}
    )
    app = opened(dict(pair.split("=", 1) for pair in encode_link(wanted).split("&")))
    assert asked == [wanted]
    assert not app.exception
    assert not app.warning
    assert app.number_input(key="field:workload.tokens").value == 300


HOSTILE = {
    "infinite rate": {"model": "llama3.1-70b", "task": "serving", "rate": "inf"},
    "overflowing rate": {"model": "llama3.1-70b", "task": "serving", "rate": "1e999"},
    "five thousand digits": {"model": "llama3.1-70b", "task": "serving", "in": "9" * 5000},
    "not a number": {"model": "llama3.1-70b", "task": "serving", "in": "nan"},
    "below the minimum": {"model": "llama3.1-70b", "task": "serving", "rate": "-5"},
    "a fraction of a token": {"model": "llama3.1-70b", "task": "serving", "in": "12.7"},
    "unknown task": {"model": "llama3.1-70b", "task": "baking"},
    "damaged payload": {"model": "llama3.1-70b", "task": "serving", "c": "AAAA"},
    "not base64url": {"model": "llama3.1-70b", "task": "serving", "c": "§§§"},
    "newer version": {"v": "99", "model": "llama3.1-8b"},
    "version zero": {"v": "0"},
    "unknown word": {"model": "llama3.1-70b", "task": "serving", "goal": "FASTER"},
    "a hundred thousand letters": {"c": "A" * 100_000},
    "unknown precision": {"model": "llama3.1-70b", "task": "serving", "prec": "fp3"},
    "only unknown keys": {"utm_source": "mail", "n": "inf"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_link_says_so_and_the_page_works(name, opened, asked):
    app = opened(HOSTILE[name])
    assert not app.exception
    assert len(app.warning) >= 1, "what was not used is said"
    assert app.metric, "the example stands in"
    app.number_input(key="field:workload.requests_per_s").set_value(3.0).run()
    assert not app.exception
    assert asked[-1].workload.requests_per_s == 3


def test_a_rank_out_of_reach_shows_the_first_option(opened):
    for rank in ("99", "-1", "٣", "1e9", "0"):
        app = opened({"model": "llama3.1-70b", "task": "serving", "show": rank})
        assert not app.exception
        assert "Buy 8 ×" in plain(app.markdown[0].value)


def test_a_link_can_show_another_option(opened):
    app = opened({"model": "llama3.1-70b", "task": "serving", "show": "2"})
    assert "Buy 2 × 8" in plain(app.markdown[0].value)
    assert app.selectbox(key="shown_option").value == "2"


def test_another_option_becomes_the_shown_one_and_a_new_question_starts_at_the_first(opened):
    app = opened()
    app.selectbox(key="shown_option").set_value("3").run()
    assert not app.exception
    assert "Buy 3 × 8" in plain(app.markdown[0].value)
    assert app.metric[0].value.replace("\\", "").replace("\u202f", " ") == "$1.20 M"
    app.number_input(key="field:workload.requests_per_s").set_value(12.0).run()
    assert "Buy 8 ×" in plain(app.markdown[0].value)


def test_nothing_fits_names_the_limit_and_applies_the_smallest_change(opened, asked):
    app = opened({"model": "llama3.1-70b", "task": "serving", "ttft": "0.005"})
    assert not app.exception
    assert "Nothing fits" in app.warning[0].value
    assert "time to first token" in app.warning[0].value
    app.button(key="apply:[('workload.ttft_s', 2.8)]").click().run()
    assert not app.exception
    assert asked[-1].workload.ttft_s == 2.8
    assert app.metric


def test_an_unknown_model_is_said_at_its_control_and_the_page_works(opened, monkeypatch):
    def refused(request, library=None, progress=None):
        if request.model == "no-such-model":
            raise RackwrightError(Fault("unknown_model", value=request.model, hint="llama3.1-8b"))
        return sample.plan(request)

    monkeypatch.setattr(engine, "plan", refused)
    app = opened({"task": "serving", "model": "no-such-model"})
    assert not app.exception
    assert "no-such-model" in plain(text_of(app))
    app.selectbox(key="field:model").set_value("llama3.1-8b").run()
    assert app.metric


def test_the_text_of_a_link_is_never_run_as_markup(opened):
    app = opened({"model": "llama3.1-70b", "task": "serving", "<img src=x onerror=alert(1)>": "1", "![x](http://127.0.0.1/x)": "1"})
    assert not app.exception
    for warning in app.warning:
        assert re.search(r"(?<!\\)(<img|!\[)", warning.value) is None


def test_a_link_can_open_a_tab_and_an_unknown_one_opens_the_first(opened):
    link = {"model": "llama3.1-70b", "task": "serving"}
    assert "Purchase price" in plain(text_of(opened(link | {"tab": "bill"})))
    for tab in ("nothing", "../..", ""):
        app = opened(link | {"tab": tab})
        assert not app.exception
        assert app.selectbox(key="shown_option")


SERVED = {"model": "llama3.1-70b", "task": "serving"}


def test_launch_settings_are_blocks_to_copy_with_version_date_source_and_the_word_untested(opened, asked):
    app = opened(SERVED | {"tab": "launch"})
    assert not app.exception
    found = launches(sample.plan(asked[-1]), sample.recommendation(), sample.library().models)
    told = [launch for launch in found if launch.text]
    assert [block.value for block in app.code] == [launch.text for launch in told] != []
    said = plain(text_of(app))
    for launch in found:
        assert f"{launch.tool}, untested" in said
        assert f"Version: {launch.version}. Read on {launch.read} in: {launch.source}" in said


def test_a_tool_that_cannot_be_told_the_plan_says_which_settings_it_lacks(opened):
    app = opened(SERVED | {"tab": "launch"})
    assert "maker of the accelerator: Example" in plain(text_of(app)), "TensorRT-LLM runs on one maker's accelerators"
    assert not any("trtllm-serve" in block.value for block in app.code)


def test_a_closed_tab_writes_no_launch_settings(opened):
    assert not opened(SERVED).code


def test_intervals_of_the_latencies_stand_under_the_answer(opened, monkeypatch):
    def measured(request, library=None, progress=None):
        first = sample.recommendation()
        times = {
            "ttft_interval": Interval(low=0.2, high=0.5, coverage=0.8),
            "tpot_interval": Interval(low=0.02, high=0.03, coverage=0.8),
        }
        first = first.model_copy(update={"performance": first.performance.model_copy(update=times)})
        return sample.plan(request).model_copy(update={"recommendations": (first,)})

    monkeypatch.setattr(engine, "plan", measured)
    said = plain(text_of(opened(SERVED)))
    assert "Time to first token, 80% sure: 200 ms to 500 ms. Time per token, 80% sure: 20.0 ms to 30.0 ms." in said


def test_the_wiring_is_drawn_with_a_table_and_failures_in_words_when_its_tab_is_open(opened, monkeypatch):
    def built(request, library=None, progress=None):
        first = sample.recommendation().model_copy(update={"fabric": sample.fabric()})
        return sample.plan(request).model_copy(update={"recommendations": (first,)})

    monkeypatch.setattr(engine, "plan", built)
    app = opened(SERVED | {"tab": "room"})
    assert not app.exception
    said = plain(text_of(app))
    assert "Wiring between accelerators: 12 switches, oversubscribed 1.4 to 1" in said
    assert "Without a spine switch: 75.0% of the bisection and 75.0% of the worst hit port's rate are left, 0 ports are cut off." in said
    engine.plans.clear()
    assert "Wiring between accelerators" not in text_of(opened(SERVED)), "a closed tab does no work"


def test_old_prices_carry_a_mark(opened, monkeypatch):
    def old(request, library=None, progress=None):
        first = sample.recommendation()
        bill = (first.bill[0].model_copy(update={"price_date": "2024"}), *first.bill[1:])
        first = first.model_copy(update={"cost": first.cost.model_copy(update={"price_date": "2024-06"}), "bill": bill})
        return sample.plan(request).model_copy(update={"recommendations": (first,), "catalog_release": "2026-11-22"})

    monkeypatch.setattr(engine, "plan", old)
    said = plain(text_of(opened(SERVED | {"tab": "bill"})))
    assert "newest of 2024-06 (over 180 days old)" in said
    assert "Prices over 180 days old: example-server." in said
