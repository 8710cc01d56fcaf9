"""The model that a request is about, from the library or the asker's own."""

from __future__ import annotations

from dataclasses import dataclass

from facts.errors import Fault, RackwrightError
from model_db import Models
from model_db.architecture import Architecture, Attention, GatedDeltaNet, Mamba1, Mamba2, Mla
from planner.request import PlanRequest

_SEQUENCE_MIXERS = (Attention, Mla, Mamba1, Mamba2, GatedDeltaNet)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model's name, architecture, and the format its weights are published in."""

    name: str
    architecture: Architecture
    native_format: str
    sources: tuple[str, ...] = ()


def subject(request: PlanRequest, models: Models) -> Subject:
    """The model asked for. Raises for an unknown id, or a model that does not work on text token by token."""
    if isinstance(request.model, str):
        entry = models[request.model]
        found = Subject(entry.name, entry.architecture, entry.native_weight_format or "bf16", (entry.source,))
    else:
        found = Subject(request.model.name, request.model.architecture, request.model.native_weight_format or "bf16")
    layers = [layer for stack in found.architecture.stacks for block in stack.blocks for layer in block.layers]
    causal = any(isinstance(layer, _SEQUENCE_MIXERS) and getattr(layer, "mask", "causal") == "causal" for layer in layers)
    if not found.architecture.vocab or not causal:
        raise RackwrightError(Fault("model_kind_not_planned", "request", "model", found.name))
    return found
