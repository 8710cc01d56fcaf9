"""Common questions to start from, kept in `presets.yaml`; the first is the example that an empty link opens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from planner.request import PlanRequest


@dataclass(frozen=True, slots=True)
class Preset:
    """A question and what it is called; the title is a message."""

    title: str
    request: PlanRequest


@cache
def presets() -> tuple[Preset, ...]:
    """All presets, in the order in which they are offered."""
    text = resources.files(__package__).joinpath("presets.yaml").read_text(encoding="utf-8")
    return tuple(Preset(entry["title"], PlanRequest.parse(entry["request"])) for entry in yaml.safe_load(text))
