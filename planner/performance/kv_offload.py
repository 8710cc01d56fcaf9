"""Keeping the KV cache of past prompts in a slower tier, host memory or local drives, and loading it back (equation 4.2)."""

from __future__ import annotations

import numpy as np

from planner.performance.serving_demand import ServingDemand
from planner.search.columns import FloatColumn, IntColumn


def cache_bytes(demand: ServingDemand, kv_bytes: FloatColumn, tokens: float | FloatColumn) -> FloatColumn:
    """KV cache and state of one sequence of `tokens` in a whole replica, each element once, `kv_bytes` an element."""
    elements = sum(group.layers * group.cache_elements * np.minimum(tokens, group.reach) for group in demand.attention)
    return np.asarray(elements * kv_bytes + demand.state_bytes)


def cache_ranks(demand: ServingDemand, tp: IntColumn) -> FloatColumn:
    """Tensor-parallel ranks that hold different parts of a layer's cache: they load and send it side by side."""
    return np.minimum(tp, max((group.cache_shards for group in demand.attention), default=1)).astype(np.float64)


def break_even_bytes_per_s(reused_bytes: FloatColumn, computed_s: FloatColumn) -> FloatColumn:
    """Rate of a replica's tier from which loading a cache is faster than computing it again in `computed_s`: bytes / T_pf."""
    return np.asarray(reused_bytes / np.maximum(computed_s, np.finfo(np.float64).tiny))


def tier_bytes(sessions: float, reused_bytes: FloatColumn) -> FloatColumn:
    """Capacity that holds the reusable prefixes: sessions x context x bytes (equation 4.2)."""
    return sessions * reused_bytes
