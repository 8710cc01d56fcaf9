"""The largest index at which a condition still holds, row by row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planner.search.monotone import largest_true


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-1, 70)), min_size=1, max_size=40))
def test_every_row_finds_its_own_edge(rows):
    most, edge = (np.array(column, dtype=np.int32) for column in zip(*rows, strict=True))
    calls = []

    def holds(index):
        calls.append(index)
        return index <= edge

    assert largest_true(most, holds).tolist() == np.minimum(most, edge).tolist()
    assert len(calls) <= 7
