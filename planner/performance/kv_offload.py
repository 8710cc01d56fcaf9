"""Keeping the KV cache of past prompts in a slower tier: host memory, CXL, NVMe, a remote store (equation 4.2)."""

from __future__ import annotations

import numpy as np

from planner.performance.serving_step import Replica
from planner.search.columns import FloatColumn


def cache_bytes(replica: Replica, tokens: float | FloatColumn) -> FloatColumn:
    """KV cache and state of one sequence of `tokens` in the whole replica, each element once."""
    demand = replica.demand
    elements = sum(group.layers * group.cache_elements * np.minimum(tokens, group.reach) for group in demand.attention)
    return np.asarray(elements * replica.device.kv_bytes + demand.state_bytes)


def break_even_bytes_per_s(replica: Replica, tokens: float | FloatColumn) -> FloatColumn:
    """Tier bandwidth of the replica from which loading `tokens` is faster than computing them again: bytes / T_pf."""
    return np.asarray(cache_bytes(replica, tokens) / replica.prefill(tokens).alone.total_s)


def tier_bytes(replica: Replica, sessions: float, context_tokens: float) -> FloatColumn:
    """Capacity that holds the reusable prefixes: sessions x context x bytes (equation 4.2)."""
    return sessions * cache_bytes(replica, context_tokens)
