"""Best-first search over cells with a lower bound: exact, and most of the space is never opened (DESIGN rule 10).

A cell is opened only while its bound is below the best candidate found in its group, so the best of each group is the
one that full enumeration would find, as long as no bound exceeds a candidate of its cell.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from planner.search.columns import FloatColumn, IntColumn

Rows = np.ndarray[tuple[int], np.dtype[np.intp]]


def best_first(bound: FloatColumn, group: IntColumn, best: FloatColumn, open_cells: Callable[[Rows], None], *, first: int = 8) -> int:
    """Open the cells of every group in the order of their bounds, more each round; returns how many were never opened.

    bound, group  one row a cell; smaller is better; cells with an infinite bound are never opened
    best          the best candidate of each group so far; `open_cells` lowers it
    open_cells    evaluates every candidate of the given cells
    """
    order: Rows = np.lexsort((bound, group))
    order = order[np.isfinite(bound[order])]
    starts = np.searchsorted(group[order], group[order], side="left")
    rank = np.arange(len(order)) - starts  # place of a cell within its group
    opened, reach = 0, first
    while len(order):
        promising = bound[order] < best[group[order]]
        order, rank = order[promising], rank[promising]
        now = rank < reach
        if now.any():
            open_cells(order[now])
            opened += int(now.sum())
        order, rank = order[~now], rank[~now]
        reach *= 4
    return len(bound) - opened
