"""The model that a request is about, from the library or the asker's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from facts.errors import Fault, RackwrightError
from model_db import Models
from model_db.architecture import Architecture, Attention, Block, GatedDeltaNet, Linear, Mamba1, Mamba2, Mla
from model_db.weight_formats import WeightFormat, load_weight_formats
from planner.request import PlanRequest, Precision, Serving

_SEQUENCE_MIXERS = (Attention, Mla, Mamba1, Mamba2, GatedDeltaNet)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model's name, architecture, and the format its weights are published in; `draft` speculates for it.

    names   id and family in the model library; none of the asker's own model
    """

    name: str
    architecture: Architecture
    native_format: Precision
    stored: WeightFormat | None = None  # where the published format is known exactly
    sources: tuple[str, ...] = ()
    draft: Subject | None = None
    names: tuple[str, ...] = ()


def subject(request: PlanRequest, models: Models) -> Subject:
    """The model asked for, with the draft if it is to speculate. Raises for an unknown id, a model that does not work on text
    token by token, or one that has no draft of the kind asked for.
    """
    if isinstance(request.model, str):
        found = _entry(request.model, models)
    else:
        found = _subject(request.model.name, request.model.architecture, request.model.native_weight_format, ())
    layers = [layer for stack in found.architecture.stacks for block in stack.blocks for layer in block.layers]
    causal = any(isinstance(layer, _SEQUENCE_MIXERS) and getattr(layer, "mask", "causal") == "causal" for layer in layers)
    if not found.architecture.vocab or not causal:
        raise RackwrightError(Fault("model_kind_not_planned", "request", "model", found.name))
    return replace(found, draft=_draft(request.workload, found, models)) if isinstance(request.workload, Serving) else found


def _draft(workload: Serving, target: Subject, models: Models) -> Subject | None:
    """What drafts tokens for `target`: a model with the same vocabulary, or its own prediction layers."""
    if workload.speculation == "none":
        return None
    if workload.speculation == "mtp":
        layers = prediction_layers(target.architecture)
        if layers is None:
            raise RackwrightError(Fault("no_prediction_layers", "request", "workload.speculation", target.name))
        return replace(target, architecture=layers)
    if workload.draft_model is None:
        raise RackwrightError(Fault("missing_field", "request", "workload.draft_model"))
    draft = _entry(workload.draft_model, models)
    if draft.architecture.vocab != target.architecture.vocab:
        raise RackwrightError(Fault("draft_vocabulary", "request", "workload.draft_model", draft.name, target.name))
    return draft


def prediction_layers(architecture: Architecture) -> Architecture | None:
    """The multi-token-prediction layers as a model that runs, with the main head where they have none of their own."""
    stack = next((stack for stack in architecture.stacks if not stack.runs_in_serving), None)
    if stack is None:
        return None
    heads = [block for own in (stack, *architecture.stacks) for block in own.blocks if _has_head(block)]
    blocks = (*(block for block in stack.blocks if not _has_head(block)), *heads[:1])
    return architecture.model_copy(update={"stacks": (stack.model_copy(update={"blocks": blocks, "runs_in_serving": True}),)})


def _has_head(block: Block) -> bool:
    return any(isinstance(layer, Linear) and layer.name == "head" for layer in block.layers)


def _entry(id_: str, models: Models) -> Subject:
    entry = models[id_]
    found = _subject(entry.name, entry.architecture, entry.native_weight_format, (entry.source,))
    return replace(found, names=(entry.id, entry.family))


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
