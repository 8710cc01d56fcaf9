"""Bytes of a model's weights in any format, scales included, parts that stay at 16 bits apart (equation 8.1)."""

from __future__ import annotations

import math

from model_db.architecture import Architecture
from model_db.weight_formats import WeightFormat, load_weight_formats, weight_format
from planner.counting.layers import Part, layer_parts, layers_with_counts

_STORED_PARTS: dict[str, frozenset[Part]] = {
    "all": frozenset({"matrix", "head", "expert", "shared_expert", "router", "embedding", "convolution", "norm", "bias", "vector"}),
    "matrices": frozenset({"matrix", "expert", "shared_expert"}),
    "experts": frozenset({"expert"}),
}
_SIXTEEN_BIT_BYTES = 2.0


def stored_parts(weights: WeightFormat) -> frozenset[Part]:
    """Parts of a model that a format stores; the others stay at 16 bits (equation 8.1)."""
    return _STORED_PARTS[weights.parts]


def part_bytes_per_parameter(weights: WeightFormat, part: Part, total_params: int) -> float:
    """Bytes of one weight of `part` in a model of `total_params` parameters (equation 8.1)."""
    if part not in stored_parts(weights):
        return _SIXTEEN_BIT_BYTES
    return _measured_bytes_per_parameter(weights.measured_bits, total_params) if weights.measured_bits else weights.bytes_per_parameter


def _measured_bytes_per_parameter(measured_bits: dict[int, float], total_params: int) -> float:
    """Mixed-type files: bits per weight between the measured sizes, linear in log size, constant outside."""
    sizes = sorted(measured_bits)
    lower = max((size for size in sizes if size <= total_params), default=sizes[0])
    upper = min((size for size in sizes if size >= total_params), default=sizes[-1])
    if lower == upper:
        return measured_bits[lower] / 8
    share = math.log(total_params / lower) / math.log(upper / lower)
    return ((1 - share) * measured_bits[lower] + share * measured_bits[upper]) / 8


def parts_with_counts(architecture: Architecture) -> dict[Part, int]:
    """Parameters of the whole model by part."""
    counts: dict[Part, int] = {}
    for _, layer, repeat in layers_with_counts(architecture):
        for part, count in layer_parts(layer).items():
            counts[part] = counts.get(part, 0) + repeat * count
    return counts


def weight_bytes(architecture: Architecture, format_id: str) -> float:
    """Bytes of all weights in `format_id` (equation 8.1). Raises RackwrightError for an unknown format."""
    weights = weight_format(format_id)
    counts = parts_with_counts(architecture)
    total = sum(counts.values())
    return sum(count * part_bytes_per_parameter(weights, part, total) for part, count in counts.items())


def weight_bytes_by_format(architecture: Architecture) -> dict[str, float]:
    """Bytes of all weights in every known format."""
    return {format_id: weight_bytes(architecture, format_id) for format_id in load_weight_formats()}
