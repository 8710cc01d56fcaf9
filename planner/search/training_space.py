"""The design space of a training run: every legal way to spread a model over a platform's devices.

Four levels keep an exhaustive search small. A *layout* decides the time of a micro-batch (number format, tp, cp, ep,
micro-batch); a *pipeline* adds stages and recomputation, and with them the time of a step but for data parallelism; a
*cell* adds the ZeRO stage, and with it the memory; a *candidate* adds the number of data-parallel ranks, and with it the
device count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from planner.request import Training
from planner.search.best_first import Rows
from planner.search.columns import RECOMPUTES, SCHEDULES, BoolColumn, IntColumn, TrainingColumns
from planner.search.runs import ranges
from planner.search.shape import ModelShape, powers_of_two

_MICRO_BATCHES = (1, 2, 4, 8)
_CONTEXT_PARALLEL = (1, 2, 4, 8, 16, 32)
_LEAST_TOKENS_PER_CONTEXT_RANK = 4_096  # below this the ring exchange cannot be hidden behind attention
_MOST_VIRTUAL_STAGES = 8
_ZERO_STAGES = 4
# Selective recomputation drops the scores of attention, which flash attention never keeps: no memory less, only time more.
_RECOMPUTES_TRIED = [RECOMPUTES.index("none"), RECOMPUTES.index("full")]
_NODES_ONE_BY_ONE = 128
_COUNT_STEP = 1.05
_BEYOND = 1 << 32  # more ranks than any device count
BATCH_TOLERANCE = 0.1  # a global batch may be rounded this far to divide evenly


def device_counts(devices_per_server: int, max_devices: int) -> IntColumn:
    """Every multiple of a server to 128 servers, then steps of at most 5 %; below one server, its divisors too."""
    parts = [count for count in range(1, devices_per_server) if devices_per_server % count == 0]
    servers = list(range(1, _NODES_ONE_BY_ONE + 1))
    while (last := servers[-1]) * devices_per_server < max_devices:
        servers.append(max(last + 1, int(last * _COUNT_STEP)))
    counts = np.array(parts + [count * devices_per_server for count in servers], dtype=np.int32)
    return counts[counts <= max_devices]


def layouts(shape: ModelShape, training: Training, domain: int, max_devices: int, precisions: tuple[int, ...]) -> TrainingColumns:
    """What decides the time of a micro-batch on a platform whose scale-up domain holds `domain` devices: number format, tp,
    cp, ep, micro-batch; one pipeline stage, one data-parallel rank, the least recomputation allowed.

    Tensor parallelism stays within the domain and divides the heads; a context-parallel rank keeps 4,096 tokens.
    """
    tps = [tp for tp in powers_of_two(min(domain, 64)) if shape.heads == 0 or shape.heads % tp == 0]
    cps = [cp for cp in _CONTEXT_PARALLEL if cp == 1 or training.sequence_tokens // cp >= _LEAST_TOKENS_PER_CONTEXT_RANK]
    eps = [ep for ep in powers_of_two(shape.experts) if shape.experts % ep == 0] if shape.experts else [1]
    batch = max(1, round(training.global_batch_tokens / training.sequence_tokens))
    micros = [micro for micro in _MICRO_BATCHES if micro <= batch]
    tp, cp, ep, micro, precision = _product(tps, cps, eps, micros, precisions)
    fits = tp * cp <= max_devices
    ones = np.ones(int(fits.sum()), dtype=np.int32)
    recompute = RECOMPUTES.index(training.recompute) if training.recompute != "auto" else 0
    return TrainingColumns(
        platform=0 * ones,
        tp=tp[fits],
        pp=ones,
        virtual_stages=ones,
        cp=cp[fits],
        ep=ep[fits],
        dp=ones,
        zero_stage=0 * ones,
        shard_group=cp[fits],
        micro_batch=micro[fits],
        recompute=recompute * ones,
        schedule=SCHEDULES.index("1f1b") * ones,
        precision=precision[fits],
        global_batch=batch * ones,
    )


@dataclass(frozen=True, slots=True)
class Choices:
    """What a cell adds to its layout: all legal combinations, those that differ in their ZeRO stage alone side by side."""

    pp: IntColumn
    virtual_stages: IntColumn
    recompute: IntColumn
    zero_stage: IntColumn

    @classmethod
    def of(cls, shape: ModelShape, training: Training) -> Self:
        """Every stage and virtual stage holds a layer; ZeRO-2 and 3 do not go with pipelines, whose gradients stay whole
        while micro-batches add up.
        """
        recomputes = _RECOMPUTES_TRIED if training.recompute == "auto" else [RECOMPUTES.index(training.recompute)]
        pp, virtual, recompute, zero = _product(
            _pipeline_degrees(shape.layers), powers_of_two(_MOST_VIRTUAL_STAGES), recomputes, range(_ZERO_STAGES)
        )
        legal = ((virtual == 1) | ((pp > 1) & (pp * virtual <= shape.layers))) & ~((zero >= 2) & (pp > 1))
        return cls(pp[legal], virtual[legal], recompute[legal], zero[legal])

    def __len__(self) -> int:
        return len(self.pp)

    @property
    def pipeline(self) -> IntColumn:
        """Number of the pipeline that each choice belongs to, ascending."""
        starts: IntColumn = np.cumsum(self.zero_stage == 0, dtype=np.int32) - 1
        return starts

    def cells(self, layouts: TrainingColumns, choice: Rows) -> TrainingColumns:
        """Each of `layouts` with its `choice`."""
        virtual = self.virtual_stages[choice]
        return replace(
            layouts,
            pp=self.pp[choice],
            virtual_stages=virtual,
            zero_stage=self.zero_stage[choice],
            recompute=self.recompute[choice],
            schedule=np.where(virtual > 1, SCHEDULES.index("interleaved"), SCHEDULES.index("1f1b")).astype(np.int32),
        )


def with_counts(cells: TrainingColumns, counts: IntColumn, fewest_ranks: IntColumn, most_ranks: IntColumn) -> tuple[Rows, TrainingColumns]:
    """Every cell at every device count that it divides: dp = count / (tp pp cp), the global batch rounded to fit.

    Returns the cell of each candidate, ascending, and the candidates.

    counts         shape (platforms, most counts), padded with 0
    fewest_ranks   of each cell: with fewer data-parallel ranks it is known to be too slow
    most_ranks     of each cell: with more it is known not to matter

    A count is left out where the batch would have to change by more than 10 %, or where the experts' group does not divide
    the data-parallel devices.
    """
    kind, of_kind, kinds = np.unique(cells.platform.astype(np.int64) << 32 | cells.devices, return_index=True, return_inverse=True)
    ranks = counts[cells.platform[of_kind]] // cells.devices[of_kind, None]  # dp = 1 in a cell
    whole = (ranks > 0) & (ranks * cells.devices[of_kind, None] == counts[cells.platform[of_kind]])
    offered = ranks[whole]  # of one kind of cell after the other, ascending
    place = np.repeat(np.arange(len(kind)), whole.sum(axis=1)) * _BEYOND + offered
    first = np.searchsorted(place, kinds * _BEYOND + fewest_ranks)
    many = np.maximum(0, np.searchsorted(place, kinds * _BEYOND + most_ranks, side="right") - first)
    rows = np.repeat(np.arange(len(cells)), many)
    dp = offered[ranges(first, many)]
    micro, batch = cells.micro_batch[rows], cells.global_batch[rows]
    rounded = np.maximum(1, np.rint(batch / (dp * micro)).astype(np.int32)) * dp * micro
    legal = np.abs(rounded - batch) <= BATCH_TOLERANCE * batch
    legal &= (dp * cells.cp[rows] * cells.tp[rows]) % cells.ep[rows] == 0
    return rows[legal], at_ranks(cells.take(rows[legal]), dp[legal], rounded[legal])


def has_shards(candidates: TrainingColumns, training: Training) -> BoolColumn:
    """Whether the ZeRO stage does anything: one rank has nothing to shard over, but may keep its states elsewhere."""
    alone = candidates.dp * candidates.cp == 1
    return np.asarray((candidates.zero_stage == 0) | ~alone | (training.offload != "none"))


def at_ranks(cells: TrainingColumns, dp: IntColumn, global_batch: IntColumn) -> TrainingColumns:
    """Each cell with its number of data-parallel ranks, which share its states, and its global batch."""
    ranks = dp.astype(np.int32)
    return replace(cells, dp=ranks, shard_group=(ranks * cells.cp).astype(np.int32), global_batch=global_batch.astype(np.int32))


def _pipeline_degrees(layers: int) -> list[int]:
    """Degrees that fill their stages well: the smallest for each number of layers on the fullest stage."""
    degrees = {-(-layers // per_stage) for per_stage in range(1, layers + 1)}
    return sorted(degree for degree in degrees if degree <= 32 or layers % degree == 0)


def _product(*choices: Iterable[int]) -> list[IntColumn]:
    """All combinations of the choices, one column a choice."""
    return [axis.ravel().astype(np.int32) for axis in np.meshgrid(*map(list, choices), indexing="ij")]
