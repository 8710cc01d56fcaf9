"""Fat trees: the vendor's reference fabrics, what growth and failures may never do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_db import load_hardware
from planner.cluster.fabric import Wiring, fat_tree
from planner.cluster.network import wiring_of
from planner.cluster.templates import FabricTemplate, templates

FAILURES = ("link", "leaf", "spine", "core", "plane")
REFERENCES = load_hardware().reference_fabrics


def template_of(row) -> FabricTemplate:
    """The template whose switches are the row's: split uplinks and even spreading come with it."""
    named = [template for template in templates().fabrics.values() if template.rail_optimised]
    fabric = load_hardware().switches[row.switch_id].fabric_id
    mine = [template for template in named if any(load_hardware().switches[id_].fabric_id == fabric for id_ in template.switches)]
    return mine[0].model_copy(update={"minimum_leaves": 2 if "BasePOD" in row.design else 1})


def reference_tree(row):
    switch = load_hardware().switches[row.switch_id]
    wiring = wiring_of(template_of(row), switch, row.port_bytes_per_s, row.rails_per_node)
    managers = 4 if "as built" in row.design and "UFM" in (row.note or "") else 0  # links of the fabric manager
    return fat_tree([row.nodes], wiring, managers)


@pytest.mark.parametrize("row", REFERENCES, ids=lambda row: f"{row.design}, {row.nodes} nodes")
def test_every_reference_fabric_is_reproduced(row):
    """NVIDIA's reference architectures, source in the row; the exceptions are options: split uplinks, even spreading, a pair of leaves."""
    tree = reference_tree(row)
    assert (tree.leaves[0], tree.spines[0], tree.cores[0]) == (row.leaf_switches, row.spine_switches, row.core_switches)
    known = (row.cables_node_leaf, row.cables_leaf_spine, row.cables_spine_core)
    for links, cables in zip(tree.links, known, strict=True):
        assert cables is None or links[0] == cables


def test_there_are_22_reference_fabrics():
    assert len(REFERENCES) == 22


@pytest.mark.parametrize(("endpoints", "switches"), [(1024, (32, 16, 0)), (4096, (128, 128, 64)), (16384, (512, 512, 256))])
def test_switches_of_64_ports_as_in_the_worked_example(endpoints, switches):
    """Method, worked example 33."""
    tree = fat_tree([endpoints], wiring(rails=1))
    assert (tree.leaves[0], tree.spines[0], tree.cores[0]) == switches


def wiring(ports=64, rails=8, fan=1, oversubscription=1.0, planes=1, split=1, minimum_leaves=1, rail=True, even=True) -> Wiring:
    def one(value):
        return np.array([value], dtype=np.int64)

    down = int(ports * oversubscription / (oversubscription + 1))
    return Wiring(
        ports=one(ports),
        port_bytes_per_s=np.array([50e9]),
        fan=one(fan),
        rails=one(rails),
        rail_optimised=np.array([rail]),
        planes=one(planes),
        down=one(down),
        core_down=one(ports // 2),
        split=one(split),
        even=np.array([even]),
        minimum_leaves=one(minimum_leaves),
        maximum_tiers=one(3),
    )


wirings = st.builds(
    wiring,
    ports=st.sampled_from([32, 40, 64, 144]),
    rails=st.integers(1, 24),
    fan=st.sampled_from([1, 2, 4]),
    oversubscription=st.sampled_from([1.0, 2.0, 3.0, 7.0]),
    planes=st.integers(1, 4),
    split=st.sampled_from([1, 2, 4]),
    minimum_leaves=st.integers(1, 2),
    rail=st.booleans(),
    even=st.booleans(),
)


@given(wirings, st.integers(1, 3000), st.integers(0, 500))
def test_more_nodes_never_need_fewer_switches_or_links(w, nodes, more):
    small, large = fat_tree([nodes], w), fat_tree([nodes + more], w)
    assert large.switches[0] >= small.switches[0]
    assert all(b[0] >= a[0] for a, b in zip(small.links, large.links, strict=True) if large.tiers[0] == small.tiers[0])


@given(wirings, st.integers(1, 3000))
def test_a_failure_never_adds_bandwidth(w, nodes):
    tree = fat_tree([nodes], w)
    for failure in FAILURES:
        assert 0 <= tree.remaining_bisection(failure)[0] <= 1
        assert 0 <= tree.remaining_endpoint_rate(failure)[0] <= 1
        assert 0 <= tree.endpoints_cut_off(failure)[0] <= tree.endpoints[0]


@given(wirings, st.integers(1, 3000))
def test_the_bisection_is_never_more_than_endpoints_can_send(w, nodes):
    tree = fat_tree([nodes], w)
    assert tree.bisection_bytes_per_s[0] <= w.planes[0] * tree.endpoints[0] * w.endpoint_bytes_per_s[0] / 2 * (1 + 1e-12)
    assert tree.oversubscription[0] >= 1 - 1e-12


@given(wirings, st.integers(1, 3000))
def test_no_switch_has_more_links_than_ports(w, nodes):
    tree = fat_tree([nodes], w)
    if not tree.fits[0]:
        return
    endpoint, leaf_spine, spine_core = tree.endpoints[0], tree.leaf_spine_links[0], tree.spine_core_links[0]
    both_ends = 2 if tree.spines[0] == 0 else 1
    assert -(-endpoint // w.fan[0]) + both_ends * leaf_spine <= tree.leaves[0] * w.ports[0]
    assert leaf_spine + spine_core <= max(tree.spines[0] * w.ports[0], leaf_spine * (tree.spines[0] == 0))
    assert spine_core <= tree.cores[0] * w.ports[0]
    assert tree.free_ports[0] >= 0
    assert tree.endpoints[0] <= tree.most_endpoints[0]


@given(wirings, st.integers(1, 400))
def test_no_more_oversubscription_than_asked_for(w, nodes):
    tree = fat_tree([nodes], w)
    asked = w.down[0] / (w.ports[0] - w.down[0])
    assert tree.oversubscription[0] <= asked * (1 + 1e-9) or tree.leaves[0] == 1


@given(wirings, st.lists(st.integers(1, 3000), min_size=2, max_size=6))
def test_columns_give_what_single_rows_give(w, nodes):
    many = Wiring(**{name: np.repeat(getattr(w, name), len(nodes)) for name in Wiring.__dataclass_fields__})
    together = fat_tree(nodes, many)
    for place, count in enumerate(nodes):
        alone = fat_tree([count], w)
        for name in ("leaves", "spines", "cores", "leaf_spine_links", "spine_core_links", "fits"):
            assert getattr(together, name)[place] == getattr(alone, name)[0]


def test_a_second_plane_keeps_half_of_everything_and_everyone_reachable():
    tree = fat_tree([64], wiring(planes=2))
    assert tree.remaining_endpoint_rate("plane")[0] == 0.5
    assert tree.remaining_endpoint_rate("link")[0] == 0.5
    assert tree.endpoints_cut_off("leaf")[0] == 0
    assert fat_tree([64], wiring()).endpoints_cut_off("leaf")[0] == 32


def test_beyond_three_tiers_it_says_so():
    largest = 64**3 // 4
    assert fat_tree([largest], wiring(rails=1, rail=False)).fits[0]
    assert not fat_tree([largest + 1], wiring(rails=1, rail=False)).fits[0]
    assert not fat_tree([4096], replace(wiring(rails=1), maximum_tiers=np.array([2]))).fits[0]
