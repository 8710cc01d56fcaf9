"""The design space of a training run: every legal way to spread a model over a platform's devices.

Three levels keep an exhaustive search small. A *layout* decides the time of a micro-batch (number format, tp, cp, ep,
micro-batch); a *cell* adds pipeline, ZeRO stage and recomputation; a *candidate* adds the number of data-parallel ranks,
and with it the device count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from planner.request import Training
from planner.search.best_first import Rows
from planner.search.columns import RECOMPUTES, SCHEDULES, FloatColumn, IntColumn, TrainingColumns
from planner.search.shape import ModelShape, powers_of_two

_MICRO_BATCHES = (1, 2, 4, 8)
_CONTEXT_PARALLEL = (1, 2, 4, 8, 16, 32)
_LEAST_TOKENS_PER_CONTEXT_RANK = 4_096  # below this the ring exchange cannot be hidden behind attention
_MOST_VIRTUAL_STAGES = 8
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


def cells(layouts: TrainingColumns, shape: ModelShape, training: Training, max_devices: int) -> tuple[Rows, TrainingColumns]:
    """Every layout with every pipeline, ZeRO stage and recomputation: strategies but for the number of data-parallel ranks.

    Returns the layout of each cell, ascending, and the cells.
    """
    pp, virtual, zero, recompute = _choices(shape, training)
    layout, choice = np.nonzero(layouts.devices[:, None] * pp[None, :] <= max_devices)
    schedule = np.where(virtual > 1, SCHEDULES.index("interleaved"), SCHEDULES.index("1f1b")).astype(np.int32)
    cells = replace(
        layouts.take(layout),
        pp=pp[choice],
        virtual_stages=virtual[choice],
        zero_stage=zero[choice],
        recompute=recompute[choice],
        schedule=schedule[choice],
    )
    return layout, cells


def cells_each(layouts: TrainingColumns, shape: ModelShape, training: Training, max_devices: int) -> IntColumn:
    """How many cells each layout has."""
    pp = np.sort(_choices(shape, training)[0])
    return np.searchsorted(pp, max_devices // layouts.devices, side="right").astype(np.int32)


def _choices(shape: ModelShape, training: Training) -> list[IntColumn]:
    """(pp, virtual stages, ZeRO stage, recomputation) of all legal combinations.

    Every stage and virtual stage holds a layer; ZeRO-2 and 3 do not go with pipelines, whose gradients stay whole while
    micro-batches add up.
    """
    recomputes = _RECOMPUTES_TRIED if training.recompute == "auto" else [RECOMPUTES.index(training.recompute)]
    choices = _product(_pipeline_degrees(shape.layers), powers_of_two(_MOST_VIRTUAL_STAGES), range(4), recomputes)
    pp, virtual, zero, _ = choices
    legal = ((virtual == 1) | ((pp > 1) & (pp * virtual <= shape.layers))) & ~((zero >= 2) & (pp > 1))
    return [column[legal] for column in choices]


def with_counts(cells: TrainingColumns, counts: IntColumn, fewest_ranks: FloatColumn) -> tuple[Rows, TrainingColumns]:
    """Every cell at every device count that it divides: dp = count / (tp pp cp), the global batch rounded to fit.

    Returns the cell of each candidate, ascending, and the candidates.

    counts         shape (platforms, most counts), padded with 0
    fewest_ranks   of each cell: with fewer data-parallel ranks it is known to be too slow

    A count is left out where the batch would have to change by more than 10 %, or where the experts' group does not divide
    the data-parallel devices.
    """
    kind, of_kind, kinds = np.unique(cells.platform.astype(np.int64) << 32 | cells.devices, return_index=True, return_inverse=True)
    ranks = counts[cells.platform[of_kind]] // cells.devices[of_kind, None]  # dp = 1 in a cell
    whole = (ranks > 0) & (ranks * cells.devices[of_kind, None] == counts[cells.platform[of_kind]])
    offered = ranks[whole]  # of one kind of cell after the other, ascending
    place = np.repeat(np.arange(len(kind)), whole.sum(axis=1)) * _BEYOND + offered
    first = np.searchsorted(place, kinds * _BEYOND + np.ceil(fewest_ranks).astype(np.int64))
    many = np.maximum(0, np.searchsorted(place, (kinds + 1) * _BEYOND) - first)
    rows = np.repeat(np.arange(len(cells)), many)
    dp = offered[np.repeat(first - np.cumsum(many) + many, many) + np.arange(len(rows))]
    micro, batch = cells.micro_batch[rows], cells.global_batch[rows]
    rounded = np.maximum(1, np.rint(batch / (dp * micro)).astype(np.int32)) * dp * micro
    legal = np.abs(rounded - batch) <= BATCH_TOLERANCE * batch
    legal &= (dp * cells.cp[rows] * cells.tp[rows]) % cells.ep[rows] == 0
    legal &= (cells.zero_stage[rows] == 0) | (dp * cells.cp[rows] > 1)  # nothing to shard over
    return rows[legal], at_ranks(cells.take(rows[legal]), dp[legal], rounded[legal])


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
