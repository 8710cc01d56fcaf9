"""Money and energy of tokens read and written, and what limits a replica."""

import pytest

from planner import PlanRequest, plan


def answered(**workload):
    asked = {"kind": "serving", "requests_per_s": 20, **workload}
    return plan(
        PlanRequest.parse({"model": "llama3.1-8b", "workload": asked, "limits": {"accelerators": ["nvidia-h100-sxm-80gb", "nvidia-l40s"]}})
    )


@pytest.mark.parametrize("deployment", ["aggregated", "disaggregated"])
@pytest.mark.parametrize("acquisition", ["buy", "rent"])
def test_tokens_read_and_written_add_up_to_the_whole(deployment, acquisition):
    request = answered(deployment=deployment).request
    found = plan(request.model_copy(update={"site": request.site.model_copy(update={"acquisition": acquisition})}))
    assert found.recommendations
    work = found.request.workload
    for option in found.recommendations:
        seconds = option.cost.period_days * 86_400
        read, written = (work.requests_per_s * tokens * seconds for tokens in (work.input_tokens, work.output_tokens))
        cost, power = option.cost, option.power
        usd = (cost.usd_per_million_input_tokens * read + cost.usd_per_million_output_tokens * written) / 1e6
        assert usd == pytest.approx(cost.total_usd)
        if power.facility_w is not None:
            assert power.joules_per_token * (read + written) == pytest.approx(power.facility_w * seconds)
            assert power.joules_per_input_token * read + power.joules_per_output_token * written == pytest.approx(
                power.facility_w * seconds
            )
        assert cost.usd_per_million_output_tokens > cost.usd_per_million_input_tokens > 0


def test_longer_answers_shift_cost_to_tokens_written():
    short, long = (answered(deployment="aggregated", output_tokens=tokens).recommendations[0].cost for tokens in (20, 2000))
    share = {
        name: cost.usd_per_million_input_tokens
        * 1155
        / (cost.usd_per_million_input_tokens * 1155 + cost.usd_per_million_output_tokens * out)
        for name, cost, out in (("short", short, 20), ("long", long, 2000))
    }
    assert share["short"] > share["long"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"requests_per_s": 0.1}, "rate"), ({"tpot_s": 0.012}, "tpot"), ({"ttft_s": 0.2}, "ttft"), ({"tpot_s": 5, "ttft_s": 60}, "memory")],
)
def test_what_limits_a_replica_is_the_limit_that_the_next_batch_breaks(change, code):
    found = answered(**{"requests_per_s": 400, "output_tokens": 400, "deployment": "aggregated", "kv_precision": "bf16"} | change)
    assert code in {option.performance.limited_by for option in found.recommendations}


def test_training_has_no_such_split():
    raw = {"model": "llama3.1-8b", "workload": {"kind": "training", "tokens": 1e9}, "limits": {"accelerators": ["nvidia-h100-sxm-80gb"]}}
    option = plan(PlanRequest.parse(raw)).recommendations[0]
    assert option.cost.usd_per_million_input_tokens is None
    assert option.power.joules_per_token == pytest.approx(option.power.energy_kwh * 3.6e6 / 1e9)
    assert option.performance.limited_by == ""
