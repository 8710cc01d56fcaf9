"""Replicas that prefill beside replicas that decode: sums over two pools, and a pairing that loses no best pair."""

import numpy as np
import pytest

from planner import PlanRequest, default_library, plan
from planner.admission import admitted
from planner.economics.charges import charges
from planner.goals import BestOfEach, groups
from planner.ground import ground
from planner.outcomes import Outcomes, objective_key
from planner.request import Limits
from planner.search.columns import DeploymentColumns, ServingColumns
from planner.serving.clusters import Clusters
from planner.serving.model import ServedModel
from planner.serving.pairs import Pool, best_pools, decode_pool, pair_count, pairs, prefill_pool
from planner.serving.running import Running
from planner.serving.stage import ServingStage
from planner.subject import subject

OBJECTIVES = ("cost", "time", "throughput", "power", "carbon", "per_dollar", "per_watt")
MODELS = ("llama3.2-1b", "llama3.1-8b", "qwen3-8b", "gpt-oss-20b", "deepseek-v2-lite")


def stage_for(seed, **changes):
    """A random small space: two accelerators of one vendor, few devices, limits that some pairs miss."""
    random = np.random.default_rng(seed)
    library = default_library()
    vendor = str(random.choice(["NVIDIA", "AMD", "Intel", "Google"]))
    usable, _ = admitted(Limits(vendors=(vendor,)), library.hardware)
    raw = {
        "model": str(random.choice(MODELS)),
        "workload": {
            "kind": "serving",
            "requests_per_s": float(10 ** random.uniform(-1, 1.5)),
            "input_tokens": int(10 ** random.uniform(1, 4)),
            "output_tokens": int(10 ** random.uniform(1, 3)),
            "ttft_s": float(10 ** random.uniform(-0.7, 1)),
            "tpot_s": float(10 ** random.uniform(-2, -0.5)),
            "deployment": "disaggregated",
            "end_to_end_s": None if random.random() < 0.7 else float(10 ** random.uniform(0, 1.5)),
        },
        "objective": OBJECTIVES[seed % len(OBJECTIVES)],
        "site": {"acquisition": str(random.choice(["best", "buy", "rent"]))},
        "limits": {
            "accelerators": [str(name) for name in random.choice(usable, 2, replace=False)],
            "max_devices": int(random.choice([4, 8, 16])),
            "budget_usd": None if random.random() < 0.5 else float(10 ** random.uniform(4.5, 6)),
            "power_w": None if random.random() < 0.7 else float(10 ** random.uniform(3.5, 4.5)),
        },
    } | changes
    request = PlanRequest.parse(raw)
    stands = ground(request, subject(request, library.models), library.hardware, admitted(request.limits, library.hardware)[0])
    return ServingStage(ServedModel.on(stands, library.serving_efficiency.on(stands.platforms, request.workload.engine)))


def all_pools(stage):
    cells = ServingColumns.concatenate([stage.model.cells(platform) for platform in range(len(stage.ground.precisions))])
    replicas = stage.model.replicas(cells)
    return decode_pool(replicas, (stage.ground.request.objective,)), prefill_pool(replicas)


def pruned(stage, decode, prefill):
    return best_pools(stage.model, decode, prefill, (stage.ground.request.objective,))


def best_keys(stage, decode, prefill):
    """The best figure of each option among all pairs of two pools."""
    found = Outcomes.concatenate([Outcomes.none(DeploymentColumns.of(ServingColumns.none())), *stage.disaggregated(decode, prefill)])
    key, option = objective_key(found, stage.ground.request.objective), groups(found.columns)
    return {int(one): float(key[option == one].min()) for one in np.unique(option)}


@pytest.mark.parametrize("seed", range(42))
def test_the_pairs_of_undominated_pools_hold_the_best_of_all_pairs(seed):
    stage = stage_for(seed)
    decode, prefill = all_pools(stage)
    every, few = best_keys(stage, decode, prefill), best_keys(stage, *pruned(stage, decode, prefill))
    finite = {option for option, key in every.items() if np.isfinite(key)}
    assert finite == {option for option, key in few.items() if np.isfinite(key)}
    for option in finite:
        assert few[option] == pytest.approx(every[option], rel=1e-9)


def test_pools_are_joined_whole():
    decode, prefill = all_pools(stage_for(1))
    joined = Pool.concatenate(pool for pool in (decode, prefill, decode.take(np.arange(1))))
    assert np.array_equal(joined.seconds, np.concatenate([decode.seconds, prefill.seconds, decode.seconds[:1]]))
    assert np.array_equal(joined.columns.tp, np.concatenate([decode.columns.tp, prefill.columns.tp, decode.columns.tp[:1]]))


def test_prefill_is_sized_with_and_without_time_for_the_decode_step():
    workload = {"kind": "serving", "deployment": "disaggregated", "ttft_s": 0.6, "tpot_s": 0.2}
    stage = stage_for(0, model="llama3.1-8b", workload=workload, limits={"accelerators": ["nvidia-l40s"], "max_devices": 64})
    _, prefill = all_pools(stage)
    half = len(prefill) // 2
    assert np.array_equal(prefill.columns.tp[:half], prefill.columns.tp[half:])
    assert (prefill.capacity_per_s[:half] <= prefill.capacity_per_s[half:] + 1e-12).all()
    assert (prefill.capacity_per_s[:half] < prefill.capacity_per_s[half:]).any()


@pytest.mark.parametrize("seed", range(8))
def test_pairs_join_one_vendor_and_formats_and_are_counted(seed):
    stage = stage_for(seed, limits={"accelerators": ["nvidia-l40s", "nvidia-h100-sxm-80gb", "amd-mi300x"], "max_devices": 8})
    decode, prefill = all_pools(stage)
    left, right = pairs(stage.model, decode, prefill)
    assert len(left) == pair_count(stage.model, decode, prefill)
    hardware, ids = stage.ground.hardware, stage.ground.platforms.accelerator_id
    vendors = np.array([hardware.accelerators[id_].vendor for id_ in ids])
    here, there = decode.columns.take(left), prefill.columns.take(right)
    assert (vendors[here.platform] == vendors[there.platform]).all()
    assert (here.precision == there.precision).all()
    assert (here.kv_precision == there.kv_precision).all()
    expected = sum(
        int((vendors[prefill.columns.platform] == vendors[p])[(prefill.columns.precision == w) & (prefill.columns.kv_precision == k)].sum())
        for p, w, k in zip(decode.columns.platform, decode.columns.precision, decode.columns.kv_precision, strict=True)
    )
    assert len(left) == expected


@pytest.mark.parametrize("acquisition", ["buy", "rent"])
def test_a_pair_of_two_chips_costs_and_draws_what_its_parts_do(acquisition):
    changes = {"limits": {"accelerators": ["nvidia-l40s", "nvidia-h100-sxm-80gb"], "max_devices": 64}, "site": {"acquisition": acquisition}}
    stage = stage_for(0, model="llama3.1-8b", **changes)
    decode, prefill = pruned(stage, *all_pools(stage))
    left, right = pairs(stage.model, decode, prefill)
    here, there = decode.take(left), prefill.take(right)
    apart = here.columns.platform != there.columns.platform
    here, there = here.take(apart), there.take(apart)
    whole = Clusters.of(stage.ground, DeploymentColumns.of(here.columns, there.columns, there.replicas), here.replicas)
    money = whole.charges(stage.ground)
    parts = []
    for cluster in (whole.first, whole.second):
        held = stage.ground.holdings(cluster.platform, cluster.devices, whole.apart)
        rent, request = stage.ground.rent_usd_per_h[cluster.platform], stage.ground.request
        period = np.full(len(here), request.site.years * 8760 * 3600.0)
        parts.append(charges(held, cluster.devices, cluster.used, rent, period, request.site, request.assumptions))
    assert len(here)
    for figure in ("total_usd", "facility_w", "rated_facility_w", "energy_kwh", "capital_usd"):
        assert getattr(money, figure) == pytest.approx(sum(getattr(part, figure) for part in parts))


@pytest.mark.parametrize("seed", range(12))
def test_decode_that_no_prompt_disturbs_is_never_slower_than_the_same_batch_with_prompts(seed):
    stage = stage_for(seed)
    cells = stage.model.cells(0)
    replicas = stage.model.replicas(cells)
    every = np.ones(len(cells), dtype=bool)
    for batch in (1, 7, 64):
        column = np.full(len(cells), batch, dtype=np.int32)
        steps = replicas.steps(column)
        together = replicas.rates(steps, column)
        alone = replicas.without_prompts(every)
        apart = alone.rates(alone.steps(column), column)
        assert (apart.tpot_s <= together.tpot_s * (1 + 1e-12)).all()
        assert (apart.tpot_s <= steps.decode.total_s * (1 + 1e-12)).all()


@pytest.mark.parametrize("seed", range(20))
def test_every_feasible_pair_keeps_the_limits_with_both_pools_at_the_peak(seed):
    stage = stage_for(seed)
    model = stage.model
    found = Outcomes.concatenate(
        [Outcomes.none(DeploymentColumns.of(ServingColumns.none())), *stage.disaggregated(*pruned(stage, *all_pools(stage)))]
    )
    good = found.take(found.feasible)
    running = Running.of(model, good.columns, good.replicas)
    peak, share = model.peak_requests_per_s, model.workload.utilisation_limit
    assert (running.rates.ttft_s <= model.workload.ttft_s * (1 + 1e-9)).all()
    assert (running.rates.tpot_s <= model.workload.tpot_s * (1 + 1e-9)).all()
    assert (running.memory_share <= 1 + 1e-9).all()
    assert (good.capacity_per_s * good.replicas * share >= peak * (1 - 1e-6)).all()
    assert (running.rates.requests_per_s * good.replicas >= peak * (1 - 1e-9)).all()
    assert (running.prefill_capacity_per_s * good.columns.prefill_replicas * share >= peak * (1 - 1e-6)).all()
    assert np.allclose(running.rates.end_to_end_s, good.time_s)


@pytest.mark.parametrize("seed", range(6))
def test_the_exact_clusters_of_a_pair_cost_no_less_than_the_search_counted(seed):
    changes = {"limits": {"accelerators": ["nvidia-l40s", "nvidia-h100-sxm-80gb"], "max_devices": 256}, "site": {"acquisition": "buy"}}
    stage = stage_for(seed, model="llama3.1-8b", objective="cost", **changes)
    survivors, _ = stage.search(BestOfEach.of("cost", len(stage.ground.precisions)), lambda share: None)
    exact, _ = stage.exact(survivors)
    assert (exact.cost_usd >= survivors.cost_usd * (1 - 1e-9)).all()
    assert (exact.facility_w >= survivors.facility_w * (1 - 1e-9)).all()


def answered(**changes):
    raw = {
        "model": "llama3.1-70b",
        "workload": {"kind": "serving", "requests_per_s": 20, "deployment": "disaggregated"},
        "limits": {"accelerators": ["nvidia-l40s", "nvidia-h100-sxm-80gb"]},
        "site": {"acquisition": "buy"},
    } | changes
    return plan(PlanRequest.parse(raw))


def test_a_disaggregated_plan_shows_both_parts_and_one_bill():
    plan_ = answered()
    found = plan_.recommendations
    assert any(assumption.field == "workload.deployment" and "not in the bill" in assumption.source for assumption in plan_.assumptions)
    apart = [option for option in found if option.prefill and option.prefill.accelerator_id != option.accelerator_id]
    assert all(option.prefill for option in found)
    for option in apart:
        pieces = {line.catalog_id: line.quantity for line in option.bill if line.part in {"server", "accelerator"}}
        assert sum(line.subtotal_usd or 0 for line in option.bill) == pytest.approx(option.cost.capital_usd)
        assert option.devices > option.prefill.devices > 0
        assert option.servers > option.prefill.servers > 0
        assert option.fabric
        assert option.prefill.fabric
        assert any("nic" in line.part or "switch" in line.part for line in option.bill), pieces
    assert apart


def test_replicas_of_one_chip_share_servers():
    option = answered(limits={"accelerators": ["nvidia-h100-sxm-80gb"]}).recommendations[0]
    assert option.prefill
    assert option.prefill.servers == 0
    assert option.prefill.fabric is None
    assert option.devices % 8 == 0
    assert option.servers == option.devices // 8


def test_stock_is_taken_once_by_two_clusters():
    stocked = answered(stock=[{"id": "nvidia-l40s", "quantity": 4}, {"id": "dgx-h100", "quantity": 1}])
    for option in stocked.recommendations:
        owned = {line.catalog_id: line.quantity for line in option.bill if line.price_basis == "stock"}
        assert owned.get("nvidia-l40s", 0) <= 4
        assert owned.get("dgx-h100", 0) <= 1


def test_aggregated_and_disaggregated_search_make_up_auto():
    apart, together, both = (
        answered(workload={"kind": "serving", "requests_per_s": 20, "deployment": kind}) for kind in ("disaggregated", "aggregated", "auto")
    )
    costs = {kind: [round(option.cost.total_usd) for option in found.recommendations] for kind, found in (("a", apart), ("t", together))}
    assert sorted(costs["a"] + costs["t"]) == sorted(round(option.cost.total_usd) for option in both.recommendations)
    assert both.search.feasible == apart.search.feasible + together.search.feasible


def test_where_no_pair_fits_the_nearest_miss_is_named():
    found = answered(workload={"kind": "serving", "requests_per_s": 20, "deployment": "disaggregated", "ttft_s": 0.05})
    assert not found.recommendations
    assert {miss.accelerator_id for miss in found.search.nearest} == {"nvidia-l40s", "nvidia-h100-sxm-80gb"}
    assert {miss.reason for miss in found.search.nearest} == {"ttft"}
    eased = max(miss.change["workload.ttft_s"] for miss in found.search.nearest)
    workload = {"kind": "serving", "requests_per_s": 20, "deployment": "disaggregated", "ttft_s": eased}
    assert answered(workload=workload).recommendations
    large = answered(model="llama3.1-405b", precisions=["bf16"], limits={"accelerators": ["nvidia-l4"], "max_devices": 8})
    assert [miss.reason for miss in large.search.nearest] == ["memory"]
