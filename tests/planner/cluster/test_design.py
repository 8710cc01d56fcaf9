"""The exact design: its bill adds up, limits hold, what is there already is not bought again."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_db import load_hardware
from planner.cluster.bill import FROM_STOCK, bill_totals
from planner.cluster.design import ClusterOptions, design_cluster
from planner.cluster.infrastructure import infrastructure
from planner.cluster.network import link_finder
from planner.cluster.platform import platforms
from planner.cluster.racks import Room
from planner.cluster.templates import templates

HARDWARE = load_hardware()
FIND_LINK = link_finder(HARDWARE)
H100 = "nvidia-h100-sxm-80gb"
IDS = sorted(id_ for id_, chip in HARDWARE.accelerators.items() if chip.server_id)
accelerators = st.sampled_from(IDS)
device_counts = st.integers(1, 20_000)


def design(accelerator=H100, devices=1024, **options):
    return design_cluster(HARDWARE, accelerator, devices, ClusterOptions(**options), FIND_LINK)


def quantity(of, part):
    return sum(line.quantity for line in of.bill if line.part == part)


def test_1024_h100_need_the_fabric_of_the_superpod():
    """DGX SuperPOD, 4 units of 32 nodes: 32 leaves, 16 spines, 1,024 links on each tier."""
    compute = design().networks[0]
    assert (compute.name, compute.leaves, compute.spines, compute.links) == ("compute", 32, 16, (1024, 1024, 0))
    assert compute.bisection_bytes_per_s == 512 * 50e9
    assert compute.hops == 3
    assert quantity(design(), "server") == 128


def test_every_network_states_speed_latency_reliability_and_room_to_grow():
    network = design(devices=1000).networks[0]
    assert network.latency_s == sum(network.latency_parts_s.values())
    assert 1e-6 < network.latency_s < 1e-5
    assert network.free_ports == network.leaves * 32 - 1000
    assert network.most_endpoints == 2048
    assert network.remaining["spine"].bisection == 1 - 1 / network.spines
    assert network.remaining["link"].cut_off == 1


def test_a_single_server_needs_no_network_of_its_own():
    alone = design(devices=8)
    assert alone.networks == ()
    assert {line.part for line in alone.bill} == {"server", "rack", "pdu"}


def test_cards_stand_beside_a_host_that_is_sold_without():
    cards = design("nvidia-l40s", 16)
    assert quantity(cards, "accelerator") == 16
    assert quantity(cards, "server") == 2
    assert quantity(cards, "compute_nic") > 0


def test_a_fabric_without_a_fast_enough_switch_is_to_be_quoted():
    """No switch of the catalog has ports of 1.6 Tb/s."""
    unknown = design("nvidia-vr200-nvl72", 144)
    assert unknown.totals.at_least
    assert "compute" not in {network.name for network in unknown.networks}


def test_storage_servers_bring_their_network():
    with_storage = design(storage_servers={"storage-server-2u-flash": 8})
    (storage,) = (network for network in with_storage.networks if network.name == "storage")
    assert storage.endpoints == 128 * 2 + 8 * 2
    assert quantity(with_storage, "storage_server") == 8
    assert "storage" not in {network.name for network in design().networks}


def test_memory_and_drives_are_added_to_what_a_server_has():
    server = HARDWARE.servers["dgx-h100"]
    plain = design(devices=16, host_memory_bytes=server.host_dram_bytes)
    more = design(devices=16, host_memory_bytes=server.host_dram_bytes + 1e12, local_drive_bytes=100e12)
    assert plain.memory is None
    assert more.memory.size_bytes >= 1e12
    assert more.memory.quantity % (2 * 8) == 0  # two sockets, eight channels each
    assert quantity(more, "drive") == 2 * more.drives.quantity
    assert more.totals.typical_usd > plain.totals.typical_usd


# The bill


@settings(max_examples=60)
@given(accelerators, device_counts)
def test_totals_are_the_sum_of_the_bill(accelerator, devices):
    whole = design(accelerator, devices)
    assert whole.totals == bill_totals(whole.bill)
    assert whole.totals.typical_usd == math.fsum(line.subtotal_usd for line in whole.bill if line.subtotal_usd is not None)
    assert whole.totals.low_usd <= whole.totals.typical_usd <= whole.totals.high_usd
    assert whole.totals.at_least == any(line.subtotal_usd is None for line in whole.bill)
    for line in whole.bill:
        assert line.quantity == int(line.quantity) > 0
        assert line.price_basis
        assert (line.unit_typical_usd is None) == (line.subtotal_usd is None)
        assert line.subtotal_usd is None or line.subtotal_usd == line.quantity * line.unit_typical_usd


@settings(max_examples=60)
@given(accelerators, device_counts, st.integers(1, 2000))
def test_more_devices_never_need_fewer_switches_racks_or_dollars(accelerator, devices, more):
    small, large = design(accelerator, devices), design(accelerator, devices + more)
    for part in ("compute_switch", "front_end_switch", "management_switch", "server", "rack"):
        assert quantity(large, part) >= quantity(small, part)
    assert large.totals.typical_usd >= small.totals.typical_usd
    assert large.totals.w >= small.totals.w


@settings(max_examples=40)
@given(
    accelerators,
    st.integers(2, 2000),
    st.dictionaries(st.sampled_from(["dgx-h100", "qm9700", "aoc-400", "price-rack"]), st.integers(0, 300)),
)
def test_stock_is_used_first_and_costs_nothing(accelerator, devices, stock):
    bought, helped = design(accelerator, devices), design(accelerator, devices, stock=stock)
    needed = {id_: sum(line.quantity for line in bought.bill if line.catalog_id == id_) for id_ in stock}
    for id_, pieces in stock.items():
        owned = sum(line.quantity for line in helped.bill if line.catalog_id == id_ and line.price_basis == FROM_STOCK)
        assert owned == min(pieces, needed[id_])
    assert sum(line.quantity for line in helped.bill) == sum(line.quantity for line in bought.bill)
    assert helped.totals.typical_usd <= bought.totals.typical_usd
    assert helped.totals.w == pytest.approx(bought.totals.w)


def test_the_askers_own_price_wins():
    own = design(prices={"qm9700": 1000.0})
    (line,) = (line for line in own.bill if line.catalog_id == "qm9700")
    assert (line.unit_typical_usd, line.price_basis) == (1000.0, "own")


# The room


rooms = st.builds(
    Room,
    racks=st.none() | st.integers(1, 200),
    units_per_rack=st.none() | st.integers(8, 52),
    rack_w=st.none() | st.floats(5e3, 3e5),
    feeds_w=st.lists(st.floats(1e5, 1e8), max_size=2).map(tuple),
    liquid=st.booleans(),
)


@settings(max_examples=100)
@given(accelerators, st.integers(1, 2000), rooms)
def test_every_limit_of_a_room_is_kept_or_named(accelerator, devices, room):
    whole = design(accelerator, devices, room=room)
    racks = whole.racks
    kept = {
        "room_racks": room.racks is None or racks.racks <= room.racks,
        "room_rack_power": racks.fullest_rack_w <= min(room.rack_w or math.inf, racks.rack_limit_w) * (1 + 1e-9),
        "room_power": racks.w <= min(room.feeds_w, default=math.inf) * (1 + 1e-9),
        "room_liquid": room.liquid or racks.liquid_w == 0,
    }
    named = {fault.code for fault in whole.faults}
    assert {code for code, held in kept.items() if not held} <= named
    assert named & set(kept) == {code for code, held in kept.items() if not held}


def test_two_feeds_carry_what_the_smaller_one_does():
    assert Room(feeds_w=(3e5, 2e5)).power_w == 2e5
    tight = design(devices=256, room=Room(feeds_w=(3e5, 2e5)))
    assert "room_power" in {fault.code for fault in tight.faults}


# The closed form


PLATFORMS = platforms(HARDWARE, IDS)
CLOSED = infrastructure(HARDWARE, PLATFORMS)
MODULES_ROUNDED = 2 * 3 * 2  # of two networks, three kinds of link, an end each


@settings(max_examples=150)
@given(st.integers(0, len(IDS) - 1), device_counts)
def test_the_closed_form_is_a_bound_below_the_design_and_close_to_it(row, devices):
    """Below by at most 1 % and the pieces that are rounded up: one management switch, one rack with its distribution, modules."""
    exact = design(IDS[row], devices)
    closed = CLOSED.per_device(np.array([row]), np.array([devices]))
    usd = (closed.server_usd + closed.network_usd + closed.rack_usd)[0] * exact.devices
    rules = templates()
    shelf = (
        HARDWARE.switches[rules.management.switch_id],
        HARDWARE.facility_parts[rules.racks.rack_id],
        HARDWARE.facility_parts[rules.racks.pdu_id],
    )
    modules = MODULES_ROUNDED * max(part.price.high_usd for part in HARDWARE.transceivers.values() if part.price)
    for bound, total, level in zip(
        usd, (exact.totals.low_usd, exact.totals.typical_usd, exact.totals.high_usd), ("low", "typical", "high"), strict=True
    ):
        rounded = sum(getattr(part.price, f"{level}_usd") * (1 if part is shelf[0] else 3) for part in shelf) + modules
        assert bound <= total * (1 + 1e-9)
        if not (exact.totals.at_least or exact.faults):
            assert total <= 1.01 * bound + rounded
    w = (closed.server_w + closed.network_w)[0] * exact.devices
    assert w <= exact.totals.w * (1 + 1e-9)
    assert closed.racks[0] * exact.devices <= exact.racks.racks + 1e-9
    assert [closed.hops[0]] == ([network.hops for network in exact.networks if network.name == "compute"] or [0])
    assert bool(closed.at_least[0]) == (exact.totals.at_least or any(fault.code == "fabric_too_large" for fault in exact.faults))


def test_distinct_pairs_give_what_each_row_gives():
    rows = np.array([3, 1, 3, 0, 3], dtype=np.int32)
    devices = np.array([64, 8, 64, 5000, 72], dtype=np.int32)
    together = CLOSED.per_device(rows, devices)
    for place, (row, count) in enumerate(zip(rows, devices, strict=True)):
        alone = CLOSED.per_device(np.array([row]), np.array([count]))
        assert together.network_usd[place] == pytest.approx(alone.network_usd[0])
        assert together.racks[place] == pytest.approx(alone.racks[0])
