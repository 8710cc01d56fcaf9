"""The cluster room inside plans: stock, an existing room, the chosen fabric; bills that add up and come back from their CSV."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.main import main
from facts.errors import RackwrightError
from planner import PlanRequest, decode_link, default_library, encode_link, plan
from planner.admission import admitted
from planner.answer import FabricNetwork
from planner.cluster.bill import FROM_STOCK
from planner.cluster.design import ClusterOptions, design_cluster
from planner.cluster.host import training_memory_bytes
from planner.cluster.network import link_finder
from planner.cluster.racks import ROOM_LIMITS
from planner.cluster.templates import templates
from planner.exact import RACK_PARTS, SERVER_PARTS
from planner.goals import BestOfEach, groups
from planner.ground import existing_room, ground
from planner.outcomes import objective_key
from planner.request import FabricChoice, Limits
from planner.search import training_space
from planner.search.columns import TrainingColumns
from planner.subject import subject
from planner.training.model import TrainedModel
from planner.training.search import TrainingSearch
from texts.words import COOLING, FAILURES, NETWORKS

LIBRARY = default_library()
HARDWARE = LIBRARY.hardware
FIND_LINK = link_finder(HARDWARE)
IDS = sorted(admitted(Limits(statuses=("available", "announced", "legacy")), HARDWARE)[0])
H100, MI300X = "nvidia-h100-sxm-80gb", "amd-mi300x"


def training(**changes):
    workload = {"kind": "training", "tokens": 2e11, "deadline_days": 30} | changes.pop("workload", {})
    limits = {"max_devices": 512, "accelerators": [H100, MI300X]} | changes.pop("limits", {})
    return PlanRequest.parse({"model": "llama3.1-8b", "site": {"acquisition": "buy"}, "workload": workload, "limits": limits} | changes)


def serving(**changes):
    raw = {"model": "llama3.1-70b", "workload": {"kind": "serving", "requests_per_s": 200}, "site": {"acquisition": "buy"}}
    return PlanRequest.parse(raw | {"limits": {"accelerators": [H100, MI300X, "nvidia-l40s"]}} | changes)


@cache
def answered(request):
    return plan(request)


def first(request):
    return answered(request).recommendations[0]


def on(request):
    considered, _ = admitted(request.limits, HARDWARE)
    return ground(request, subject(request, LIBRARY.models), HARDWARE, considered)


# The closed form stays a bound, whatever is owned, asked for and there


stocks = st.dictionaries(
    st.sampled_from(
        [
            "dgx-h100",
            "mi300x-node",
            "pcie-8gpu-host",
            H100,
            "nvidia-l40s",
            "qm9700",
            "sn4600",
            "sn2201",
            "price-rack",
            "price-cdu",
            "price-class-ddr5-96g",
        ]
    ),
    st.integers(1, 3_000),
    max_size=4,
)
rooms = st.fixed_dictionaries(
    {
        "racks": st.none() | st.integers(1, 500),
        "rack_units": st.none() | st.integers(4, 52),
        "rack_w": st.none() | st.floats(5e3, 3e5),
        "feed_a_w": st.none() | st.floats(1e4, 1e8),
        "feed_b_w": st.none() | st.floats(1e4, 1e8),
        "liquid": st.sampled_from([None, True, False]),
    }
)
fabrics = st.fixed_dictionaries(
    {
        "technology": st.sampled_from(["auto", "infiniband", "roce", "spectrum-x"]),
        "oversubscription": st.sampled_from([1, 1.5, 2, 3, 7]),
        "planes": st.integers(1, 4),
        "rail_optimised": st.booleans(),
    }
)


@settings(max_examples=150)
@given(st.sampled_from(IDS), st.integers(1, 8_000), stocks, rooms, fabrics)
def test_the_closed_form_never_exceeds_the_exact_bill(accelerator, devices, stock, room, fabric):
    request = PlanRequest.parse(
        {
            "model": "llama3.1-8b",
            "workload": {"kind": "training"},
            "limits": {"accelerators": [accelerator]},
            "stock": [{"id": id_, "quantity": quantity} for id_, quantity in stock.items()],
            "room": room,
            "fabric": fabric,
        }
    )
    stands = on(request)
    options = ClusterOptions(
        networks={"compute": stands.compute[0]} if stands.compute else {},
        stock=stock,
        room=existing_room(request.room),
        host_memory_bytes=training_memory_bytes(float(stands.platforms.memory_bytes[0] * stands.platforms.devices_per_server[0])),
    )
    exact = design_cluster(HARDWARE, accelerator, devices, options, FIND_LINK)
    closed = stands.holdings(np.array([0]), np.array([exact.devices]))
    alone = stands.servers_alone(np.array([0]), np.array([exact.devices]))
    assert closed.capital_usd[0] <= exact.totals.typical_usd * (1 + 1e-9) + 1e-6
    assert alone.servers_usd[0] <= closed.servers_usd[0] * (1 + 1e-9) + 1e-6
    assert closed.network_w[0] <= sum(line.quantity * (line.unit_power_w or 0.0) for line in exact.bill) * (1 + 1e-9)
    assert not closed.at_least[0] or exact.at_least
    assert all(bound <= used * (1 + 1e-9) for bound, used in zip(closed.room_used[0], exact.room_used, strict=True))


def test_servers_cards_and_memory_of_the_closed_form_are_those_of_the_bill():
    owned = {"pcie-8gpu-host": 2, "nvidia-l40s": 20}
    request = PlanRequest.parse(
        {
            "model": "llama3.1-8b",
            "workload": {"kind": "training"},
            "limits": {"accelerators": ["nvidia-l40s"]},
            "stock": [{"id": id_, "quantity": quantity} for id_, quantity in owned.items()],
        }
    )
    needed = training_memory_bytes(8 * HARDWARE.accelerators["nvidia-l40s"].memory_bytes)
    bill = design_cluster(HARDWARE, "nvidia-l40s", 32, ClusterOptions(stock=owned, host_memory_bytes=needed), FIND_LINK).bill
    servers_usd = sum(line.subtotal_usd for line in bill if line.part in SERVER_PARTS)
    assert on(request).holdings(np.array([0]), np.array([32])).servers_usd[0] == pytest.approx(servers_usd)


# Stock


def test_what_the_catalog_does_not_know_cannot_be_in_stock():
    with pytest.raises(RackwrightError) as caught:
        plan(training(stock=[{"id": "dgx-h10", "quantity": 4}, {"id": "qm9700", "quantity": 1}]))
    (fault,) = caught.value.faults
    assert (fault.code, fault.field, fault.hint[:4]) == ("unknown_id", "stock", "dgx-")


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 1e9])
def test_the_quantity_in_stock_is_a_bounded_whole_number(quantity):
    with pytest.raises(RackwrightError):
        training(stock=[{"id": "dgx-h100", "quantity": quantity}])


def test_owned_servers_are_used_first_and_not_bought_again():
    plain, owner = answered(training()), answered(training(stock=[{"id": "dgx-h100", "quantity": 64}]))
    assert plain.recommendations[0].accelerator_id == MI300X
    best = owner.recommendations[0]
    assert best.accelerator_id == H100
    lines = [line for line in best.bill if line.catalog_id == "dgx-h100"]
    assert [(line.price_basis, line.subtotal_usd, line.quantity) for line in lines] == [(FROM_STOCK, 0.0, best.servers)]
    before = next(item for item in plain.recommendations if item.accelerator_id == H100)
    assert best.cost.total_usd < before.cost.total_usd
    assert best.power.rated_facility_w > 0


def test_a_single_owned_switch_lowers_the_bill_by_its_price_and_no_power():
    request = training(workload={"devices": 256}, limits={"accelerators": [H100]})
    owner = request.model_copy(update={"stock": training(stock=[{"id": "qm9700", "quantity": 1}]).stock})
    bought, helped = first(request), first(owner)
    assert bought.cost.capital_usd - helped.cost.capital_usd == pytest.approx(HARDWARE.switches["qm9700"].price.typical_usd)
    assert helped.power == bought.power


@pytest.mark.parametrize("objective", ["cost", "power"])
def test_the_search_with_stock_finds_what_enumeration_finds(objective):
    request = training(
        workload={"tokens": 1e10, "global_batch_tokens": 1_048_576},
        limits={"max_devices": 32},
        stock=[{"id": "dgx-h100", "quantity": 2}, {"id": "qm9700", "quantity": 1}],
        objective=objective,
        site={"acquisition": "best"},
    )
    stands = on(request)
    model = TrainedModel.on(stands, LIBRARY.training_efficiency.on(stands.platforms))
    search = TrainingSearch.of(model, BestOfEach.of(objective, len(stands.precisions)))
    parts = []
    for platform in range(len(stands.precisions)):
        layouts, choices = search.layouts(platform), training_space.Choices.of(search.shape, model.workload)
        layout, choice = np.nonzero(layouts.devices[:, None] * choices.pp <= search.counts.max())
        cells = choices.cells(layouts.take(layout), choice)
        _, placed = training_space.with_counts(
            cells, search.counts, np.ones(len(cells), dtype=np.int32), np.full(len(cells), 32, dtype=np.int32)
        )
        parts.append(placed.take(training_space.has_shards(placed, model.workload)))
    candidates = TrainingColumns.concatenate(parts)
    best = np.full(len(search.goal.best), np.inf)
    outcomes = model.evaluate(candidates, model.memory_bytes(candidates)).outcomes
    np.minimum.at(best, groups(candidates), objective_key(outcomes, objective))
    search.run(lambda share: None)
    assert np.allclose(search.goal.best, best, rtol=1e-12)


# The room


def test_without_limits_the_room_costs_the_search_nothing():
    assert on(training()).infrastructure.room_used_by_one.shape[1] == 0


def test_what_is_bought_stands_in_the_room():
    room = {"racks": 12, "rack_w": 22e3, "feed_a_w": 250e3, "feed_b_w": 200e3, "liquid": False}
    answer = answered(training(room=room, workload={"deadline_days": 60}, limits={"accelerators": []}))
    assert answer.recommendations
    for item in answer.recommendations:
        racks = item.fabric.racks
        assert racks.racks <= 12
        assert racks.fullest_rack_w <= 22e3
        assert racks.it_w <= 200e3
        assert racks.liquid_w == 0
        assert all(share >= -1e-9 for share in item.headroom.values())
        assert {"room_racks", "room_power"} <= item.headroom.keys()
    assert {reason for reason in answer.search.rejected if reason.startswith("room_")} >= {"room_power", "room_liquid"}


def test_what_does_not_fit_into_the_room_is_rented_where_that_is_open():
    room = {"racks": 1, "feed_a_w": 5e3}
    closed, open_ = answered(training(room=room)), answered(training(room=room, site={"acquisition": "best"}))
    assert not closed.recommendations
    assert {item.cost.acquisition for item in open_.recommendations} == {"rent"}


@pytest.mark.parametrize(
    ("room", "reason"),
    [
        ({"racks": 1}, "room_racks"),
        ({"rack_units": 2}, "room_rack_units"),
        ({"rack_w": 5e3}, "room_rack_power"),
        ({"feed_a_w": 2e4}, "room_power"),
        ({"feed_a_w": 2e4, "feed_b_w": 3e4}, "room_power"),
    ],
)
def test_the_smallest_change_of_the_room_makes_something_fit(room, reason):
    request = training(room=room, workload={"devices": 64})
    answer = answered(request)
    assert not answer.recommendations
    nearest = answer.search.nearest[0]
    assert nearest.reason == reason
    assert nearest.change
    raw = request.model_dump(mode="json")
    for path, value in nearest.change.items():
        group, name = path.split(".")
        raw[group][name] = value
    assert plan(PlanRequest.parse(raw)).recommendations


def test_missing_liquid_cooling_is_named():
    answer = answered(training(room={"liquid": False}, limits={"accelerators": ["amd-mi355x"]}))
    assert not answer.recommendations
    assert answer.search.nearest[0].reason == "room_liquid"


# The fabric


def compute(item):
    return next(network for network in item.fabric.networks if network.name == "compute")


BIG = {"workload": {"devices": 512, "tokens": 2e12, "deadline_days": 300}, "limits": {"accelerators": [H100]}}


def test_oversubscription_saves_switches_and_slows_what_leaves_a_leaf():
    free, shared = (first(training(fabric={"oversubscription": ratio}, **BIG)) for ratio in (1, 7))
    assert compute(shared).oversubscription > 3
    assert compute(free).oversubscription == 1
    assert compute(shared).bisection_bytes_per_s < compute(free).bisection_bytes_per_s
    assert sum(line.quantity for line in shared.bill if line.part == "compute_switch") < sum(
        line.quantity for line in free.bill if line.part == "compute_switch"
    )
    assert shared.performance.tokens_per_s < free.performance.tokens_per_s


@pytest.mark.parametrize("technology", ["infiniband", "roce", "spectrum-x"])
def test_the_technology_asked_for_is_built(technology):
    assert compute(first(training(fabric={"technology": technology}, **BIG))).switch_id in templates().fabrics[technology].switches


def test_planes_share_the_rate_and_one_may_fail():
    one, two = (compute(first(training(fabric={"planes": planes}, **BIG))) for planes in (1, 2))
    assert (one.planes, two.planes) == (1, 2)
    assert two.planes * two.endpoint_bytes_per_s == one.endpoint_bytes_per_s
    assert two.bisection_bytes_per_s == one.bisection_bytes_per_s
    assert one.after_failure["plane"].cut_off == one.endpoints
    assert two.after_failure["plane"].cut_off == 0
    assert two.after_failure["plane"].endpoint_rate == 0.5


# The answer


REQUESTS = st.one_of(
    st.builds(
        lambda tokens, fabric, stock: training(workload={"tokens": tokens}, fabric=fabric, stock=stock),
        st.sampled_from([1e10, 1e12]),
        fabrics,
        st.just([]) | st.just([{"id": "dgx-h100", "quantity": 3}, {"id": "qm9700", "quantity": 2}]),
    ),
    st.builds(lambda fabric: serving(fabric=fabric), fabrics),
)


@settings(max_examples=15)
@given(REQUESTS)
def test_capital_is_exactly_the_sum_of_the_bill_and_network_power_that_of_its_lines(request_):
    answer = plan(request_)
    assert answer.recommendations
    for item in answer.recommendations:
        assert item.cost.acquisition == "buy"
        assert item.cost.capital_usd == math.fsum(line.subtotal_usd for line in item.bill if line.subtotal_usd is not None)
        network = [line for line in item.bill if line.part not in SERVER_PARTS | RACK_PARTS]
        rated_w = math.fsum(line.quantity * (line.unit_power_w or 0.0) for line in network)
        share = request_.assumptions.power_share
        assert item.power.it_parts_w["network"] == pytest.approx(share * rated_w)
        if item.power.it_w is not None:
            all_w = math.fsum(line.quantity * (line.unit_power_w or 0.0) for line in item.bill)
            assert item.power.it_w == pytest.approx(share * all_w)
            assert sum(built.racks.it_w for built, _ in clusters(item)) == pytest.approx(all_w)


def clusters(item):
    """Fabric and servers of what decodes or trains, and of what prefills on other accelerators."""
    part = item.prefill
    if part is None or part.fabric is None:
        return [(item.fabric, item.servers)]
    return [(item.fabric, item.servers - part.servers), (part.fabric, part.servers)]


def test_networks_and_hosts_of_the_answer_are_those_of_its_bill():
    for item in (*answered(training(**BIG)).recommendations, *answered(serving()).recommendations):
        built = clusters(item)
        for name in {network.name for fabric, _ in built for network in fabric.networks}:
            switches = [(n.leaves + n.spines + n.cores) for fabric, _ in built for n in fabric.networks if n.name == name]
            assert sum(switches) == sum(line.quantity for line in item.bill if line.part == f"{name}_switch")
        for network in (network for fabric, _ in built for network in fabric.networks):
            assert network.latency_s > 0
            assert network.bisection_bytes_per_s > 0
            assert network.free_ports >= 0
            assert {"link", "leaf", "plane"} <= network.after_failure.keys()
        modules = sum(servers * fabric.host.memory_modules for fabric, servers in built)
        drives = sum(servers * fabric.host.drives for fabric, servers in built)
        assert sum(line.quantity for line in item.bill if line.part == "memory") == modules
        assert sum(line.quantity for line in item.bill if line.part == "drive") == drives


def test_a_training_host_holds_twice_its_device_memory():
    """Eight MI300X of 192 GB: 3,072 GB beside the 2,304 GiB that the node is sold with."""
    host = first(training(limits={"accelerators": [MI300X]})).fabric.host
    assert host.memory_needed_bytes == 2 * 8 * HARDWARE.accelerators[MI300X].memory_bytes
    assert host.memory_included_bytes + host.memory_added_bytes >= host.memory_needed_bytes


def test_a_serving_host_holds_the_weights_of_its_replica():
    item = first(serving())
    assert 64e9 < item.fabric.host.memory_needed_bytes < 64e9 + 2 * 80e9
    assert item.fabric.host.drives_needed_bytes == item.fabric.host.memory_needed_bytes - 64e9


def test_what_is_rented_has_no_fabric():
    answer = answered(training(site={"acquisition": "rent"}))
    assert answer.recommendations
    assert all(item.fabric is None and item.bill == () and item.cost.capital_usd == 0 for item in answer.recommendations)


def test_every_code_of_a_fabric_has_a_word():
    rules = templates().racks
    assert {*rules.air, *rules.liquid} == COOLING.keys()
    assert set(FabricNetwork.model_fields["name"].annotation.__args__) == NETWORKS.keys()
    assert set(compute(first(training(**BIG))).after_failure) <= FAILURES.keys()
    assert len(ROOM_LIMITS) == 5


# Files and links


def test_a_bill_agrees_with_itself(tmp_path, capsys):
    request, bill = tmp_path / "request.yaml", tmp_path / "bill.csv"
    asked = training(stock=[{"id": "dgx-h100", "quantity": 3}], **BIG)
    request.write_text(
        yaml.safe_dump(asked.model_dump(mode="json", exclude_defaults=True) | {"workload": asked.workload.model_dump(mode="json")}),
        encoding="utf-8",
    )
    assert main(["plan", str(request), "--bill", "--format", "csv"]) == 0
    bill.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["bill", "compare", str(bill), "--bill", str(bill), "--format", "csv"]) == 0
    found = capsys.readouterr().out
    assert "as planned" in found
    assert "dgx-h100,as planned" in found
    assert main(["bill", "compare", str(bill), "--bill", str(bill), "--rank", "999"]) == 2


@given(stocks, rooms, fabrics)
def test_stock_room_and_fabric_survive_the_link(stock, room, fabric):
    request = training(stock=[{"id": id_, "quantity": quantity} for id_, quantity in stock.items()], room=room, fabric=fabric)
    assert decode_link(encode_link(request)).request == request


def test_the_table_for_people_names_switches_and_racks(tmp_path, capsys):
    path = Path(tmp_path / "request.yaml")
    path.write_text(
        "model: llama3.1-8b\nworkload: {kind: training, tokens: 2e+12, devices: 512, deadline_days: 300}\nsite: {acquisition: buy}\nlimits: {accelerators: [nvidia-h100-sxm-80gb]}\n",
        encoding="utf-8",
    )
    assert main(["plan", str(path)]) == 0
    assert "Option 1: 24 × qm9700, tiers: 2, oversubscription: 1; racks:" in capsys.readouterr().out


def test_the_request_of_the_guide_is_answered():
    guide = Path(__file__).parents[2].joinpath("docs", "guides", "room.md").read_text(encoding="utf-8")
    request = PlanRequest.parse(yaml.safe_load(guide.split("```yaml")[1].split("```")[0]))
    assert {owned.id for owned in request.stock} == {"dgx-h100", "qm9700"}
    assert None not in request.room.model_dump().values()
    assert any(item.fabric for item in plan(request).recommendations)


def test_every_technology_that_can_be_asked_for_has_a_template():
    asked = set(FabricChoice.model_fields["technology"].annotation.__args__) - {"auto"}
    assert asked <= templates().fabrics.keys()
