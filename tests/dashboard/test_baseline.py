"""A pinned baseline: what figures are compared with, in words, on the page and in the link."""

import pytest

from dashboard.language import speaking
from dashboard.measures import COST, DEVICES, TOKENS, Measure, Other, against
from dashboard.navigation import FOLDER
from planner.links import encode_link
from planner.request import PlanRequest
from tests.dashboard import sample
from tests.dashboard.test_plan_page import plain, text_of

EIGHT, SIXTEEN = sample.recommendation(), sample.recommendation(rank=2, devices=16, total_usd=800_000.0)
FASTER = EIGHT.model_copy(update={"performance": EIGHT.performance.model_copy(update={"tokens_per_s": 4220.0})})


@pytest.mark.parametrize(
    ("shown", "other", "measure", "told"),
    [
        (EIGHT, SIXTEEN, COST, "−$400 k, −50%: better than option 2"),
        (SIXTEEN, EIGHT, COST, "+$400 k, +100%: worse than option 2"),
        (FASTER, SIXTEEN, TOKENS, "+2.11 k, +100%: better than option 2"),
        (EIGHT, FASTER, TOKENS, "−2.11 k, −50%: worse than option 2"),
        (EIGHT, SIXTEEN, DEVICES, "−8, −50% against option 2"),
        (FASTER, EIGHT, COST, "the same as option 2"),
        (EIGHT, EIGHT, COST, "option 2"),
        (EIGHT, SIXTEEN, Measure(lambda option: None, str), ""),
    ],
)
def test_a_difference_has_amount_share_and_a_verdict(shown, other, measure, told):
    with speaking("en"):
        assert against(shown, Other("option 2", other), measure).replace("\u202f", " ") == told


def test_without_another_option_nothing_is_said():
    assert against(EIGHT, None, COST) == ""


def pressed(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def test_a_pinned_option_stays_what_the_others_are_compared_with(opened):
    app = opened()
    pressed(app, "Pin as baseline")
    assert "the baseline" in [caption.value for caption in app.caption]
    app.selectbox(key="shown_option").set_value("3").run()
    said = plain(text_of(app))
    assert "+$800 k, +200%: worse than the baseline" in said
    assert "The baseline is 8 × =Example <b>X</b>: $400 k over 4 years." in said
    assert "Against the baseline" in app.dataframe[0].value.columns
    app.number_input(key="field:workload.requests_per_s").set_value(25.0).run()
    assert "the baseline" in plain(text_of(app)), "another question is compared with it too"
    pressed(app, "Unpin the baseline")
    assert "the baseline" not in plain(text_of(app))


def test_a_link_carries_the_baseline_of_the_same_question_as_its_rank(opened):
    app = opened({"model": "llama3.1-70b", "task": "serving", "base": "2"})
    assert not app.exception
    assert "−$400 k, −50%: better than the baseline" in plain(text_of(app))


def test_a_link_carries_the_baseline_of_another_question_whole(opened, asked):
    other = PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 3}})
    app = opened({"model": "llama3.1-70b", "task": "serving", "base": f"{encode_link(other)}&show=3"})
    assert not app.exception
    assert asked[-1] == other
    assert "−$800 k, −67%: better than the baseline" in plain(text_of(app))


@pytest.mark.parametrize("base", ["999", "v=99", "task=baking", "<b>", "c=AAAA", "٣", "9" * 9000])
def test_a_baseline_that_cannot_be_used_is_left_aside(base, opened):
    app = opened({"model": "llama3.1-70b", "task": "serving", "base": base})
    assert not app.exception
    assert app.metric


def test_the_first_of_the_compared_plans_is_the_baseline_and_another_one_can_be_chosen(opened):
    app = opened()
    pressed(app, "Keep to compare")
    app.selectbox(key="shown_option").set_value("2").run()
    pressed(app, "Keep to compare")
    app.switch_page(str(FOLDER / "compare.py")).run()
    assert "+$400 k, +100%, worse" in plain(" ".join(app.dataframe[0].value.iloc[:, 2]))
    app.selectbox(key="compare:baseline").set_value(1).run()
    assert not app.exception
    assert plain(app.selectbox(key="compare:baseline").options[0]).startswith("1: 2 × 8")
    assert "−$400 k, −50%, better" in plain(" ".join(app.dataframe[0].value.iloc[:, 2]))


def test_a_removed_plan_leaves_the_others(opened):
    app = opened()
    pressed(app, "Keep to compare")
    app.selectbox(key="shown_option").set_value("2").run()
    pressed(app, "Keep to compare")
    app.switch_page(str(FOLDER / "compare.py")).run()
    app.button(key="compare:remove:0").click().run()
    assert [request_and_rank[1] for request_and_rank in app.session_state["compared"]] == ["2"]
