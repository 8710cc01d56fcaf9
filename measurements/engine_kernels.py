"""Kernels of serving engines by accelerator and number format, as measured (`kernels/engine_kernels.csv`).

Reduced from the performance tables of NVIDIA aiconfigurator (aiconfigurator-core 0.12.0, Apache-2.0; repository
ai-dynamo/aiconfigurator, aic-core/.../systems/data): of each engine the newest version. A kernel takes
launch + smooth maximum of flops / flops_per_s and bytes / bytes_per_s; `decode` is attention over the cache, its
bandwidth the median over calls of 50 us or more; `experts` is one layer's routed experts, tokens spread evenly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from facts.cache import digest_of

_FILE = "kernels/engine_kernels.csv"


@dataclass(frozen=True, slots=True)
class EngineKernel:
    """`flops_per_s` is 0 where memory alone counts."""

    launch_s: float
    flops_per_s: float
    bytes_per_s: float
    error: float  # median of the fit, relative


@dataclass(frozen=True, slots=True)
class EngineKernels:
    """Kernels by (accelerator, engine, operation, format)."""

    kernels: Mapping[tuple[str, str, str, str], EngineKernel]
    closest: Mapping[tuple[str, str, str], EngineKernel]  # whose fit is closest, by (accelerator, operation, format)
    accelerators: tuple[str, ...]
    digest: str

    def find(self, accelerator: str, operation: str, formats: tuple[str, ...], engine: str = "") -> EngineKernel:
        """The first of `formats` that was measured: in `engine` if it was, else in the engine whose fit is closest."""
        for format_ in formats:
            found = self.kernels.get((accelerator, engine, operation, format_)) or self.closest.get((accelerator, operation, format_))
            if found:
                return found
        raise KeyError((accelerator, operation, formats))


@cache
def engine_kernels() -> EngineKernels:
    """All measured kernels, read once."""
    content = resources.files("measurements").joinpath(_FILE).read_bytes()
    found = {
        (row["accelerator"], row["engine"], row["operation"], row["format"]): EngineKernel(
            float(row["launch_us"]) * 1e-6,
            float(row["tflop_per_s"] or 0.0) * 1e12,
            float(row["gb_per_s"]) * 1e9,
            float(row["error_pct"]) / 100,
        )
        for row in csv.DictReader(io.StringIO(content.decode("utf-8")))
    }
    closest: dict[tuple[str, str, str], EngineKernel] = {}
    for (chip, _, operation, format_), kernel in found.items():
        key = (chip, operation, format_)
        if key not in closest or kernel.error < closest[key].error:
            closest[key] = kernel
    chips = tuple(sorted({chip for chip, *_ in found}))
    return EngineKernels(MappingProxyType(found), MappingProxyType(closest), chips, digest_of([(_FILE, content)]))
