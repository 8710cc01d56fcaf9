"""The questions the other way round agree with the plan that they turn round."""

import pytest

from planner import PlanRequest, default_library, plan
from planner.request import Serving, Training
from planner.reverse import TOKENS_PER_PARAMETER, largest_trainable, what_runs

CARD = "nvidia-rtx-4090"


@pytest.fixture(scope="module")
def found():
    return what_runs(CARD, 4, Serving(), default_library())


def test_models_are_listed_once_largest_first_within_the_limits(found):
    assert len({runs.model_id for runs in found}) == len(found) > 20
    assert [runs.parameters for runs in found] == sorted((runs.parameters for runs in found), reverse=True)
    for runs in found:
        assert runs.ttft_s <= Serving().ttft_s
        assert runs.tpot_s <= Serving().tpot_s
        assert runs.devices_per_replica * runs.replicas <= 4


def test_no_listed_model_outweighs_the_memory(found):
    memory_bytes = 4 * default_library().hardware.accelerators[CARD].memory_bytes
    assert max(runs.parameters for runs in found) * 0.5 < memory_bytes
    assert "llama3.1-405b" not in {runs.model_id for runs in found}


def test_more_cards_never_run_fewer_models_nor_more_slowly(found):
    more = {runs.model_id: runs for runs in what_runs(CARD, 8, Serving(), default_library())}
    for runs in found:
        assert more[runs.model_id].requests_per_s >= runs.requests_per_s * (1 - 1e-9)


def test_the_plan_serves_the_rate_that_was_found(found):
    """A request for a little less than the rate found fits on the same cards, one for twice as much does not."""
    runs = next(runs for runs in found if runs.model_id == "llama3.1-8b")
    workload = Serving()
    for share, fits in ((0.98, True), (2.0, False)):
        rate = runs.requests_per_s * share / workload.peak_to_mean * workload.utilisation_limit
        raw = {"kind": "serving", "requests_per_s": rate}
        limits = {"accelerators": [CARD], "max_devices": 4}
        answer = plan(PlanRequest.parse({"model": runs.model_id, "workload": raw, "limits": limits}))
        assert bool(answer.recommendations) is fits


def test_the_largest_trainable_model_keeps_the_budget_and_more_money_never_trains_less():
    request = PlanRequest(model="any", workload=Training(deadline_days=60))
    library = default_library()
    small, large = (largest_trainable(budget, request, library) for budget in (1e4, 1e6))
    assert small is not None
    assert large is not None
    assert small.answer.recommendations[0].cost.total_usd <= 1e4
    assert large.answer.recommendations[0].cost.total_usd <= 1e6
    assert small.tokens == small.parameters * TOKENS_PER_PARAMETER
    assert large.parameters > small.parameters
    assert largest_trainable(1.0, request, library) is None
