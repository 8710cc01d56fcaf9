"""The design space of a training run: every legal way to spread a model over a platform's devices.

Two levels keep an exhaustive search small. A *cell* is a strategy without its data-parallel degree; a *candidate* is a
cell times a device count. `cells` lists the former once a scale-up domain, `with_counts` opens a cell to its candidates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.request import Training
from planner.search.columns import RECOMPUTES, SCHEDULES, FloatColumn, IntColumn, TrainingColumns
from planner.search.shape import ModelShape, powers_of_two

_MICRO_BATCHES = (1, 2, 4, 8)
_CONTEXT_PARALLEL = (1, 2, 4, 8, 16, 32)
_LEAST_TOKENS_PER_CONTEXT_RANK = 4_096  # below this the ring exchange cannot be hidden behind attention
_MOST_VIRTUAL_STAGES = 8
_NODES_ONE_BY_ONE = 128
_COUNT_STEP = 1.05
BATCH_TOLERANCE = 0.1  # a global batch may be rounded this far to divide evenly


def device_counts(devices_per_server: int, max_devices: int) -> IntColumn:
    """Every multiple of a server to 128 servers, then steps of at most 5 %; below one server, its divisors too."""
    parts = [count for count in range(1, devices_per_server) if devices_per_server % count == 0]
    servers = list(range(1, _NODES_ONE_BY_ONE + 1))
    while (last := servers[-1]) * devices_per_server < max_devices:
        servers.append(max(last + 1, int(last * _COUNT_STEP)))
    counts = np.array(parts + [count * devices_per_server for count in servers], dtype=np.int32)
    return counts[counts <= max_devices]


def cells(shape: ModelShape, training: Training, domain: int, max_devices: int, precisions: tuple[int, ...]) -> TrainingColumns:
    """All strategies with dp = 1 for a platform whose scale-up domain holds `domain` devices.

    Tensor parallelism stays within the domain and divides the heads; pipelines give every stage a layer; experts are
    spread over at most the domain's or the data-parallel devices.
    """
    tps = [tp for tp in powers_of_two(min(domain, 64)) if shape.heads == 0 or shape.heads % tp == 0]
    pps = [pp for pp in _pipeline_degrees(shape.layers) if pp <= max_devices]
    cps = [cp for cp in _CONTEXT_PARALLEL if cp == 1 or training.sequence_tokens // cp >= _LEAST_TOKENS_PER_CONTEXT_RANK]
    eps = [ep for ep in powers_of_two(shape.experts) if shape.experts % ep == 0] if shape.experts else [1]
    recomputes = range(len(RECOMPUTES)) if training.recompute == "auto" else [RECOMPUTES.index(training.recompute)]
    grid = np.meshgrid(
        tps, pps, powers_of_two(_MOST_VIRTUAL_STAGES), cps, eps, (0, 1, 2, 3), _MICRO_BATCHES, recomputes, precisions, indexing="ij"
    )
    tp, pp, vp, cp, ep, zero, micro, recompute, precision = (axis.ravel().astype(np.int32) for axis in grid)
    batch = max(1, round(training.global_batch_tokens / training.sequence_tokens))
    legal = (tp * pp * cp <= max_devices) & (micro <= batch)
    legal &= (vp == 1) | ((pp > 1) & (pp * vp <= shape.layers))
    legal &= ~((zero >= 2) & (pp > 1))  # gradients stay whole while a pipeline accumulates them
    ones = np.ones(int(legal.sum()), dtype=np.int32)
    schedule = np.where(vp > 1, SCHEDULES.index("interleaved"), SCHEDULES.index("1f1b")).astype(np.int32)
    return TrainingColumns(
        platform=0 * ones,
        tp=tp[legal],
        pp=pp[legal],
        virtual_stages=vp[legal],
        cp=cp[legal],
        ep=ep[legal],
        dp=ones,
        zero_stage=zero[legal],
        shard_group=cp[legal],
        micro_batch=micro[legal],
        recompute=recompute[legal],
        schedule=schedule[legal],
        precision=precision[legal],
        global_batch=batch * ones,
    )


def with_counts(cells: TrainingColumns, counts: IntColumn, fewest_ranks: FloatColumn) -> TrainingColumns:
    """Every cell at every device count that it divides: dp = count / (tp pp cp), the global batch rounded to fit.

    `fewest_ranks` of each cell: counts with fewer data-parallel ranks are known to be too slow. A count is left out where
    the batch would have to change by more than 10 %, or where the experts' group does not divide the data-parallel devices.
    """
    cell, count = np.meshgrid(np.arange(len(cells)), counts, indexing="ij")
    rows, devices = cell.ravel(), count.ravel()
    model_parallel = cells.devices[rows]  # dp = 1 in a cell
    dp = devices // model_parallel
    fair = (dp * model_parallel == devices) & (dp >= np.ceil(fewest_ranks)[rows])
    rows, dp = rows[fair], dp[fair]
    micro, batch = cells.micro_batch[rows], cells.global_batch[rows]
    rounded = np.maximum(1, np.rint(batch / (dp * micro)).astype(np.int32)) * dp * micro
    legal = np.abs(rounded - batch) <= BATCH_TOLERANCE * batch
    legal &= (dp * cells.cp[rows] * cells.tp[rows]) % cells.ep[rows] == 0
    legal &= (cells.zero_stage[rows] == 0) | (dp * cells.cp[rows] > 1)  # nothing to shard over
    return at_ranks(cells.take(rows[legal]), dp[legal], rounded[legal])


def at_ranks(cells: TrainingColumns, dp: IntColumn, global_batch: IntColumn) -> TrainingColumns:
    """Each cell with its number of data-parallel ranks, which share its states, and its global batch."""
    ranks = dp.astype(np.int32)
    return replace(cells, dp=ranks, shard_group=(ranks * cells.cp).astype(np.int32), global_batch=global_batch.astype(np.int32))


def _pipeline_degrees(layers: int) -> list[int]:
    """Degrees that fill their stages well: the smallest for each number of layers on the fullest stage."""
    degrees = {-(-layers // per_stage) for per_stage in range(1, layers + 1)}
    return sorted(degree for degree in degrees if degree <= 32 or layers % degree == 0)
