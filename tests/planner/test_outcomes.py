"""Ranking, the frontier, and the account of what was rejected."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planner.outcomes import REASONS, first_broken, undominated


def dominated(first, second, row):
    return any(
        (first[i] <= first[row]) and (second[i] <= second[row]) and (first[i] < first[row] or second[i] < second[row])
        for i in range(len(first))
    )


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_no_frontier_point_is_dominated_and_every_other_point_is_dominated_or_equal_to_one(points):
    first, second = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    optimal = undominated(first, second)
    kept = {(first[row], second[row]) for row in np.flatnonzero(optimal)}
    for row in range(len(points)):
        if optimal[row]:
            assert not dominated(first, second, row)
        else:
            assert dominated(first, second, row) or (first[row], second[row]) in kept


def test_the_first_broken_limit_is_the_reason():
    reason, excess = first_broken([("memory", np.array([0.9, 2.0, 1.0, np.nan])), ("tpot", np.array([1.5, 9.0, 1.0, 0.1]))])
    assert [REASONS[index] for index in reason] == ["tpot", "memory", "", "memory"]
    assert excess[:3].tolist() == [0.5, 1.0, 0.0]
