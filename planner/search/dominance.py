"""Rows of several figures that no other row of their group beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.search.columns import BoolColumn, FloatColumn
from planner.search.runs import run_begins


def non_dominated(group: NDArray[np.integer], figures: FloatColumn) -> BoolColumn:
    """Rows such that no other row of the same group is as good in every figure; of equal rows one.

    figures   shape (rows, figures), smaller is better

    The first row of a group in the order of its figures is as good as none after it; what it is as good as falls, and so on.
    """
    kept = np.zeros(len(group), dtype=np.bool_)
    left = np.lexsort((*figures.T[::-1], group))
    while len(left):
        first = run_begins(group[left])
        best = left[first]
        kept[best] = True
        beaten = (figures[best[np.cumsum(first) - 1]] <= figures[left]).all(axis=1)
        left = left[~(first | beaten)]
    return kept
