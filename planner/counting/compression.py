"""Compression levers: functions from a model as it is served to a smaller one, and what each gains (equation 8.2).

A lever changes the shape (`planner.counting.shrinking`), the format or the sparsity of the weights. `compression_effect`
compares two models: bytes, FLOPs, upper limits of what gets faster, what does not, and losses measured on named models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from facts.errors import Fault, RackwrightError
from facts.yaml_files import read_yaml
from model_db.architecture import Architecture, Frozen
from model_db.weight_formats import WeightFormat, weight_format
from planner.counting.flops import forward_flops_per_sample, forward_flops_per_token, token_stack
from planner.counting.layers import Part, layer_matrix_parts
from planner.counting.parameters import main_stacks
from planner.counting.weights import part_bytes_per_parameter, parts_with_counts, stored_parts

_TABLE = Path(__file__).parent / "compression.yaml"
_PRUNED_PARTS: frozenset[Part] = frozenset({"matrix", "expert", "shared_expert"})
# Peak rate of a number format over that of 16 bits: it doubles with each halving, where the device has units for it.
_PEAK = {"fp32": 0.5, "bf16": 1.0, "fp16": 1.0, "fp8": 2.0, "int8": 2.0, "fp4": 4.0}


class Lever(Frozen):
    """A row of `levers` in `compression.yaml`."""

    id: str
    name: str
    speeds_up: str
    does_not_speed_up: str
    measured_speedup: float | None = None
    source: str


class QualityLoss(Frozen):
    """A row of `quality` in `compression.yaml`: what a lever cost on one model."""

    lever: str
    model: str
    measure: str
    better: Literal["lower", "higher"] = "higher"
    before: float | None = None
    after: float | None = None
    statement: str = ""
    source: str

    @property
    def loss(self) -> float | None:
        """Share of the measure that was lost: 0.012 for a perplexity 1.2 % higher. None where only a statement is known."""
        if self.before is None or self.after is None:
            return None
        return (self.after / self.before - 1) * (1 if self.better == "lower" else -1)


class _Table(Frozen):
    levers: tuple[Lever, ...]
    quality: tuple[QualityLoss, ...]


@lru_cache(maxsize=1)
def _table() -> _Table:
    return TypeAdapter(_Table).validate_python(read_yaml(_TABLE))


def levers() -> dict[str, Lever]:
    """Every lever by id."""
    return {lever.id: lever for lever in _table().levers}


def quality_losses(*lever_ids: str) -> tuple[QualityLoss, ...]:
    """Losses measured for these levers or weight formats; all without any."""
    return tuple(row for row in _table().quality if not lever_ids or row.lever in lever_ids)


@dataclass(frozen=True, slots=True)
class CompressedModel:
    """A model as it is served: its shape, the format of its weights, and which of them are zero."""

    architecture: Architecture
    weight_format: str = "bf16"
    kept: float = 1.0  # share of the weights of its matrices that are not zero
    index_bits: float = 0.0  # of each weight of a matrix, to say where the kept ones are
    sparse_units: bool = False  # products skip the zeros
    levers: tuple[str, ...] = ()


def quantise(model: CompressedModel, format_id: str) -> CompressedModel:
    """Weights stored in another format (equation 8.1). Raises RackwrightError for an unknown one."""
    kind = "weight_only" if weight_format(format_id).compute in {"bf16", "fp16", "fp32"} else "narrow_products"
    return replace(model, weight_format=format_id, levers=(*model.levers, kind))


def prune_two_of_four(model: CompressedModel) -> CompressedModel:
    """Half the weights of every matrix zero in groups of four: values halve, two bits say where each kept one is."""
    return replace(model, kept=0.5, index_bits=1.0, sparse_units=True, levers=(*model.levers, "two_of_four"))


def prune_unstructured(model: CompressedModel, kept: float, *, stored_sparse: bool = True) -> CompressedModel:
    """A share `kept` of the weights stays, anywhere. Stored sparse: kept values and a bit for each weight; else dense."""
    if not 0 < kept <= 1:
        raise RackwrightError(Fault("out_of_range", field="kept", value=str(kept), allowed="above 0 to 1"))
    stored = (kept, 1.0) if stored_sparse else (1.0, 0.0)
    return replace(model, kept=stored[0], index_bits=stored[1], sparse_units=False, levers=(*model.levers, "unstructured"))


def compressed_weight_bytes(model: CompressedModel) -> float:
    """Bytes of all weights: equation 8.1 with the zeros of matrices left out and their index added (equation 8.2)."""
    weights = weight_format(model.weight_format)
    counts = parts_with_counts(model.architecture)
    total = sum(counts.values())
    return sum(count * _stored_bytes(model, weights, part, total) for part, count in counts.items())


def _stored_bytes(model: CompressedModel, weights: WeightFormat, part: Part, total: int) -> float:
    each = part_bytes_per_parameter(weights, part, total)
    return model.kept * each + model.index_bits / 8 if part in _PRUNED_PARTS else each


@dataclass(frozen=True, slots=True)
class CompressionEffect:
    """What compressing one model into another changes; speed-ups are upper limits where the device has the units."""

    weight_bytes: float
    weight_bytes_before: float
    flops_per_token: float
    flops_per_token_before: float
    decode_speedup: float  # of reading the weights, which bounds decoding at small batches
    product_speedup: float  # of the arithmetic of a token, which bounds prefill and training
    levers: tuple[Lever, ...]
    quality: tuple[QualityLoss, ...]


def compression_effect(before: CompressedModel, after: CompressedModel, context: float = 4096) -> CompressionEffect:
    """Bytes, FLOPs and limits of speed of `after` against `before` at `context` tokens (equation 8.2)."""
    bytes_before, bytes_after = compressed_weight_bytes(before), compressed_weight_bytes(after)
    work_before, work_after = _token_work(before, context), _token_work(after, context)
    added = after.levers[len(before.levers) :]
    names = {*added, after.weight_format} if after.weight_format != before.weight_format else set(added)
    return CompressionEffect(
        weight_bytes=bytes_after,
        weight_bytes_before=bytes_before,
        flops_per_token=work_after.flops,
        flops_per_token_before=work_before.flops,
        decode_speedup=bytes_before / bytes_after,
        product_speedup=work_before.time / work_after.time,
        levers=tuple(lever for lever in _table().levers if lever.id in added),
        quality=quality_losses(*names) if names else (),
    )


@dataclass(frozen=True, slots=True)
class _Work:
    flops: float
    time: float  # in FLOPs at the 16-bit peak


def _token_work(model: CompressedModel, context: float) -> _Work:
    """Matrices at the rate of their format without the zeros that sparse units skip; everything else at 16 bits."""
    weights = weight_format(model.weight_format)
    flops = _dense_flops(model.architecture, context)
    kept = model.kept if model.sparse_units else 1.0
    saved_flops = saved_time = 0.0
    for part, products in _matrix_flops(model.architecture).items():
        rate = _PEAK[weights.compute] if part in stored_parts(weights) else 1.0
        saved_flops += products * (1 - kept)
        saved_time += products * (1 - kept / rate)
    return _Work(flops=flops - saved_flops, time=flops - saved_time)


def _dense_flops(architecture: Architecture, context: float) -> float:
    if token_stack(architecture) is None:
        return forward_flops_per_sample(architecture)
    return float(forward_flops_per_token(architecture, context))


def _matrix_flops(architecture: Architecture) -> dict[Part, float]:
    """FLOPs of the prunable matrices: of a token, or of a sample where work is fixed a sample."""
    stack = token_stack(architecture)
    flops: dict[Part, float] = {}
    for each in main_stacks(architecture) if stack is None else (stack,):
        for block in each.blocks:
            for layer in block.layers:
                for part, count in layer_matrix_parts(layer).items():
                    if part in _PRUNED_PARTS:
                        flops[part] = flops.get(part, 0.0) + 2.0 * count * block.repeat * (each.positions or 1)
    return flops
