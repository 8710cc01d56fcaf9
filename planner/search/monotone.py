"""Vectorised binary search: for every row, the largest index up to which a monotone condition holds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from planner.search.columns import BoolColumn, IntColumn


def largest_true(most: IntColumn, holds: Callable[[IntColumn], BoolColumn]) -> IntColumn:
    """Largest index in 0..most of each row at which `holds` is true; -1 where it is false at 0.

    holds   takes one index a row and says for each row whether the condition holds there; once false it stays false
    """
    low, high = np.full(len(most), -1, dtype=np.int32), most.astype(np.int32)
    while (low < high).any():
        middle = (low + high + 1) // 2
        true = holds(np.maximum(middle, 0))
        low, high = np.where(true, np.maximum(middle, low), low), np.where(true, high, np.minimum(middle - 1, high))
    return low
