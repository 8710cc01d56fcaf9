"""Distinct rows of several integer columns, found in time linear in the rows: what depends on few columns is computed
once a distinct key and gathered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer]
_CODES_A_ROW = 4  # a table of this many codes a row stays cheap beside the rows themselves
_FEW_CODES = 1 << 12


def distinct(*columns: IntArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(`first`, `inverse`): rows `first` hold each distinct key once, and `columns[first][inverse]` gives the columns back."""
    code, codes = _ranks(columns[0])
    most_codes = max(_FEW_CODES, _CODES_A_ROW * len(code))
    for column in columns[1:]:
        rank, ranks = _ranks(column)
        if codes * ranks > most_codes:
            code, codes = _ranks(code)
        code, codes = code * ranks + rank, codes * ranks
    inverse, keys = _ranks(code)
    first = np.empty(keys, dtype=np.intp)
    first[inverse] = np.arange(len(inverse))
    return first, inverse


def _ranks(values: IntArray) -> tuple[NDArray[np.intp], int]:
    """Values replaced by 0, 1, 2, ... in their order, and how many there are."""
    if len(values) == 0:
        return values.astype(np.intp), 1
    least, most = int(values.min()), int(values.max())
    if least == most:
        return np.zeros(len(values), dtype=np.intp), 1
    if most - least > max(_FEW_CODES, _CODES_A_ROW * len(values)):
        unique, inverse = np.unique(values, return_inverse=True)
        return inverse.astype(np.intp, copy=False), len(unique)
    shifted = values - least
    present = np.zeros(most - least + 1, dtype=bool)
    present[shifted] = True
    rank = np.cumsum(present) - 1
    return rank[shifted], int(rank[-1]) + 1
