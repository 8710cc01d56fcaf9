"""What measured kernels reach on an accelerator, as carried over in `kernels/kernels.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from facts.cache import cached, digest_of
from facts.yaml_files import Yaml, parse_yaml

_FILE = "kernels/kernels.yaml"


@dataclass(frozen=True, slots=True)
class ProductKernel:
    """time = launch_s + ((flops / flops_per_s)**norm + (bytes / bytes_per_s)**norm)**(1 / norm)."""

    flops_per_s: float
    bytes_per_s: float
    launch_s: float
    norm: float
    peak_flops_per_s: float


@dataclass(frozen=True, slots=True)
class AttentionKernel:
    """time = launch_s + flops / flops_per_s + bytes / bytes_per_s; decode has bytes alone."""

    flops_per_s: float
    bytes_per_s: float
    launch_s: float


@dataclass(frozen=True, slots=True)
class Kernels:
    """All kernels of one accelerator; keys are those of the file (bfloat16, fp8, fp8_block, nvfp4, ...)."""

    accelerator_id: str
    peak_flops_per_s: Mapping[str, float]
    memory_bytes_per_s: float
    products: Mapping[str, ProductKernel]
    experts: Mapping[str, ProductKernel]
    prefill: Mapping[str, AttentionKernel]
    decode: Mapping[str, AttentionKernel]


def kernels_digest() -> str:
    """Digest of the file."""
    return digest_of([(_FILE, _content())])


@cache
def kernels() -> Mapping[str, Kernels]:
    """Measured kernels by accelerator id."""
    raw = cached("kernels", kernels_digest(), lambda: parse_yaml(_content(), "kernels.yaml"))
    return MappingProxyType(
        {key: _kernels(key, value) for key, value in raw.items() if isinstance(value, dict)} if isinstance(raw, dict) else {}
    )


def _content() -> bytes:
    return resources.files("measurements").joinpath(_FILE).read_bytes()


def _kernels(accelerator_id: str, raw: Mapping[str, Yaml]) -> Kernels:
    reference = _mapping(raw["reference"])
    peaks = {key: _number(value) * 1e12 for key, value in _mapping(reference["peak_tflops"]).items()}
    bandwidth = _number(reference["memory_gb_per_s"]) * 1e9

    def group(name: str) -> dict[str, Mapping[str, Yaml]]:
        return {key: _mapping(value) for key, value in _mapping(raw.get(name)).items()}

    def product(key: str, row: Mapping[str, Yaml]) -> ProductKernel:
        peak = peaks[_peak_of(key)] or peaks["bf16"]
        launch_s = _number(row["t0_us"]) * 1e-6
        return ProductKernel(_number(row["compute"]) * peak, _number(row["bandwidth"]) * bandwidth, launch_s, _number(row["norm"]), peak)

    def attention(key: str, row: Mapping[str, Yaml]) -> AttentionKernel:
        peak = peaks["fp8" if key.startswith("fp8_kv") else "bf16"]
        return AttentionKernel(_number(row.get("compute", 0.0)) * peak, _number(row["bandwidth"]) * bandwidth, _number(row["t0_us"]) * 1e-6)

    return Kernels(
        accelerator_id=accelerator_id,
        peak_flops_per_s=MappingProxyType(peaks),
        memory_bytes_per_s=bandwidth,
        products=MappingProxyType({key: product(key, row) for key, row in group("gemm").items()}),
        experts=MappingProxyType({key: product(key, row) for key, row in group("moe").items()}),
        prefill=MappingProxyType({key: attention(key, row) for key, row in group("attention_prefill").items()}),
        decode=MappingProxyType({key: attention(key, row) for key, row in group("attention_decode").items()}),
    )


def _peak_of(key: str) -> str:
    """The peak that a kernel's fraction refers to: weight-only formats multiply in 16 bit."""
    if key.startswith(("fp8", "w4a8")):
        return "fp8"
    if key.startswith("nvfp4"):
        return "fp4"
    return "int8" if key.startswith("sq") else "bf16"


def _mapping(value: Yaml) -> Mapping[str, Yaml]:
    return value if isinstance(value, dict) else {}


def _number(value: Yaml) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
