"""How near the operations of a plan come to the roofs of its accelerator: their FLOP, bytes and seconds on one device.

Work is counted as in the times of a step (equations 3.1 and 4.2); roofs are those of the data sheet. Element-wise operations have no
FLOP of their own here and are left out, as is what full recomputation repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model_db.architecture import Architecture
from planner.answer import Roofline, RooflinePoint
from planner.cluster.platform import Platforms
from planner.performance.efficiency import product_bytes
from planner.performance.micro_batch import ATTENTION_BACKWARD, Method, Shares, backward_products
from planner.performance.operations import (
    ACTIVATION_BYTES,
    AttentionCore,
    ExpertProduct,
    MatrixProduct,
    Scan,
    attention_flops,
    expert_product,
    matrix_product,
    of_kind,
    operations,
)
from planner.performance.serving_step import PassTimes, Work
from planner.performance.training import TrainingStep
from planner.search.columns import PRECISIONS, FloatColumn

PhaseName = Literal["prefill", "decode", "step"]


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the work of each candidate: FLOP and bytes of one device by operation, and seconds."""

    name: PhaseName
    work: Mapping[str, tuple[FloatColumn, FloatColumn]]
    operations_s: Mapping[str, FloatColumn]
    total_s: FloatColumn


def serving_phase(name: PhaseName, work: Sequence[Work], times: PassTimes) -> Phase:
    """A pass of a replica: `work` and `times` of the same candidates."""
    amounts = ((one.operation, one.flops, one.moved_bytes) for one in work)
    return Phase(name, _summed(amounts), times.operations_s, times.total_s)


def training_phase(architecture: Architecture, method: Method, shares: Shares, step: TrainingStep) -> Phase:
    """A training step on the fullest stage of the pipeline, forward and backward; `shares` and `step` of the same candidates."""
    amounts = ((name, flops * step.passes, moved * step.passes) for name, flops, moved in _pass_work(architecture, method, shares))
    return Phase("step", _summed(amounts), step.parts_s, step.step_s)


Amount = tuple[str, FloatColumn, FloatColumn]  # operation, FLOP, bytes


def _summed(amounts: Iterable[Amount]) -> dict[str, tuple[FloatColumn, FloatColumn]]:
    found: dict[str, tuple[FloatColumn, FloatColumn]] = {}
    for name, flops, moved in amounts:
        before = found.get(name)
        found[name] = (before[0] + flops, before[1] + moved) if before else (flops, moved)
    return found


def _pass_work(architecture: Architecture, method: Method, shares: Shares) -> Iterator[Amount]:
    """A pass through the whole model, forward and backward."""
    counted, share, both = operations(architecture), shares.share, 1.0 + backward_products(method)
    for dense, count in of_kind(counted, MatrixProduct):
        product = matrix_product(dense, share)
        yield "matrix products", both * count * product.flops, both * count * product_bytes(product, shares.precision)
    for experts, count in of_kind(counted, ExpertProduct):
        product = expert_product(experts, share)
        yield "experts", both * count * product.flops, both * count * product_bytes(product, shares.precision)
    for core, count in of_kind(counted, AttentionCore):
        times = count * (1.0 + ATTENTION_BACKWARD)
        elements = (core.heads + core.kv_heads) * (core.qk_dim + core.v_dim)  # queries, keys, values and results, scores staying inside
        yield "attention", times * attention_flops(core, share), times * ACTIVATION_BYTES * share.rows(core.positions) * elements / share.tp
    for scan, count in of_kind(counted, Scan):
        tokens = both * count * share.tokens / share.tp
        yield "state space", tokens * scan.flops, tokens * ACTIVATION_BYTES * scan.elements


def roofline(phases: Sequence[Phase], platforms: Platforms, platform: int, row: int) -> Roofline | None:
    """Roofs of `platform`, and the points of candidate `row`; None where the bandwidth of its memory is unknown."""
    memory_bytes_per_s = float(platforms.memory_bandwidth_bytes_per_s[platform])
    if np.isnan(memory_bytes_per_s):
        return None
    peaks = zip(PRECISIONS, platforms.peak_flops_per_s[platform], strict=True)
    return Roofline(
        peak_flops_per_s={precision: float(peak) for precision, peak in peaks if not np.isnan(peak)},
        memory_bytes_per_s=memory_bytes_per_s,
        points=tuple(point for phase in phases for point in _points(phase, row)),
    )


def _points(phase: Phase, row: int) -> Iterator[RooflinePoint]:
    """The whole phase, then its operations."""
    work = {name: (float(flops[row]), float(moved[row])) for name, (flops, moved) in phase.work.items() if flops[row] > 0}
    total_flops, total_bytes = (sum(amounts) for amounts in zip(*work.values(), strict=True))
    yield RooflinePoint(phase=phase.name, operation="", flops=total_flops, moved_bytes=total_bytes, time_s=float(phase.total_s[row]))
    for name, (flops, moved) in work.items():
        yield RooflinePoint(phase=phase.name, operation=name, flops=flops, moved_bytes=moved, time_s=float(phase.operations_s[name][row]))


@dataclass(frozen=True, slots=True)
class UnderRoof:
    """A point and the roof over it: `memory_bound` where the slope of the memory is the lower one."""

    point: RooflinePoint
    intensity: float  # FLOP a byte
    flops_per_s: float
    share_of_roof: float
    memory_bound: bool


_HALF = frozenset({"attention", "head", "state", "state space"})  # operations that stay in 16 bit


def under_roofs(roofs: Roofline, precision: str) -> tuple[UnderRoof, ...]:
    """The points of a plan that runs its matrix products in `precision`, which is in 16 bit where the chip has no units for it."""
    half = roofs.peak_flops_per_s.get("bf16") or min(roofs.peak_flops_per_s.values())
    peak = roofs.peak_flops_per_s.get(precision, half)
    return tuple(_under(point, half if point.operation in _HALF else peak, roofs.memory_bytes_per_s) for point in roofs.points)


def _under(point: RooflinePoint, peak_flops_per_s: float, memory_bytes_per_s: float) -> UnderRoof:
    intensity, rate = point.flops / point.moved_bytes, point.flops / point.time_s
    slope = memory_bytes_per_s * intensity
    return UnderRoof(point, intensity, rate, rate / min(slope, peak_flops_per_s), slope < peak_flops_per_s)
