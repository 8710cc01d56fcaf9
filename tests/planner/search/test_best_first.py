"""Best-first search finds what full enumeration finds, and opens less."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planner.search.best_first import best_first


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 200))
def test_the_best_of_every_group_is_that_of_full_enumeration(seed, groups, cells):
    random = np.random.default_rng(seed)
    group = random.integers(0, groups, cells).astype(np.int32)
    candidates = random.exponential(1.0, (cells, 4))
    bound = candidates.min(axis=1) * random.uniform(0.2, 1.0, cells)
    best = np.full(groups, np.inf)

    opened = np.zeros(cells, dtype=bool)

    def open_cells(rows):
        assert not opened[rows].any()
        opened[rows] = True
        np.minimum.at(best, group[rows], candidates[rows].min(axis=1))

    best_first(bound, group, lambda rows: bound[rows] < best[group[rows]], open_cells)
    full = np.array([candidates[group == one].min(initial=np.inf) for one in range(groups)])
    assert np.array_equal(best, full)
    assert opened.any()


def test_cells_that_cannot_win_stay_closed():
    bound = np.arange(1_000, dtype=float)
    best, opened = np.array([np.inf]), []

    def open_cells(rows):
        opened.extend(rows)
        best[0] = min(best[0], (bound[rows] + 0.5).min())

    best_first(bound, np.zeros(1_000, dtype=np.int32), lambda rows: bound[rows] < best[0], open_cells)
    assert opened == list(range(8))


def test_infinite_bounds_are_never_opened():
    best_first(np.array([np.inf, np.nan]), np.zeros(2, dtype=np.int32), lambda rows: rows >= 0, lambda rows: 1 / 0)
