"""How many replicas and servers a rate of requests needs (equation 4.3, provisioning)."""

from __future__ import annotations

import numpy as np

from planner.search.columns import FloatColumn, IntColumn

_MOST = 10**7  # beyond any limit on devices


def replicas(peak_requests_per_s: float, capacity_requests_per_s: FloatColumn) -> IntColumn:
    """The fewest replicas whose planned capacity covers the peak; more than any limit where there is no capacity."""
    with np.errstate(divide="ignore", over="ignore"):
        needed = np.ceil(peak_requests_per_s / capacity_requests_per_s - 1e-9)
    count: IntColumn = np.clip(np.nan_to_num(needed, nan=_MOST), 1, _MOST).astype(np.int32)
    return count


def servers(replica_count: IntColumn, devices_per_replica: IntColumn, devices_per_server: IntColumn) -> IntColumn:
    """Whole servers: small replicas share one, a large replica spans several of its own."""
    per_server = devices_per_server // devices_per_replica
    spanned = -(-devices_per_replica // devices_per_server)
    shared = -(-replica_count // np.maximum(per_server, 1))
    wide = np.minimum(replica_count.astype(np.int64) * spanned, _MOST)
    needed: IntColumn = np.where(per_server >= 1, shared, wide).astype(np.int32)
    return needed


def shared_servers(counts: tuple[IntColumn, IntColumn], devices: tuple[IntColumn, IntColumn], devices_per_server: IntColumn) -> IntColumn:
    """Whole servers for `counts` replicas of two sizes side by side, where they fill servers without gaps; else for each size alone."""
    fits = (devices_per_server % devices[0] == 0) & (devices_per_server % devices[1] == 0)
    together = -(-(counts[0].astype(np.int64) * devices[0] + counts[1].astype(np.int64) * devices[1]) // devices_per_server)
    apart = servers(counts[0], devices[0], devices_per_server).astype(np.int64) + servers(counts[1], devices[1], devices_per_server)
    needed: IntColumn = np.minimum(np.where(fits, together, apart), _MOST).astype(np.int32)
    return needed
