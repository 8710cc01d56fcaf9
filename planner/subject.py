"""The model that a request is about, from the library or the asker's own."""

from __future__ import annotations

from dataclasses import dataclass

from facts.errors import Fault, RackwrightError
from model_db import Models
from model_db.architecture import Architecture, Attention, GatedDeltaNet, Mamba1, Mamba2, Mla
from model_db.weight_formats import WeightFormat, load_weight_formats
from planner.request import PlanRequest, Precision

_SEQUENCE_MIXERS = (Attention, Mla, Mamba1, Mamba2, GatedDeltaNet)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model's name, architecture, and the format its weights are published in."""

    name: str
    architecture: Architecture
    native_format: Precision
    stored: WeightFormat | None = None  # where the published format is known exactly
    sources: tuple[str, ...] = ()


def subject(request: PlanRequest, models: Models) -> Subject:
    """The model asked for. Raises for an unknown id, or a model that does not work on text token by token."""
    if isinstance(request.model, str):
        entry = models[request.model]
        found = _subject(entry.name, entry.architecture, entry.native_weight_format, (entry.source,))
    else:
        found = _subject(request.model.name, request.model.architecture, request.model.native_weight_format, ())
    layers = [layer for stack in found.architecture.stacks for block in stack.blocks for layer in block.layers]
    causal = any(isinstance(layer, _SEQUENCE_MIXERS) and getattr(layer, "mask", "causal") == "causal" for layer in layers)
    if not found.architecture.vocab or not causal:
        raise RackwrightError(Fault("model_kind_not_planned", "request", "model", found.name))
    return found


def _subject(name: str, architecture: Architecture, native: str | None, sources: tuple[str, ...]) -> Subject:
    stored = load_weight_formats().get(native or "")
    return Subject(name, architecture, _compute_format(native), stored, sources)


def _compute_format(weight_format: str | None) -> Precision:
    """The family of number formats that published weights belong to; unknown ones count as 16 bit."""
    name = (weight_format or "").lower()
    families: tuple[tuple[str, Precision], ...] = (
        ("fp8", "fp8"),
        ("f8", "fp8"),
        ("fp4", "fp4"),
        ("int4", "int4"),
        ("int8", "int8"),
        ("fp16", "fp16"),
    )
    return next((family for mark, family in families if mark in name), "bf16")
