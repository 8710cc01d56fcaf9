"""Rows of several figures that no other row of their group beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.search.columns import BoolColumn, FloatColumn


def non_dominated(group: NDArray[np.integer], figures: FloatColumn) -> BoolColumn:
    """Rows such that no other row of the same group is as good in every figure; of equal rows one.

    figures   shape (rows, figures), smaller is better; the last two are the fastest to compare
    """
    kept = _frontier(group, figures)
    rows = np.flatnonzero(kept)
    kept[rows] = ~_beaten(group[rows], figures[rows])
    return kept


def _frontier(group: NDArray[np.integer], figures: FloatColumn) -> BoolColumn:
    """Rows that none beats in the last two figures among those that are equal in all others: one scan of the sorted rows."""
    *others, first, second = figures.T
    order = np.lexsort((second, first, *others, group))
    equal = np.ones(len(order), dtype=np.bool_)
    for column in (*others, group):
        equal[1:] &= column[order][1:] == column[order][:-1]
    segment = np.cumsum(~equal) if len(order) else np.zeros(0, dtype=np.intp)
    rank = np.unique(second, return_inverse=True)[1].astype(np.int64)[order] - segment * (
        len(order) + 1
    )  # a segment is below those before it
    least_before = np.concatenate([[np.iinfo(np.int64).max], np.minimum.accumulate(rank)[:-1]]) if len(order) else rank
    kept = np.empty(len(order), dtype=np.bool_)
    kept[order] = rank < least_before
    return kept


def _beaten(group: NDArray[np.integer], figures: FloatColumn) -> BoolColumn:
    """Rows that another row of the group is as good as in every figure, every pair compared."""
    _, group = np.unique(group, return_inverse=True)
    order = np.argsort(group, kind="stable")
    place = np.arange(len(order)) - np.searchsorted(group[order], group[order])
    table = np.full((int(group.max(initial=-1)) + 1, int(place.max(initial=-1)) + 1, figures.shape[1]), np.nan)
    table[group[order], place] = figures[order]
    as_good = np.ones((*table.shape[:2], table.shape[1]), dtype=np.bool_)  # [group, row, other]: other is as good as row
    better = np.zeros_like(as_good)
    for index in range(figures.shape[1]):
        figure = table[:, :, index]
        as_good &= figure[:, None, :] <= figure[:, :, None]
        better |= figure[:, None, :] < figure[:, :, None]
    earlier = np.tri(table.shape[1], k=-1, dtype=np.bool_)
    found: BoolColumn = np.any(as_good & (better | earlier), axis=2)
    beaten = np.empty(len(order), dtype=np.bool_)
    beaten[order] = found[group[order], place]
    return beaten
