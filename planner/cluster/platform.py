"""Platforms: server x scale-up domain x fabric template, their figures in closed form as arrays.

A platform is what a candidate stands on. `Platforms` holds one row a platform; performance needs its rates and hops,
money its parts per device. `planner.cluster` designs the exact fabric later, for the shortlist only.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.search.columns import FloatColumn, IntColumn


@dataclass(frozen=True, slots=True)
class Platforms:
    """One row a platform; rates are per device and one direction, NaN where unknown.

    peak_flops_per_s, matmul_fraction   shape (platforms, len(PRECISIONS)): dense peak, and the best measured matmul over it
    """

    accelerator_id: tuple[str, ...]
    server_id: tuple[str, ...]
    peak_flops_per_s: FloatColumn
    matmul_fraction: FloatColumn
    memory_bytes: FloatColumn
    memory_bandwidth_bytes_per_s: FloatColumn
    devices_per_server: IntColumn
    scale_up_domain: IntColumn  # devices within one scale-up domain (1: none faster than the host bus)
    scale_up_bytes_per_s: FloatColumn
    scale_up_latency_s: FloatColumn
    scale_out_bytes_per_s: FloatColumn
    scale_out_latency_s: FloatColumn
    host_link_bytes_per_s: FloatColumn
