"""Best-first search over cells with a lower bound: exact, and most of the space is never opened (DESIGN rule 10).

A cell is opened only while its bound can still matter, so what is found is what full enumeration would find, as long as no
bound exceeds a candidate of its cell.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from planner.search.columns import BoolColumn, FloatColumn, IntColumn
from planner.search.runs import place_in_run

_GROWTH = 8  # of the cells opened in a round

Rows = np.ndarray[tuple[int], np.dtype[np.intp]]


def best_first(
    bound: FloatColumn, group: IntColumn, promising: Callable[[Rows], BoolColumn], open_cells: Callable[[Rows], None], *, first: int = 8
) -> None:
    """Open the cells of every group in the order of their bounds, more each round.

    bound, group  one row a cell; smaller is better; cells with an infinite bound are never opened
    promising     which of the given cells what was found so far does not rule out
    open_cells    evaluates every candidate of the given cells that is not ruled out
    """
    order: Rows = np.argsort(bound)
    order = order[: np.searchsorted(bound[order], np.inf)]
    narrow = group[order].astype(np.min_scalar_type(int(group.max(initial=0))))
    order = order[np.argsort(narrow, kind="stable")]  # a radix sort, where 16 bits are enough
    rank = place_in_run(group[order])
    reach = first
    while len(order):
        left = promising(order)
        order, rank = order[left], rank[left]
        now = rank < reach
        if now.any():
            open_cells(order[now])
        order, rank = order[~now], rank[~now]
        reach *= _GROWTH
