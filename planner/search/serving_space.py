"""The design space of a serving replica: every legal way to spread a model over a platform's devices, and every batch."""

from __future__ import annotations

import numpy as np

from planner.search.columns import IntColumn, ServingColumns
from planner.search.shape import ModelShape, powers_of_two

_MOST_PIPELINE_STAGES = 16
_MOST_BATCH = 4_096
_BATCH_STEP = 1.2


def batches() -> list[int]:
    """Requests decoded together: every count to 8, then steps of at most 20 %."""
    counts = list(range(1, 9))
    while counts[-1] < _MOST_BATCH:
        counts.append(max(counts[-1] + 1, int(counts[-1] * _BATCH_STEP)))
    return counts


def cells(shape: ModelShape, domain: int, max_devices: int, precisions: tuple[int, ...], kv_precisions: tuple[int, ...]) -> ServingColumns:
    """All replicas for a platform whose scale-up domain holds `domain` devices, with batch 1.

    Tensor parallelism divides the heads and stays within the domain; attention data parallelism needs experts, which
    are what it shares; experts are sharded over all devices of a stage (ep = tp * attention_dp) or not at all.
    """
    tps = [tp for tp in powers_of_two(min(domain, 64)) if shape.heads == 0 or shape.heads % tp == 0]
    pps = [pp for pp in powers_of_two(_MOST_PIPELINE_STAGES) if pp <= shape.layers]
    attention_dps = powers_of_two(min(domain, shape.experts)) if shape.experts else [1]
    grid = np.meshgrid(tps, pps, attention_dps, (0, 1), precisions, kv_precisions, indexing="ij")
    tp, pp, attention_dp, expert_parallel, precision, kv_precision = (axis.ravel().astype(np.int32) for axis in grid)
    width = tp * attention_dp
    ep = np.where(expert_parallel == 1, width, 1)
    legal = (width * pp <= max_devices) & (width <= domain) & ((expert_parallel == 0) | ((width > 1) & (shape.experts % width == 0)))
    legal &= (expert_parallel == 0) | (shape.experts > 0)
    ones = np.ones(int(legal.sum()), dtype=np.int32)
    return ServingColumns(
        platform=0 * ones,
        tp=tp[legal],
        pp=pp[legal],
        ep=ep[legal].astype(np.int32),
        attention_dp=attention_dp[legal],
        precision=precision[legal],
        kv_precision=kv_precision[legal],
        batch=ones,
    )


def batch_at(index: IntColumn, max_batch: IntColumn) -> IntColumn:
    """The batch at `index` of the ladder of batches, at most what the replica holds."""
    return np.minimum(_LADDER[index], max_batch)


def largest_index(max_batch: IntColumn) -> IntColumn:
    """Index of the ladder's first batch that reaches `max_batch`: the last one worth trying."""
    found: IntColumn = np.minimum(np.searchsorted(_LADDER, max_batch), len(_LADDER) - 1).astype(np.int32)
    return found


_LADDER = np.array(batches(), dtype=np.int32)
