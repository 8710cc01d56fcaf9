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
from measurements.training_efficiency import NEUTRAL, TrainingEfficiency, TrainingPhysics, training_efficiency
from planner.cluster.platform import Platforms
from planner.performance.operations import Product
from planner.search.columns import PRECISIONS, FloatColumn, IntColumn

_KERNELS = (("bfloat16",), ("bfloat16",), ("fp8_block", "fp8"), ("sq", "fp8"), ("nvfp4",), ("int4_wo",))  # by PRECISIONS, first known
_ELEMENT_BYTES = np.array((2.0, 2.0, 1.0, 1.0, 0.5625, 0.5156))  # of a matrix product's inputs, by PRECISIONS (section 8.1)
_OTHER_VENDOR = 3.0  # another vendor counts as this much further away, in e-foldings of rate
_TRANSFER = 0.7  # share of a relative's deviation that carries over


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
    dense_factor: FloatColumn  # of the software, on the step time
    moe_factor: FloatColumn
    borrowed_from: tuple[str, ...]  # "": measured itself
    calibrated: bool


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
    element_bytes = _ELEMENT_BYTES[precision]
    moved = (
        element_bytes * (product.weight_elements + product.m * product.k * product.groups) + 2.0 * product.m * product.n * product.groups
    )
    compute_s = product.flops / flops_per_s[platform, precision]
    memory_s = moved / efficiency.memory_bytes_per_s[platform]
    return np.asarray(efficiency.product_launch_s[platform, precision] + (compute_s**norm + memory_s**norm) ** (1.0 / norm))


def attention_s(flops: FloatColumn, qk_dim: int, platform: IntColumn, efficiency: Efficiency) -> FloatColumn:
    """Time of attention cores in 16 bit; the softmax of small heads costs as much as their products (section 3.9)."""
    return np.asarray(flops * (1.0 + efficiency.physics.attention_dim / qk_dim) / efficiency.attention_flops_per_s[platform])


def memory_bound_s(moved_bytes: FloatColumn, platform: IntColumn, efficiency: Efficiency) -> FloatColumn:
    """Time of element-wise work (equation 3.1)."""
    return np.asarray(moved_bytes / efficiency.memory_bytes_per_s[platform])


@dataclass(frozen=True, slots=True)
class EfficiencyTable:
    """Measured kernels and fitted factors of all accelerators that have any."""

    kernels: Mapping[str, Kernels]
    training: TrainingEfficiency
    digest: str

    def on(self, platforms: Platforms, stack: str = "", release: str = "") -> Efficiency:
        """Rates of `platforms` under a software stack and release; an unknown stack is neutral."""
        training, physics = self.training, self.training.physics
        chips = [self._chip(platforms, row) for row in range(len(platforms.accelerator_id))]
        curves = [[_product_curve(chip, keys) for keys in _KERNELS] for chip in chips]
        shape = (len(chips), len(PRECISIONS))
        share, launch_s, norm = (np.array([[curve[item] for curve in row] for row in curves]).reshape(shape) for item in range(3))
        factors = [self._factors(platforms, row) for row in range(len(platforms.accelerator_id))]
        factor = np.array([row for row, _ in factors]).reshape(shape)
        attention = np.array([_attention_share(chip) for chip in chips])
        peak = platforms.peak_flops_per_s
        product_flops_per_s = (
            physics.products * factor * np.where(np.isnan(platforms.matmul_fraction), share, platforms.matmul_fraction) * peak
        )
        software = training.software.get(stack, NEUTRAL)
        dense, moe = software.factors(release)
        return Efficiency(
            product_flops_per_s=product_flops_per_s,
            product_launch_s=launch_s,
            product_norm=norm,
            expert_flops_per_s=physics.experts * product_flops_per_s,
            attention_flops_per_s=physics.attention * factor[:, 0] * attention * peak[:, 0],
            scan_flops_per_s=physics.scan * peak[:, 0],
            memory_bytes_per_s=physics.memory * platforms.memory_bandwidth_bytes_per_s,
            physics=physics,
            traffic=np.full(len(chips), physics.traffic * software.traffic),
            dense_factor=np.full(len(chips), dense),
            moe_factor=np.full(len(chips), moe),
            borrowed_from=tuple(source for _, source in factors),
            calibrated=training.calibrated,
        )

    def _chip(self, platforms: Platforms, row: int) -> Kernels:
        """The accelerator's own kernels, or those of its nearest relative."""
        name = platforms.accelerator_id[row]
        known = {key: (chip.peak_flops_per_s["bf16"], chip.memory_bytes_per_s) for key, chip in self.kernels.items()}
        return self.kernels[name if name in known else nearest_relative(name, _rates(platforms, row), known)]

    def _factors(self, platforms: Platforms, row: int) -> tuple[list[float], str]:
        """Fitted factor on the rates by precision, and the relative it is borrowed from ("" if fitted itself)."""
        training, name = self.training, platforms.accelerator_id[row]
        known = {key: (chip.peak_flops_per_s, chip.memory_bytes_per_s) for key, chip in training.accelerators.items()}
        source = name if name in known or not known else nearest_relative(name, _rates(platforms, row), known)
        transfer = 1.0 if source == name else _TRANSFER
        chip = training.accelerators[source].rate if source in known else 1.0
        factors = [
            training.formats.get(precision, 1.0) * (chip * training.pairs.get((source, precision), 1.0)) ** transfer
            for precision in PRECISIONS
        ]
        return factors, "" if source == name else source


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

    def distance(other: str) -> tuple[float, str]:
        gap = sum(abs(math.log(mine / theirs)) if mine > 0 and theirs > 0 else 1.0 for mine, theirs in zip(here, known[other], strict=True))
        return gap + (0.0 if other.split("-", 1)[0] == vendor else _OTHER_VENDOR), other

    return min(known, key=distance)


@cache
def load_efficiency() -> EfficiencyTable:
    """The packaged measurements."""
    training = training_efficiency()
    digest = hashlib.sha256(f"{kernels_digest()}\n{training.digest}".encode()).hexdigest()
    return EfficiencyTable(kernels(), training, digest)
