"""The sketch of a torus slice: neighbours are joined, rings closed by stubs, counts and failures told."""

import pytest

from dashboard.charts.torus import edges, place, torus_figure, torus_sentences
from dashboard.language import speaking
from hardware_db import load_hardware

LINKS = load_hardware().scale_up_links


def figure(link: str, devices: int):
    with speaking("en"):
        return torus_figure(LINKS[link], devices)


def test_a_cube_of_a_3d_torus_is_told_with_its_links_and_rate():
    drawn = figure("ici-v5p", 64)
    assert drawn.finding.replace("\u202f", " ") == "Torus of 4 × 4 × 4 devices: 192 links of 100 GB/s each way"
    assert [row[1:] for row in drawn.table.rows] == [(4, "yes", 64)] * 3
    assert "Axis 3: 4 devices in a ring, 64 links." in drawn.alternative
    drawn.chart.to_dict()


def test_a_part_of_a_2d_pod_closes_to_no_ring_and_says_so():
    drawn = figure("ici-v5e", 8)
    assert drawn.finding.startswith("Torus of 2 × 4 devices: 10 links")
    assert "No axis" in drawn.source


def test_a_large_slice_is_drawn_in_part():
    drawn = figure("ici-v5p", 4096)
    assert "At most 4 devices of an axis are drawn." in drawn.source
    assert 64 in {len(rows) for rows in drawn.chart.to_dict()["datasets"].values()}


@pytest.mark.parametrize(
    ("shape", "wraps", "count"), [((2, 4), (False, False), 10), ((4, 4), (True, True), 24 + 16), ((2, 2, 2), (False,) * 3, 12)]
)
def test_every_pair_of_neighbours_has_one_line_and_every_ring_two_stubs(shape, wraps, count):
    lines = list(edges(shape, wraps))
    assert len(lines) == len({frozenset(line) for line in lines}) == count


def test_no_two_devices_stand_on_each_other():
    spots = {place((depth, down, right)) for depth in range(4) for down in range(4) for right in range(4)}
    assert len(spots) == 64


def test_what_a_lost_link_leaves_is_said():
    with speaking("en"):
        told = torus_sentences(LINKS["ici-v5p"], 64)
    assert told[0].startswith("Across the middle: 32 links, 3.20")
    assert "96.9%" in told[1]
