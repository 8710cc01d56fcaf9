"""The drawing of a network: every tier that there is, lines between neighbours only, counts of all planes."""

import pytest

from dashboard.charts.fabric import MOST_DRAWN, Tier, edges, fabric_figure, network_tiers
from tests.dashboard import sample

SHOWN = sample.recommendation(devices=32)


def tiers_of(**counts: int) -> list[Tier]:
    return network_tiers(sample.fabric(**counts).networks[0], SHOWN)


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        ({"leaves": 1, "spines": 0}, ["Leaf switches", "Servers"]),
        ({}, ["Spine switches", "Leaf switches", "Servers"]),
        ({"leaves": 64, "spines": 64, "cores": 32}, ["Core switches", "Spine switches", "Leaf switches", "Servers"]),
    ],
)
def test_the_tiers_that_there_are_stand_highest_first(counts, names):
    assert [tier.name for tier in tiers_of(**counts)] == names


def test_counts_are_of_all_planes_and_one_plane_is_drawn():
    spine, leaf, servers = tiers_of(leaves=8, spines=4, planes=2)
    assert (spine.count, spine.drawn) == (4, 2)
    assert (leaf.count, leaf.drawn, leaf.links_up) == (8, 4, 256)
    assert (servers.count, servers.links_up) == (4, 368)


def test_large_tiers_are_cut_to_a_few():
    assert all(tier.drawn <= MOST_DRAWN for tier in tiers_of(leaves=64, spines=64, cores=32))


def test_every_part_of_a_tier_reaches_every_part_above():
    spine, leaf, servers = tiers_of()
    assert len(edges([spine, leaf, servers])) == spine.drawn * leaf.drawn + leaf.drawn * servers.drawn


def test_in_three_tiers_a_leaf_reaches_the_spines_of_its_pod_alone():
    lines = edges(tiers_of(leaves=64, spines=64, cores=32))
    between = [(x, x2) for x, y, x2, y2 in lines if (y, y2) == (2.0, 1.0)]
    assert between
    assert all((x < 0.5) == (x2 < 0.5) for x, x2 in between)


def test_two_leaves_without_a_spine_are_joined():
    assert (0.25, 0.0, 0.75, 0.0) in edges(tiers_of(leaves=2, spines=0))
    assert all(y != y2 for _, y, _, y2 in edges(tiers_of(leaves=1, spines=0)))


def test_who_cannot_see_it_is_told_counts_oversubscription_and_failures():
    figure = fabric_figure(sample.fabric().networks[0], SHOWN)
    told = figure.alternative.replace("\u202f", " ")
    for part in ("oversubscribed 1.4 to 1", "Leaf switches: 8", "Links: 256", "Links: 368, 400 Gb/s each", "Without a link: 99.7%"):
        assert part in told
    assert b"Leaf switches,8,256" in figure.table.csv()
