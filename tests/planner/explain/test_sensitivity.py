"""What moves the cost: closed forms where there are some, and every input planned for again."""

import pytest

from planner import plan
from planner.explain.sensitivity import SWING, sensitivities
from planner.request import PlanRequest

ONE = {"accelerators": ["nvidia-h100-sxm-80gb"], "max_devices": 256}


def found(workload: dict[str, object], **more: object):
    request = PlanRequest.parse({"model": "llama3.1-8b", "workload": workload, "limits": ONE} | more)
    shown = plan(request).recommendations[0]
    answer = sensitivities(request, shown)
    return shown, answer, {one.field: one for one in answer.inputs}


@pytest.fixture(scope="module")
def training():
    return found({"kind": "training", "tokens": 1e10}, site={"acquisition": "buy"})


def test_the_base_is_the_cost_that_is_shown(training):
    shown, answer, _ = training
    assert answer.base_usd == pytest.approx(shown.cost.total_usd)


def test_the_price_of_energy_moves_its_own_part_alone(training):
    shown, answer, inputs = training
    energy = inputs["site.electricity_usd_per_kwh"]
    assert energy.high_usd - answer.base_usd == pytest.approx(SWING * shown.cost.parts["energy"])
    assert energy.low_usd - answer.base_usd == pytest.approx(-SWING * shown.cost.parts["energy"])


def test_inputs_that_the_workload_has_not_are_not_tried(training):
    _, _, inputs = training
    assert "workload.goodput" in inputs
    assert not {"workload.requests_per_s", "workload.prefix_hit_rate"} & set(inputs)


def test_the_one_that_moves_it_farthest_stands_first(training):
    _, answer, _ = training
    reaches = [one.reach_usd(answer.base_usd) for one in answer.inputs]
    assert reaches == sorted(reaches, reverse=True)
    assert reaches[0] > 0


def test_an_end_stays_within_the_bounds_of_its_field(training):
    _, _, inputs = training
    assert inputs["workload.goodput"].high == 1.0


def test_rent_is_proportional_to_its_price():
    _, answer, inputs = found({"kind": "serving", "requests_per_s": 2}, site={"acquisition": "rent"})
    assert inputs["prices"].high_usd == pytest.approx(1.2 * answer.base_usd)
    assert inputs["prices"].low_usd == pytest.approx(0.8 * answer.base_usd)
    assert "site.years" not in inputs, "a serving cost is that of its years"


def test_an_end_at_which_nothing_fits_counts_most():
    request = {"kind": "serving", "requests_per_s": 5, "tpot_s": 0.1}
    shown = plan(PlanRequest.parse({"model": "llama3.1-8b", "workload": request, "limits": ONE})).recommendations[0]
    _, answer, inputs = found(request, limits=ONE | {"budget_usd": shown.cost.total_usd * 1.001})
    stopped = [one for one in inputs.values() if one.high_usd is None]
    assert stopped
    assert answer.inputs[0].reach_usd(answer.base_usd) == pytest.approx(answer.base_usd)
