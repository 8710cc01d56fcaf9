"""Runs of equal values: where they begin, and the place of each row in its own."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planner.search.runs import place_in_run, run_begins


@given(st.lists(st.integers(0, 5), max_size=50))
def test_places_count_up_within_equal_values(values):
    column = np.sort(np.array(values, dtype=np.int32))
    assert place_in_run(column).tolist() == [index - column.tolist().index(value) for index, value in enumerate(column.tolist())]


def test_a_run_begins_where_any_column_changes():
    assert run_begins(np.array([1, 1, 2, 2]), np.array([5, 6, 6, 6])).tolist() == [True, True, True, False]
