"""Torus slices: the shapes that are sold, their bisection, and rounding up to them."""

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_db import load_hardware
from planner.cluster.slices import Slice, legal_slices, most_devices, slice_devices, slice_for, torus_axes

LINKS = [link for link in load_hardware().scale_up_links.values() if torus_axes(link)]


def test_2d_pods_are_sold_in_eight_shapes():
    """Cloud TPU v5e documentation."""
    assert [slice_.shape for slice_ in legal_slices(2, 256)] == [(1, 1), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16)]


@pytest.mark.parametrize("chips", [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 6144])
def test_3d_pods_are_sold_in_the_listed_sizes(chips):
    """Cloud TPU v5p documentation; 6,144 (16x16x24) is the largest job."""
    assert chips in {slice_.devices for slice_ in legal_slices(3, 6144)}
    assert max(slice_.devices for slice_ in legal_slices(3, 6144)) == 6144


def test_the_bisection_of_a_pod_is_the_published_one():
    """1.6 TB/s for v5e, 3.2 TB/s for v6e."""
    for link, published in (
        (link, link.values["pod_bisection_bytes_per_s"]) for link in LINKS if "pod_bisection_bytes_per_s" in link.values
    ):
        assert legal_slices(2, 256)[-1].bisection_bytes_per_s(link.per_accel_bytes_per_s) == pytest.approx(published)


def test_only_whole_cubes_wrap():
    by_shape = {slice_.shape: slice_ for slice_ in legal_slices(3, 4096)}
    assert by_shape[4, 4, 4].wraps == (True, True, True)
    assert by_shape[2, 4, 4].wraps == (False, False, False)
    assert by_shape[4, 4, 4].diameter == 6
    assert by_shape[2, 4, 4].diameter == 7


@given(st.sampled_from(LINKS), st.lists(st.integers(1, 50_000), min_size=1, max_size=20))
def test_slices_hold_what_is_asked_and_not_a_shape_more(link, devices):
    held = slice_devices(link, np.array(devices))
    sizes = sorted(slice_.devices for slice_ in legal_slices(torus_axes(link), most_devices(link)))
    for asked, given_ in zip(devices, held, strict=True):
        assert given_ >= asked
        largest = sizes[-1]
        smaller = [size for size in sizes if asked - given_ // largest * largest <= size < given_ - given_ // largest * largest]
        assert not smaller


def test_every_slice_is_a_box_of_its_devices():
    for slice_ in legal_slices(3, 9216):
        assert prod(slice_.shape) == slice_.devices
        assert tuple(sorted(slice_.shape)) == slice_.shape


@pytest.mark.parametrize(
    ("cut", "links", "crossing"),
    [
        (Slice((4, 4, 4), (True, True, True)), (64, 64, 64), 32),  # each of 64 devices has one link onward on every axis
        (Slice((2, 4), (False, False)), (4, 6), 2),
        (Slice((8, 16), (False, True)), (112, 128), 16),
        (Slice((1, 1), (False, False)), (0, 0), 0),
    ],
)
def test_links_are_those_between_neighbours(cut, links, crossing):
    assert (cut.links, cut.crossing_links) == (links, crossing)


@given(st.sampled_from(LINKS), st.integers(1, 50_000))
def test_a_slice_is_the_smallest_that_holds_the_devices_or_the_largest_there_is(link, devices):
    cut = slice_for(link, devices)
    assert cut.devices == min(slice_devices(link, np.array([devices]))[0], legal_slices(torus_axes(link), most_devices(link))[-1].devices)
