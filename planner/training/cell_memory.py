"""Memory of every cell by its number of data-parallel ranks, computed once and shared by all platforms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.memory.training import MemoryByRanks
from planner.search.best_first import Rows
from planner.search.columns import FloatColumn, IntColumn, TrainingColumns
from planner.search.training_space import Choices, at_ranks

_SAME_ON_ALL_PLATFORMS = ("tp", "cp", "ep", "micro_batch", "precision")
_RANKS_STEP = 16


@dataclass(frozen=True, slots=True)
class CellMemory:
    """Bytes on the fullest device with 1, 16, 256, ... ranks, the last row with the most. More ranks never take more: states are
    shared by more of them, and fewer micro-batches are in flight.

    of_layout     column of each layout in the table
    total_bytes   shape (ranks, distinct layouts, choices); infinite where a cell has too many devices
    """

    of_layout: IntColumn
    total_bytes: FloatColumn

    @classmethod
    def of(
        cls, layouts: TrainingColumns, choices: Choices, memory_of: Callable[[TrainingColumns], MemoryByRanks], max_devices: int
    ) -> CellMemory:
        """Of all cells of `layouts`; those that differ in their platform alone share a column."""
        keys = np.stack([getattr(layouts, name) for name in _SAME_ON_ALL_PLATFORMS], axis=1)
        _, distinct, of_layout = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        alone = layouts.take(distinct)
        layout, choice = np.nonzero(alone.devices[:, None] * choices.pp <= max_devices)
        cells = choices.cells(alone.take(layout), choice)
        most = max_devices // cells.devices
        ranks = [1]
        while ranks[-1] < max_devices:
            ranks.append(ranks[-1] * _RANKS_STEP)
        memory = memory_of(cells)
        total_bytes = np.full((len(ranks), len(distinct), len(choices)), np.inf)
        for row, count in enumerate(ranks):
            total_bytes[row, layout, choice] = memory.total_bytes(at_ranks(cells, np.minimum(count, most), cells.global_batch))
        return cls(of_layout.ravel().astype(np.int32), total_bytes)

    @property
    def least_bytes(self) -> FloatColumn:
        """Memory of each layout (row) with each choice (column) at the most ranks: no number of ranks takes less."""
        return np.asarray(self.total_bytes[-1, self.of_layout])

    def ranks_too_few(self, layout: Rows, choice: Rows, usable_bytes: FloatColumn) -> IntColumn:
        """A number of ranks with which each cell does not fit into `usable_bytes`, the largest known; 0 where one rank fits."""
        column = self.of_layout[layout]
        too_large = sum((row[column, choice] > usable_bytes for row in self.total_bytes), np.zeros(len(layout), dtype=np.int32))
        return np.where(too_large > 0, _RANKS_STEP ** np.maximum(too_large - 1, 0), 0).astype(np.int32)
