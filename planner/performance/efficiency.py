"""How much of a platform's peaks training reaches: few physical parameters per accelerator and number format.

`EfficiencyTable` joins measured kernels with the factors fitted to measured runs; `EfficiencyTable.on` gives the rates of
given platforms as columns. An accelerator without measurements borrows the shares of peak of its nearest relative, which
is the measured one with the nearest peak and memory bandwidth, of the same vendor if there is any; `borrowed_from` says so.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from measurements.kernel_efficiency import Kernels, kernels, kernels_digest
from measurements.training_efficiency import NEUTRAL, UNFITTED, TrainingEfficiency, TrainingPhysics, training_efficiency
from planner.cluster.platform import Platforms
from planner.performance.operations import Product
from planner.search.columns import PRECISIONS, FloatColumn, IntColumn

_KERNELS = (("bfloat16",), ("bfloat16",), ("fp8_block", "fp8"), ("sq", "fp8"), ("nvfp4",), ("int4_wo",))  # by PRECISIONS, first known
_ELEMENT_BYTES = np.array((2.0, 2.0, 1.0, 1.0, 0.5625, 0.5156))  # of a matrix product's inputs, by PRECISIONS (section 8.1)
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
    peak_flops_per_s: FloatColumn
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


def efficiency(
    reached: Reached, factors: Factors, physics: TrainingPhysics, borrowed_from: tuple[str, ...], *, calibrated: bool
) -> Efficiency:
    """Kernels' rates times the fitted factors."""
    product_flops_per_s = physics.products * factors.products * reached.product_flops_per_s
    return Efficiency(
        product_flops_per_s=product_flops_per_s,
        product_launch_s=reached.product_launch_s,
        product_norm=reached.product_norm,
        expert_flops_per_s=physics.experts * factors.experts * product_flops_per_s,
        attention_flops_per_s=physics.attention * factors.attention * reached.attention_flops_per_s,
        scan_flops_per_s=physics.scan * reached.peak_flops_per_s,
        memory_bytes_per_s=physics.memory * factors.memory * reached.memory_bytes_per_s,
        physics=physics,
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

    recipe            of narrow formats: "mx" for blocks of 32 values, "row" for scales by row
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
    digest: str

    def on(self, platforms: Platforms, *conditions: Condition) -> Efficiency:
        """Rates of `platforms` under one condition for all, or one for each; none is neutral."""
        training = self.training
        count = len(platforms.accelerator_id)
        chosen = conditions if len(conditions) == count else (conditions or (Condition(),)) * count
        software = [training.software.get(condition.stack, NEUTRAL) for condition in chosen]
        releases = [row.factors(condition.release) for row, condition in zip(software, chosen, strict=True)]
        fitted = [self._fitted(platforms, row) for row in range(count)]
        limited = np.array([condition.power_share for condition in chosen]) ** training.physics.power
        factors = Factors(
            products=np.array([row.products for row in fitted]).reshape(count, len(PRECISIONS)) * limited[:, None],
            experts=np.tile([training.experts.get(precision, 1.0) for precision in PRECISIONS], (count, 1)),
            attention=np.array([row.attention for row in fitted]) * [row.attention for row in software] * limited,
            memory=np.array([condition.bandwidth_share for condition in chosen]),
            traffic=np.array([row.traffic for row in software]),
            quantisation=np.array([training.recipes.get(condition.recipe, 1.0) for condition in chosen]),
            dense=np.array([dense for dense, _ in releases]),
            moe=np.array([moe for _, moe in releases]),
            score_bytes=np.array([row.score_bytes for row in software]),
        )
        borrowed = tuple(row.borrowed_from for row in fitted)
        return efficiency(self.reached(platforms), factors, training.physics, borrowed, calibrated=training.calibrated)

    def reached(self, platforms: Platforms) -> Reached:
        """What kernels reach on `platforms`, before anything fitted to training."""
        chips = [self._chip(platforms, row) for row in range(len(platforms.accelerator_id))]
        curves = [[_product_curve(chip, keys) for keys in _KERNELS] for chip in chips]
        shape = (len(chips), len(PRECISIONS))
        share, launch_s, norm = (np.array([[curve[item] for curve in row] for row in curves]).reshape(shape) for item in range(3))
        peak = platforms.peak_flops_per_s
        return Reached(
            product_flops_per_s=_best_share(platforms, share) * peak,
            product_launch_s=launch_s,
            product_norm=norm,
            attention_flops_per_s=np.array([_attention_share(chip) for chip in chips]) * peak[:, 0],
            peak_flops_per_s=peak[:, 0],
            memory_bytes_per_s=platforms.memory_bandwidth_bytes_per_s,
        )

    def _chip(self, platforms: Platforms, row: int) -> Kernels:
        """The accelerator's own kernels, or those of its nearest relative."""
        name = platforms.accelerator_id[row]
        known = {key: (chip.peak_flops_per_s["bf16"], chip.memory_bytes_per_s) for key, chip in self.kernels.items()}
        return self.kernels[name if name in known else nearest_relative(name, _rates(platforms, row), known)]

    def _fitted(self, platforms: Platforms, row: int) -> _Fitted:
        """Fitted factors on the rates of one platform, its own or those of its nearest relative."""
        training, name = self.training, platforms.accelerator_id[row]
        known = {key: (chip.peak_flops_per_s, chip.memory_bytes_per_s) for key, chip in training.accelerators.items()}
        source = name if name in known or not known else nearest_relative(name, _rates(platforms, row), known)
        chip = training.accelerators.get(source, UNFITTED)
        transfer = 1.0 if source == name else TRANSFER
        products = [
            training.formats.get(precision, 1.0) * (chip.rate * training.pairs.get((source, precision), 1.0)) ** transfer
            for precision in PRECISIONS
        ]
        return _Fitted(products, chip.rate**transfer * chip.attention**transfer, "" if source == name else source)


@dataclass(frozen=True, slots=True)
class _Fitted:
    products: list[float]  # by PRECISIONS
    attention: float
    borrowed_from: str  # "": the accelerator's own


def _best_share(platforms: Platforms, kernel_share: FloatColumn) -> FloatColumn:
    """Share of peak of large products: the best measured one, or the kernels', which are a relative's where the chip has none.

    A chip that is known to reach more or less than its relative in 16 bit does so, to the square root, in other formats.
    """
    own = platforms.matmul_fraction
    borrowed = kernel_share * np.sqrt(np.where(np.isnan(own[:, :1]), 1.0, own[:, :1] / kernel_share[:, :1]))
    return np.where(np.isnan(own), borrowed, own)


def _rates(platforms: Platforms, row: int) -> tuple[float, float]:
    return float(platforms.peak_flops_per_s[row, 0]), float(platforms.memory_bandwidth_bytes_per_s[row])


def _product_curve(chip: Kernels, keys: tuple[str, ...]) -> tuple[float, float, float]:
    """Share of the format's peak, launch time and knee of the first kernel that was measured, or else the 16-bit one."""
    key = next((key for key in keys if key in chip.products), "bfloat16")
    kernel = chip.products[key]
    return kernel.flops_per_s / kernel.peak_flops_per_s, kernel.launch_s, kernel.norm


def _attention_share(chip: Kernels) -> float:
    """Best share of the 16-bit peak that attention over long prompts reaches."""
    return max(kernel.flops_per_s for key, kernel in chip.prefill.items() if key.startswith("bfloat16")) / chip.peak_flops_per_s["bf16"]


def nearest_relative(name: str, here: tuple[float, float], known: Mapping[str, tuple[float, float]]) -> str:
    """The accelerator of `known` (16-bit peak, memory bandwidth) that is nearest to one with the rates `here`."""
    vendor = name.split("-", 1)[0]

    def distance(other: str) -> tuple[bool, float, str]:
        gap = sum(abs(math.log(mine / theirs)) if mine > 0 and theirs > 0 else 1.0 for mine, theirs in zip(here, known[other], strict=True))
        return other.split("-", 1)[0] != vendor, gap, other

    return min(known, key=distance)


@cache
def load_efficiency() -> EfficiencyTable:
    """The packaged measurements."""
    training = training_efficiency()
    digest = hashlib.sha256(f"{kernels_digest()}\n{training.digest}".encode()).hexdigest()
    return EfficiencyTable(kernels(), training, digest)
