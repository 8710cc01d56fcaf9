"""Replicas and servers that a rate needs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planner.sizing import replicas, servers


def test_replicas_by_hand():
    assert replicas(15.2, np.array([4.0, 7.6, 100.0, 0.0])).tolist() == [4, 2, 1, 10**7]


def test_small_replicas_share_a_server_and_large_ones_span_several():
    replica_count = np.array([3, 3, 3, 3], dtype=np.int32)
    devices = np.array([1, 4, 8, 16], dtype=np.int32)
    assert servers(replica_count, devices, np.full(4, 8, dtype=np.int32)).tolist() == [1, 2, 3, 6]


def test_a_replica_that_does_not_divide_a_server_leaves_devices_idle():
    assert servers(np.array([4], dtype=np.int32), np.array([3], dtype=np.int32), np.array([8], dtype=np.int32)).tolist() == [2]


@given(st.floats(1e-3, 1e4), st.floats(1e-3, 1e3))
def test_the_fewest_replicas_that_cover_the_peak(peak, capacity):
    count = int(replicas(peak, np.array([capacity]))[0])
    assert count * capacity >= peak * (1 - 1e-6)
    assert count == 1 or (count - 1) * capacity < peak
