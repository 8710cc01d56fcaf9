"""Every page of the menu opens, says what it is about, and keeps the question when one comes back."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import engine
from dashboard.navigation import FOLDER, PAGES, PLAN_PAGE

APP = Path(__file__).parents[2] / "app.py"
CONFIG = '{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 1000}'


def went_wrong(app: AppTest) -> bool:
    return bool(app.exception) or any("went wrong" in title.value for title in app.title)


@pytest.fixture
def app() -> AppTest:
    """The whole app with the real catalogs and the real engine."""
    engine.plans.clear()
    opened = AppTest.from_file(str(APP), default_timeout=60)
    opened.query_params["v"] = "1"
    opened.query_params["model"] = "llama3.1-8b"
    opened.query_params["task"] = "serving"
    opened.query_params["max"] = "32"
    return opened.run()


def test_every_page_file_is_in_the_menu() -> None:
    assert {page.file for page in PAGES} == {path.name for path in FOLDER.glob("[!_]*.py")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_page_opens_and_has_one_title(page, app) -> None:
    app.switch_page(str(page.source)).run()
    assert not went_wrong(app)
    assert len(app.title) == 1


def test_the_question_survives_a_visit_to_every_page(app) -> None:
    app.number_input(key="field:workload.requests_per_s").set_value(33.0).run()
    for page in PAGES:
        app.switch_page(str(page.source)).run()
    app.switch_page(str(PLAN_PAGE.source)).run()
    assert not went_wrong(app)
    assert app.number_input(key="field:workload.requests_per_s").value == 33


def test_a_model_of_ones_own_is_counted_and_planned_with(app) -> None:
    app.switch_page(str(FOLDER / "model.py")).run()
    app.session_state["section:own_model"] = True
    app.run()
    app.text_input(key="own_model:name").set_value("Mine").run()
    app.text_area(key="own_model:text").set_value(CONFIG).run()
    next(button for button in app.button if button.label == "Use this model").click().run()
    assert not went_wrong(app)
    assert app.title[0].value == "Mine"
    app.switch_page(str(PLAN_PAGE.source)).run()
    assert not went_wrong(app)
    assert "Mine" in app.title[0].value


def test_a_faulty_model_file_is_said_and_the_page_works(app) -> None:
    app.switch_page(str(FOLDER / "model.py")).run()
    app.session_state["section:own_model"] = True
    app.run()
    app.text_area(key="own_model:text").set_value('{"model_type": "llama", "hidden_size": -5}').run()
    next(button for button in app.button if button.label == "Use this model").click().run()
    assert not went_wrong(app)
    assert app.error
    assert app.title[0].value == r"Llama 3\.1 8B"


def test_a_preset_leads_to_a_filled_in_plan(app) -> None:
    app.switch_page(str(FOLDER / "start.py")).run()
    app.button(key="preset:Complete code in an editor").click().run()
    assert not went_wrong(app)
    assert app.title[0].value.startswith("Serve Qwen2")


def test_plans_that_were_kept_stand_side_by_side(app) -> None:
    next(button for button in app.button if button.label == "Keep to compare").click().run()
    app.selectbox(key="shown_option").set_value("2").run()
    next(button for button in app.button if button.label == "Keep to compare").click().run()
    app.switch_page(str(FOLDER / "compare.py")).run()
    assert not went_wrong(app)
    assert len(app.dataframe[0].value.columns) == 3


def test_a_cluster_of_ones_own_is_planned_with_at_no_price(app) -> None:
    app.switch_page(str(FOLDER / "upgrade.py")).run()
    assert not went_wrong(app)
    assert app.title[0].value.startswith("Upgrade")
    assert len(app.dataframe[0].value) > 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_page_speaks_chinese_and_keeps_the_question(page, app) -> None:
    app.segmented_control(key="language_choice").set_value("zh").run()
    assert not went_wrong(app)
    assert app.number_input(key="field:workload.requests_per_s").value == 10
    app.switch_page(str(page.source)).run()
    assert not went_wrong(app)
    assert re.search(r"[\u4e00-\u9fff]", " ".join(str(element.value) for element in (*app.title, *app.header, *app.subheader)))


@pytest.mark.parametrize(
    ("file", "name", "good", "key"),
    [
        ("catalog.py", "group", "switches", "catalog:group"),
        ("accuracy.py", "table", "serving_memory", "accuracy:table"),
        ("method.py", "chapter", "memory", "method:chapter"),
    ],
)
def test_a_link_chooses_what_a_page_shows_and_an_unknown_choice_is_left_aside(file, name, good, key) -> None:
    for value, taken in ((good, True), ("../../etc/passwd", False)):
        app = AppTest.from_file(str(APP), default_timeout=60)
        app.query_params[name] = value
        app.run()
        app.switch_page(str(FOLDER / file)).run()
        assert not went_wrong(app)
        assert (app.session_state[key] == good) is taken


def test_a_link_to_the_catalog_keeps_search_vendors_and_axes() -> None:
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in {"find": "h100", "vendor": "NVIDIA,Nobody", "x": "price_usd", "y": "no-such-measure"}.items():
        app.query_params[name] = value
    app.run()
    app.switch_page(str(FOLDER / "catalog.py")).run()
    assert not went_wrong(app)
    assert app.text_input(key="catalog:search").value == "h100"
    assert app.multiselect(key="catalog:vendors").value == ["NVIDIA"]
    assert (app.selectbox(key="catalog:x").value, app.selectbox(key="catalog:y").value) == ("price_usd", "bandwidth_gb_per_s")
    shown = app.dataframe[0].value
    assert 0 < len(shown) < 20
    assert all("h100" in id_ for id_ in shown["Id"])


def test_a_very_long_search_in_a_link_is_cut() -> None:
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["find"] = "x" * 5000
    app.run()
    app.switch_page(str(FOLDER / "catalog.py")).run()
    assert not went_wrong(app)
    assert len(app.text_input(key="catalog:search").value) == 60
