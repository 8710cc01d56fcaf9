"""Whole plans on the real catalog: sums that add up, limits that hold, the same bytes each time, misses that say what would help."""

from pathlib import Path

import pytest
import yaml

from planner import PlanRequest, decode_link, default_library, encode_link, plan

EXAMPLES = sorted(Path(__file__).parents[2].joinpath("examples").glob("*.yaml"))


def serving(**changes):
    raw = {"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 20} | changes.pop("workload", {})} | changes
    return PlanRequest.parse(raw)


def training(**changes):
    workload = {"kind": "training", "tokens": 2e10, "deadline_days": 7, "global_batch_tokens": 1_048_576} | changes.pop("workload", {})
    raw = {"model": "llama3.1-8b", "workload": workload, "limits": {"max_devices": 256} | changes.pop("limits", {})} | changes
    return PlanRequest.parse(raw)


@pytest.fixture(scope="module")
def answers():
    return {path.stem: plan(PlanRequest.parse(yaml.safe_load(path.read_text(encoding="utf-8")))) for path in EXAMPLES}


def everything(answers):
    return [(answer, item) for answer in answers.values() for item in answer.recommendations]


def test_every_example_has_an_answer(answers):
    assert len(answers) >= 4
    assert all(len(answer.recommendations) > 5 for answer in answers.values())


def test_cost_is_the_sum_of_its_parts(answers):
    for _, item in everything(answers):
        assert item.cost.total_usd == pytest.approx(sum(item.cost.parts.values()), rel=1e-9)


def test_power_is_the_sum_of_its_parts_times_pue(answers):
    for answer, item in everything(answers):
        power = item.power
        if power.facility_w is None:
            assert power.energy_kwh is power.carbon_kgco2e is power.it_w is None
            continue
        assert power.it_w == pytest.approx(sum(power.it_parts_w.values()))
        assert power.facility_w == pytest.approx(power.it_w * answer.request.site.pue)
        assert power.facility_w <= power.rated_facility_w
        assert power.energy_kwh == pytest.approx(power.facility_w * item.cost.period_days * 24 / 1_000)


def test_memory_is_the_sum_of_its_parts_and_fits(answers):
    for _, item in everything(answers):
        memory = item.memory
        assert memory.used_bytes == pytest.approx(sum(memory.parts.values()))
        assert memory.used_bytes <= memory.capacity_bytes - memory.reserve_bytes


def test_time_by_operation_and_by_resource_add_up_to_the_same_step(answers):
    for _, item in everything(answers):
        limits = item.bottleneck
        assert sum(limits.time_parts_s.values()) == pytest.approx(sum(limits.resources_s.values()), rel=1e-6)
        assert 0 < limits.share <= 1
        if item.performance.step_s is not None:
            assert sum(limits.time_parts_s.values()) == pytest.approx(item.performance.step_s, rel=1e-6)


def test_every_limit_is_kept(answers):
    for answer, item in everything(answers):
        assert item.devices <= answer.request.limits.max_devices
        assert all(share >= -1e-9 for share in item.headroom.values()), (item.accelerator_id, item.headroom)


def test_the_ranking_follows_the_objective(answers):
    for answer in answers.values():
        priced = [item.cost.total_usd for item in answer.recommendations if not item.cost.at_least]
        assert priced == sorted(priced)
        assert not answer.recommendations[0].cost.at_least
        assert [item.rank for item in answer.recommendations] == list(range(1, len(answer.recommendations) + 1))


def test_the_account_adds_up(answers):
    for answer in answers.values():
        search = answer.search
        assert search.evaluated == search.feasible + sum(
            count for reason, count in search.rejected.items() if reason not in {"format", "engine"}
        )
        assert {item.accelerator_id for item in answer.recommendations}.isdisjoint({miss.accelerator_id for miss in search.nearest})


def test_every_recommended_part_names_its_sources(answers):
    for answer, item in everything(answers):
        assert answer.sources[item.accelerator_id]


def test_the_same_request_gives_the_same_bytes_also_through_its_link():
    for request in (serving(), training()):
        first = plan(request).canonical_json()
        assert plan(request).canonical_json() == first
        assert plan(decode_link(encode_link(request)).request).canonical_json() == first


def test_scaling_every_price_leaves_the_choice():
    """Rent and purchase by the same factor: the order of plans stays, costs scale (energy and maintenance set to nought)."""
    library = default_library()
    chips = [item.accelerator_id for item in plan(serving()).recommendations[:4]]
    free = {"electricity_usd_per_kwh": 0.0, "maintenance_share": 0.0, "acquisition": "rent"}
    prices = [(chip, 1.0 + place) for place, chip in enumerate(chips)]

    def ranked(factor):
        own = [{"id": chip, "rent_usd_per_h": usd * factor} for chip, usd in prices]
        answer = plan(serving(site=free, limits={"accelerators": chips}, prices=own), library)
        return [(item.accelerator_id, item.strategy) for item in answer.recommendations], answer.recommendations[0].cost.total_usd

    (order, usd), (same, triple) = ranked(1.0), ranked(3.0)
    assert order == same
    assert triple == pytest.approx(3 * usd)


@pytest.mark.parametrize(
    "request_",
    [
        serving(workload={"ttft_s": 0.001}, limits={"vendors": ["NVIDIA", "AMD"]}),
        serving(workload={"tpot_s": 0.0005}, limits={"vendors": ["NVIDIA", "AMD"]}),
        serving(limits={"budget_usd": 100}),
        serving(limits={"power_w": 50}),
        serving(workload={"requests_per_s": 1e4}, limits={"max_devices": 2}),
        training(workload={"deadline_days": 0.01}),
        training(limits={"budget_usd": 10}),
        training(limits={"power_w": 100}),
    ],
    ids=["ttft", "tpot", "budget", "power", "devices", "deadline", "training budget", "training power"],
)
def test_when_nothing_fits_the_smallest_change_makes_something_fit(request_):
    answer = plan(request_)
    assert answer.recommendations == ()
    nearest = answer.search.nearest[0]
    assert nearest.over_by > 0
    assert nearest.change
    raw = request_.model_dump(mode="json")
    for path, value in nearest.change.items():
        group, name = path.split(".")
        raw[group][name] = value
    assert plan(PlanRequest.parse(raw)).recommendations


def test_a_limit_that_is_eased_never_makes_the_answer_dearer():
    costs = [plan(serving(workload={"tpot_s": limit})).recommendations[0].cost.total_usd for limit in (0.02, 0.05, 0.1, 0.2)]
    assert costs == sorted(costs, reverse=True)


def test_more_traffic_never_costs_less():
    costs = [plan(serving(workload={"requests_per_s": rate})).recommendations[0].cost.total_usd for rate in (1, 10, 100, 1_000)]
    assert costs == sorted(costs)


def test_an_unknown_price_never_wins():
    answer = plan(serving())
    unpriced = [item.rank for item in answer.recommendations if item.cost.at_least]
    assert unpriced == list(range(len(answer.recommendations) - len(unpriced) + 1, len(answer.recommendations) + 1))
