"""Best-first search over cells with a lower bound: exact, and most of the space is never opened (DESIGN rule 10).

A cell is opened only while its bound is below the best candidate found in its group, so the best of each group is the
one that full enumeration would find, as long as no bound exceeds a candidate of its cell.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from planner.search.columns import FloatColumn, IntColumn

Opened = tuple[IntColumn, FloatColumn]  # group and objective key of each candidate in the opened cells


def best_first(
    bound: FloatColumn,
    group: IntColumn,
    open_cells: Callable[[np.ndarray[tuple[int], np.dtype[np.intp]]], Opened],
    *,
    first: int = 8,
) -> int:
    """Open the cells of every group in the order of their bounds, more each round; returns how many were never opened.

    bound, group  one row a cell; smaller is better; cells with an infinite bound are never opened
    open_cells    evaluates every candidate of the given cells
    """
    order = np.lexsort((bound, group))
    order = order[np.isfinite(bound[order])]
    starts = np.searchsorted(group[order], group[order], side="left")
    rank = np.arange(len(order)) - starts  # place of a cell within its group
    best = np.full(int(group.max(initial=-1)) + 1, np.inf)
    opened, reach = 0, first
    while len(order):
        promising = bound[order] < best[group[order]]
        order, rank = order[promising], rank[promising]
        now = rank < reach
        if now.any():
            found_group, key = open_cells(order[now])
            np.minimum.at(best, found_group, key)
            opened += int(now.sum())
        order, rank = order[~now], rank[~now]
        reach *= 2
    return len(bound) - opened
