"""Runs of equal values in a sorted column, and of consecutive rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.search.columns import BoolColumn


def run_begins(*columns: NDArray[np.integer]) -> BoolColumn:
    """Which rows differ from the one before in any of the columns."""
    begins = np.ones(len(columns[0]), dtype=np.bool_)
    begins[1:] = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        begins[1:] |= column[1:] != column[:-1]
    return begins


def ranges(first: NDArray[np.integer], many: NDArray[np.integer]) -> NDArray[np.intp]:
    """`many` consecutive rows from each `first`, one range after the other."""
    ends = np.cumsum(many)
    return np.asarray(np.repeat(first - ends + many, many) + np.arange(ends[-1] if len(ends) else 0))


def place_in_run(column: NDArray[np.integer]) -> NDArray[np.intp]:
    """How many equal values stand before each row in its run: 0 for the first."""
    row = np.arange(len(column))
    return np.asarray(row - np.maximum.accumulate(np.where(run_begins(column), row, 0)))
