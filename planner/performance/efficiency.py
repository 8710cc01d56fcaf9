"""How much of a platform's peaks training reaches: few physical parameters per accelerator and number format.

`EfficiencyTable` joins measured kernels with the factors fitted to measured runs; `EfficiencyTable.on` gives the rates of
given platforms as columns. An accelerator without measurements borrows from its nearest relative that has them
(`planner.performance.relatives`); `borrowed_from` says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Self

import numpy as np

from hardware_db import load_hardware
from hardware_db.records import Accelerator
from measurements.kernel_efficiency import Kernels, kernels, kernels_digest
from measurements.training_efficiency import NEUTRAL, UNFITTED, TrainingEfficiency, TrainingPhysics, training_efficiency
from planner.cluster.platform import Platforms
from planner.performance.operations import Product
from planner.performance.relatives import generation, nearest_relative, power_ratio
from planner.search.columns import PRECISIONS, BoolColumn, FloatColumn, IntColumn

_KERNELS = (
    ("bfloat16",),
    ("bfloat16",),
    ("fp8", "fp8_block"),
    ("sq", "fp8"),
    ("nvfp4",),
    ("int4_wo",),
)  # by PRECISIONS, the fastest counts
_ELEMENT_BYTES = np.array((2.0, 2.0, 1.0, 1.0, 0.5625, 0.5156))  # of a matrix product's inputs, by PRECISIONS (section 8.1)
_MOST = 0.95  # share of a peak that no product exceeds
TRANSFER = 0.7  # share of a relative's deviation that carries over


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Rates that platforms reach, columns over platforms; two-dimensional ones have a column per precision."""

    product_flops_per_s: FloatColumn
    product_launch_s: FloatColumn
    product_norm: FloatColumn
    expert_flops_per_s: FloatColumn
    attention_flops_per_s: FloatColumn
    scan_flops_per_s: FloatColumn
    memory_bytes_per_s: FloatColumn
    physics: TrainingPhysics
    fuses_experts: BoolColumn  # gated ones, with gate and casts, in steps launched as one graph
    traffic: FloatColumn  # bytes of element-wise work over those of the fused operations
    quantisation: FloatColumn  # bytes of casting to narrow formats over one read and two writes
    dense_factor: FloatColumn  # of the software, on the step time
    moe_factor: FloatColumn
    score_bytes: FloatColumn  # moved a score where attention is not fused; 0 where it is
    borrowed_from: tuple[str, ...]  # "": measured itself
    calibrated: bool


@dataclass(frozen=True, slots=True)
class Reached:
    """What kernels reach on platforms, before anything fitted to training; as in `Efficiency`."""

    product_flops_per_s: FloatColumn
    product_launch_s: FloatColumn
    product_norm: FloatColumn
    attention_flops_per_s: FloatColumn
    peak_flops_per_s: FloatColumn  # of each format
    memory_bytes_per_s: FloatColumn


@dataclass(frozen=True, slots=True)
class Factors:
    """Fitted factors, a row a platform: on rates (by precision), on bytes, on the step time."""

    products: FloatColumn
    experts: FloatColumn
    attention: FloatColumn
    memory: FloatColumn
    traffic: FloatColumn
    quantisation: FloatColumn
    dense: FloatColumn
    moe: FloatColumn
    score_bytes: FloatColumn
    fuses_experts: BoolColumn


def efficiency(
    reached: Reached, factors: Factors, physics: TrainingPhysics, borrowed_from: tuple[str, ...], *, calibrated: bool
) -> Efficiency:
    """Kernels' rates times the fitted factors."""
    product_flops_per_s = np.minimum(physics.products * factors.products * reached.product_flops_per_s, _MOST * reached.peak_flops_per_s)
    return Efficiency(
        product_flops_per_s=product_flops_per_s,
        product_launch_s=reached.product_launch_s,
        product_norm=reached.product_norm,
        expert_flops_per_s=physics.experts * factors.experts * product_flops_per_s,
        attention_flops_per_s=physics.attention * factors.attention * reached.attention_flops_per_s,
        scan_flops_per_s=physics.scan * reached.peak_flops_per_s[:, 0],
        memory_bytes_per_s=physics.memory * factors.memory * reached.memory_bytes_per_s,
        physics=physics,
        fuses_experts=factors.fuses_experts,
        traffic=physics.traffic * factors.traffic,
        quantisation=physics.quantisation * factors.quantisation,
        dense_factor=factors.dense,
        moe_factor=factors.moe,
        score_bytes=factors.score_bytes,
        borrowed_from=borrowed_from,
        calibrated=calibrated,
    )


def gemm_s(product: Product, platform: IntColumn, precision: IntColumn, efficiency: Efficiency) -> FloatColumn:
    """Time of one matrix product: roofline with a smooth knee (equation 3.1; section 3.9)."""
    return _product_s(product, platform, precision, efficiency, efficiency.product_flops_per_s)


def moe_s(product: Product, platform: IntColumn, precision: IntColumn, efficiency: Efficiency) -> FloatColumn:
    """Time of the grouped products of routed experts: as a dense one at a lower rate (section 3.9)."""
    return _product_s(product, platform, precision, efficiency, efficiency.expert_flops_per_s)


def _product_s(
    product: Product, platform: IntColumn, precision: IntColumn, efficiency: Efficiency, flops_per_s: FloatColumn
) -> FloatColumn:
    norm = efficiency.product_norm[platform, precision]
    compute_s = product.flops / flops_per_s[platform, precision]
    memory_s = product_bytes(product, precision) / efficiency.memory_bytes_per_s[platform]
    return np.asarray(efficiency.product_launch_s[platform, precision] + (compute_s**norm + memory_s**norm) ** (1.0 / norm))


def product_bytes(product: Product, precision: IntColumn) -> FloatColumn:
    """Bytes of both inputs in the number format and of the output in 16 bit (equation 3.1)."""
    inputs = product.weight_elements + product.m * product.k * product.groups
    return np.asarray(_ELEMENT_BYTES[precision] * inputs + 2.0 * product.m * product.n * product.groups)


def attention_s(flops: FloatColumn, qk_dim: int, platform: IntColumn, efficiency: Efficiency) -> FloatColumn:
    """Time of attention cores in 16 bit; the softmax of small heads costs as much as their products (section 3.9)."""
    return np.asarray(flops * (1.0 + efficiency.physics.attention_dim / qk_dim) / efficiency.attention_flops_per_s[platform])


def memory_bound_s(moved_bytes: FloatColumn, platform: IntColumn, efficiency: Efficiency) -> FloatColumn:
    """Time of element-wise work (equation 3.1)."""
    return np.asarray(moved_bytes / efficiency.memory_bytes_per_s[platform])


@dataclass(frozen=True, slots=True)
class Condition:
    """Under what a platform runs, where it is known; the defaults are neutral.

    recipe            of narrow formats: "mx" for blocks of 32 values, "nv" of 16 with two levels of scales, "row" for scales by row
    power_share       power limit over the accelerator's rating
    bandwidth_share   memory bandwidth of the part over that of the catalog entry
    """

    stack: str = ""
    release: str = ""
    recipe: str = ""
    power_share: float = 1.0
    bandwidth_share: float = 1.0


@dataclass(frozen=True, slots=True)
class EfficiencyTable:
    """Measured kernels and fitted factors of all accelerators that have any."""

    kernels: Mapping[str, Kernels]
    training: TrainingEfficiency
    catalog: Mapping[str, Accelerator]  # those of which anything was measured
    digest: str

    def on(self, platforms: Platforms, *conditions: Condition) -> Efficiency:
        """Rates of `platforms` under one condition for all, or one for each; none is neutral."""
        training = self.training
        count = len(platforms.accelerator_id)
        chosen = conditions if len(conditions) == count else (conditions or (Condition(),)) * count
        software = [training.software.get(condition.stack, NEUTRAL) for condition in chosen]
        releases = [row.factors(condition.release) for row, condition in zip(software, chosen, strict=True)]
        fitted = [self._fitted(chip) for chip in platforms.accelerators]
        older = [row.attention_on(generation(chip), training.physics) for chip, row in zip(platforms.accelerators, software, strict=True)]
        limited = np.array([condition.power_share for condition in chosen]) ** training.physics.power
        factors = Factors(
            products=np.array([row.products for row in fitted]).reshape(count, len(PRECISIONS)) * limited[:, None],
            experts=np.tile([training.experts.get(precision, 1.0) for precision in PRECISIONS], (count, 1)),
            attention=np.array([row.attention for row in fitted]) * [row.attention for row in software] * older * limited,
            memory=np.array([condition.bandwidth_share for condition in chosen]),
            traffic=np.array([row.traffic for row in software]),
            quantisation=np.array([training.recipes.get(condition.recipe, 1.0) for condition in chosen]),
            dense=np.array([dense for dense, _ in releases]),
            moe=np.array([moe for _, moe in releases]),
            score_bytes=np.array([row.score_bytes for row in software]),
            fuses_experts=np.array([row.fuses_experts(c.release, c.recipe) for row, c in zip(software, chosen, strict=True)]),
        )
        borrowed = tuple(row.borrowed_from for row in fitted)
        return efficiency(self.reached(platforms), factors, training.physics, borrowed, calibrated=training.calibrated)

    def reached(self, platforms: Platforms) -> Reached:
        """What kernels reach on `platforms`, before anything fitted to training."""
        shape = (len(platforms.accelerators), len(PRECISIONS))
        curves = [self._curve(chip) for chip in platforms.accelerators]
        peak = platforms.peak_flops_per_s
        return Reached(
            product_flops_per_s=np.array([curve.share for curve in curves]).reshape(shape) * peak,
            product_launch_s=np.array([curve.launch_s for curve in curves]).reshape(shape),
            product_norm=np.array([curve.norm for curve in curves]).reshape(shape),
            attention_flops_per_s=np.array([curve.attention for curve in curves]) * peak[:, 0],
            peak_flops_per_s=peak,
            memory_bytes_per_s=platforms.memory_bandwidth_bytes_per_s,
        )

    def _curve(self, chip: Accelerator) -> _Curve:
        """Of the accelerator itself if any of its products were measured, or else of its nearest relative.

        Where the vendor has none, fitted factors refer to another vendor's kernels: those of the relative that was fitted.
        """
        alike = {key: other for key, other in self.catalog.items() if other.vendor == chip.vendor}
        measured = {key: other for key, other in alike.items() if key in self.kernels or other.matmul_fraction}
        fitted = {key: other for key, other in alike.items() if key in self.training.accelerators}
        known = measured or fitted
        if known and not (chip.id in known or chip.matmul_fraction):
            chip = known[nearest_relative(chip, known)]
        relatives = {key: self.catalog[key] for key in self.kernels}
        source = self.kernels[chip.id if chip.id in self.kernels else nearest_relative(chip, relatives)]
        return _Curve.of(source, chip.matmul_fraction, borrowed=chip.id not in self.kernels)

    def _fitted(self, chip: Accelerator) -> _Fitted:
        """Fitted factors on the rates of an accelerator, its own or those of its nearest relative."""
        training = self.training
        known = {key: self.catalog[key] for key in training.accelerators}
        source = chip.id if chip.id in known or not known else nearest_relative(chip, known)
        found = training.accelerators.get(source, UNFITTED)
        transfer, clock = (1.0, 1.0) if source == chip.id else (TRANSFER, power_ratio(chip, known[source]) ** training.physics.power)
        rate = clock * found.rate**transfer
        products = [
            training.formats.get(precision, 1.0) * rate * training.pairs.get((source, precision), 1.0) ** transfer
            for precision in PRECISIONS
        ]
        return _Fitted(products, rate * found.attention**transfer, "" if source == chip.id else source)


@dataclass(frozen=True, slots=True)
class _Curve:
    """What products (by PRECISIONS) and attention reach on one accelerator: shares of the peaks, launch times, knees."""

    share: FloatColumn
    launch_s: FloatColumn
    norm: FloatColumn
    attention: float

    @classmethod
    def of(cls, kernels: Kernels, measured: Mapping[str, float], *, borrowed: bool) -> Self:
        """From kernel tables and the best measured products of the accelerator.

        Where the tables are a relative's, a chip that is known to reach more or less than it in 16 bit does so in attention, and to the
        square root in other formats.
        """
        curves = np.array([_product_curve(kernels, keys) for keys in _KERNELS])
        own = np.array([measured.get(precision, np.nan) for precision in PRECISIONS])
        better = 1.0 if np.isnan(own[0]) else own[0] / curves[0, 0]
        share = np.where(np.isnan(own), curves[:, 0] * np.sqrt(better), own)
        return cls(share, curves[:, 1], curves[:, 2], _attention_share(kernels) * (better if borrowed else 1.0))


@dataclass(frozen=True, slots=True)
class _Fitted:
    products: list[float]  # by PRECISIONS
    attention: float
    borrowed_from: str  # "": the accelerator's own


def _product_curve(chip: Kernels, keys: tuple[str, ...]) -> tuple[float, float, float]:
    """Share of the format's peak, launch time and knee of the fastest kernel that was measured, or else the 16-bit one."""
    measured = [chip.products[key] for key in keys if key in chip.products]
    kernel = max(measured or [chip.products["bfloat16"]], key=lambda kernel: kernel.flops_per_s / kernel.peak_flops_per_s)
    return kernel.flops_per_s / kernel.peak_flops_per_s, kernel.launch_s, kernel.norm


def _attention_share(chip: Kernels) -> float:
    """Best share of the 16-bit peak that attention over long prompts reaches."""
    return max(kernel.flops_per_s for key, kernel in chip.prefill.items() if key.startswith("bfloat16")) / chip.peak_flops_per_s["bf16"]


@cache
def load_efficiency() -> EfficiencyTable:
    """The packaged measurements."""
    training = training_efficiency()
    digest = hashlib.sha256(f"{kernels_digest()}\n{training.digest}".encode()).hexdigest()
    chips = load_hardware().accelerators.items()
    measured = {key: chip for key, chip in chips if key in kernels() or key in training.accelerators or chip.matmul_fraction}
    return EfficiencyTable(kernels(), training, MappingProxyType(measured), digest)
