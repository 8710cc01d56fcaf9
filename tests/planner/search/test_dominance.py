"""The non-dominated rows are those that comparing every pair leaves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.search.dominance import non_dominated


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 2), *[st.integers(0, 3)] * 3), max_size=40), figures=st.integers(2, 3))
def test_exactly_one_of_each_unbeaten_row_is_kept(rows, figures):
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    group, values = table[:, 0].astype(int), table[:, 1 : 1 + figures]
    kept = non_dominated(group, values)
    for row in range(len(rows)):
        same = group == group[row]
        beaten = (same & (values <= values[row]).all(axis=1) & (values < values[row]).any(axis=1)).any()
        equal = same & (values == values[row]).all(axis=1)
        assert kept[equal].sum() == (0 if beaten else 1)
