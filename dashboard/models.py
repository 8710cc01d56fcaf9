"""The model of the draft, from the library or the asker's own, and how a model file becomes one."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard import session
from dashboard.draft import Draft
from dashboard.engine import library
from model_db import Architecture, ModelEntry
from planner.request import OwnModel


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """What pages show of a model. `own`: brought by the asker, not in the library."""

    name: str
    architecture: Architecture
    weight_format: str
    max_context: int | None
    source: str
    notes: tuple[str, ...]
    own: bool


def chosen_model() -> ChosenModel:
    """The model of the draft. Raises `RackwrightError` for an unknown id."""
    model = session.draft()["model"]
    if isinstance(model, dict):
        own = OwnModel.model_validate(model)
        return ChosenModel(own.name, own.architecture, own.native_weight_format or "bf16", own.architecture.max_context, "", (), own=True)
    return _shown(library().models[str(model)])


def use_own(entry: ModelEntry, draft: Draft) -> None:
    """Ask about a model that the asker brought."""
    own = OwnModel(name=entry.name[:80], architecture=entry.architecture, native_weight_format=entry.native_weight_format)
    draft["model"] = own.model_dump(mode="json")


def plannable() -> dict[str, str]:
    """Models that generate text, id to name: what a plan can be made for."""
    return {entry.id: entry.name for entry in library().models.values() if entry.kind.startswith(("decoder", "ssm"))}


def _shown(entry: ModelEntry) -> ChosenModel:
    return ChosenModel(entry.name, entry.architecture, entry.native_weight_format, entry.max_context, entry.source, entry.notes, own=False)
