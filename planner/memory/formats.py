"""Bytes of a weight in the number formats that candidates are made of (equation 8.1)."""

from __future__ import annotations

from functools import cache

import numpy as np

from model_db.weight_formats import WeightFormat, weight_format
from planner.search.columns import KV_PRECISIONS, PRECISIONS, FloatColumn

_USUAL = {"bf16": "bf16", "fp16": "fp16", "fp8": "fp8", "int8": "int8", "fp4": "nvfp4", "int4": "int4_g128"}


@cache
def usual_formats() -> tuple[WeightFormat, ...]:
    """The stored format that each of PRECISIONS usually means."""
    return tuple(weight_format(_USUAL[precision]) for precision in PRECISIONS)


@cache
def product_bytes() -> FloatColumn:
    """Bytes of an element in each of PRECISIONS, its share of the scales included."""
    return np.array([usual.bytes_per_parameter for usual in usual_formats()])


@cache
def cache_bytes() -> FloatColumn:
    """Bytes of an element of the KV cache in each of KV_PRECISIONS, its share of the scales included (equation 4.1)."""
    return np.array([weight_format(_USUAL[precision]).bytes_per_parameter for precision in KV_PRECISIONS])


NARROW = np.array([precision not in {"bf16", "fp16"} for precision in PRECISIONS])  # of PRECISIONS: under 16 bits


def precision_of(stored: WeightFormat) -> int:
    """Index into PRECISIONS of the candidates that a stored format belongs to, by its bits and the kind of its numbers."""
    bits, integer = stored.element_bits, stored.id.startswith(("int", "gguf", "nf"))
    family = "bf16" if bits > 8 else ("int8" if integer else "fp8") if bits > 4 else ("int4" if integer else "fp4")
    return PRECISIONS.index("fp16" if stored.id == "fp16" else family)
