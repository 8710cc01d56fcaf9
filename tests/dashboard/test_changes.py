"""What one owns is not bought again; changes are compared by what they gain for a dollar; other models are found on demand."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import engine
from dashboard.changes import Change, Standing, best_change, changes, changes_table
from dashboard.navigation import FOLDER
from dashboard.owned import Cluster, request_for
from planner import default_library, plan
from planner.request import PlanRequest
from texts.numbers import Absent

APP = Path(__file__).parents[2] / "app.py"
OWNED = Cluster("nvidia-h100-sxm-80gb", "H100", 16)
SERVING = PlanRequest.parse({"model": "llama3.1-70b", "workload": {"kind": "serving"}})
TRAINING = PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "training", "method": "finetune", "tokens": 1e9}})


@pytest.fixture(autouse=True)
def no_plans_kept() -> None:
    engine.plans.clear()


def answer(request: PlanRequest):
    return plan(request, default_library()).recommendations[0]


def test_what_is_owned_is_used_first_and_costs_nothing() -> None:
    request = request_for(SERVING, OWNED)
    assert not request.prices
    bill = answer(request).bill
    mine = [line for line in bill if line.part in {"accelerator", "server"}]
    assert mine
    assert {line.subtotal_usd for line in mine} == {0}
    bought = answer(request.model_copy(update={"stock": ()}))
    assert answer(request).cost.capital_usd < bought.cost.capital_usd


@pytest.mark.parametrize("asked", [SERVING, TRAINING], ids=lambda asked: asked.workload.kind)
def test_every_change_is_named_once_and_doubling_has_a_price_and_a_gain(asked) -> None:
    found = changes(asked, OWNED, answer(request_for(asked, OWNED)))
    assert len({change.name for change in found}) == len(found)
    assert found[0].price_usd > 0
    assert found[0].gain > 0.5


def test_doubling_buys_less_than_a_cluster_twice_as_large() -> None:
    doubled = changes(TRAINING, OWNED, answer(request_for(TRAINING, OWNED)))[0]
    anew = request_for(TRAINING, OWNED.times(2)).model_copy(update={"stock": ()})
    assert doubled.price_usd < answer(anew).cost.capital_usd


def test_something_is_added_beside_only_where_traffic_can_be_shared() -> None:
    kinds = {
        asked.workload.kind: [change.name for change in changes(asked, OWNED, answer(request_for(asked, OWNED)))]
        for asked in (SERVING, TRAINING)
    }
    assert any(name.startswith("Add ") for name in kinds["serving"])
    assert not any(name.startswith("Add ") for name in kinds["training"])


def test_serving_changes_reach_about_twice_the_traffic_of_the_whole_cluster() -> None:
    found = changes(SERVING, OWNED, answer(request_for(SERVING, OWNED)))
    assert all(change.gain is not None and change.gain > 0.5 for change in found)


def test_the_best_change_gains_most_for_a_dollar() -> None:
    def change(name: str, gain: float | None, price: float | None) -> Change:
        return Change(name, Standing(1.0, price, 1.0, 1.0), gain)

    found = (change("dear", 1.0, 100.0), change("good", 0.5, 10.0), change("unpriced", 9.0, None), change("worse", -0.5, 1.0))
    assert best_change(found) == found[1]
    assert best_change(found[2:]) is None
    ratios = [row[4] for row in changes_table(found, str).rows]
    assert ratios == [pytest.approx(1000), pytest.approx(5000), Absent.UNKNOWN, pytest.approx(-50_000)]


def test_an_objective_that_spares_power_weighs_work_against_it() -> None:
    one, more = Standing(10.0, 0.0, 100.0, 50.0), Standing(15.0, 0.0, 200.0, 50.0)
    assert more.objective("cost") > one.objective("cost")
    assert more.objective("power") < one.objective("power")
    assert more.objective("carbon") > one.objective("carbon")
    assert one.beside(more) == Standing(25.0, 0.0, 300.0, 100.0)


@pytest.fixture
def app() -> AppTest:
    opened = AppTest.from_file(str(APP), default_timeout=60)
    opened.query_params["model"] = "llama3.1-8b"
    opened.query_params["task"] = "serving"
    opened.query_params["have"] = OWNED.text
    opened.run()
    return opened.switch_page(str(FOLDER / "upgrade.py")).run()


def test_models_that_run_are_listed_when_asked_for_largest_first(app) -> None:
    assert not any("Parameters (billion)" in frame.value.columns for frame in app.dataframe)
    app.session_state["section:runs"] = True
    app.run()
    assert not app.exception
    runs = next(frame.value for frame in app.dataframe if "Parameters (billion)" in frame.value.columns)
    sizes = list(runs["Parameters (billion)"])
    assert len(sizes) > 20
    assert sizes == sorted(sizes, reverse=True)
    kept = app.session_state["owned:runs"]
    app.run()
    assert app.session_state["owned:runs"] is kept


def test_the_changes_stand_with_their_gain_for_money(app) -> None:
    table = app.dataframe[0].value
    assert {"Change", "Gain (%)", "Price of the change (USD)", "Gain per 1,000 USD (%)"} <= set(table.columns)
    assert any("Most for its money" in text.value for text in app.markdown)
