"""Memory of every training strategy by its number of data-parallel ranks, computed once and shared by all platforms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.search.best_first import Rows
from planner.search.columns import FloatColumn, IntColumn, TrainingColumns
from planner.search.training_space import at_ranks

_SAME_ON_ALL_PLATFORMS = ("tp", "cp", "ep", "micro_batch", "precision")


@dataclass(frozen=True, slots=True)
class StrategyMemory:
    """Bytes on the fullest device at 1, 2, 4, ... ranks, the last column at the most. More ranks never take more: states are
    shared by more of them, and fewer micro-batches are in flight.

    first         row of the first strategy of each layout
    total_bytes   shape (strategies, ranks)
    """

    first: IntColumn
    total_bytes: FloatColumn

    @classmethod
    def of(
        cls,
        layouts: TrainingColumns,
        cells_of: Callable[[TrainingColumns], tuple[Rows, TrainingColumns]],
        memory_bytes: Callable[[TrainingColumns], FloatColumn],
        max_devices: int,
    ) -> StrategyMemory:
        """Of all cells (`cells_of`) of `layouts`; layouts that differ in their platform alone share their rows."""
        keys = np.stack([getattr(layouts, name) for name in _SAME_ON_ALL_PLATFORMS], axis=1)
        _, distinct, same = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        owner, cells = cells_of(layouts.take(distinct))
        most = np.maximum(1, max_devices // cells.devices)
        columns = [
            memory_bytes(at_ranks(cells, np.minimum(1 << exponent, most), cells.global_batch))
            for exponent in range(max_devices.bit_length() + 1)
        ]
        return cls(np.searchsorted(owner, same.ravel()).astype(np.int32), np.stack(columns, axis=1))

    def rows_of(self, layouts: Rows, owner: Rows) -> Rows:
        """Row of each cell, where `owner` is the cell's place in `layouts`, ascending, and all cells of a layout are there."""
        place = np.arange(len(owner)) - np.searchsorted(owner, owner)
        rows: Rows = self.first[layouts[owner]] + place
        return rows

    def least_bytes(self, rows: Rows) -> FloatColumn:
        """Memory at the most ranks: no number of ranks takes less."""
        least: FloatColumn = self.total_bytes[rows, -1]
        return least

    def ranks_too_few(self, rows: Rows, usable_bytes: FloatColumn) -> IntColumn:
        """The largest power of two of ranks that does not fit into `usable_bytes`; 0 where one rank fits."""
        too_large = (self.total_bytes[rows] > usable_bytes[:, None]).sum(axis=1)
        return np.where(too_large > 0, 1 << np.maximum(too_large - 1, 0), 0).astype(np.int32)
