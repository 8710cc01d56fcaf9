"""Tables of how software spends memory: defaults, and what each named software does otherwise, every value with its source."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import read_yaml


class RecipeValue(BaseModel):
    """One value and what it rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: bool | int | float | str
    basis: Literal["spec", "derived", "measured", "estimate"]
    source: str


@cache
def recipe_table(path: Path, kind: str) -> tuple[dict[str, RecipeValue], dict[str, dict[str, RecipeValue]]]:
    """(defaults, what differs by name) of the file at `path`, whose names stand under `kind`."""
    raw = read_yaml(path)
    assert isinstance(raw, dict)  # noqa: S101 a packaged file
    fields = TypeAdapter(dict[str, RecipeValue])
    return fields.validate_python(raw["defaults"]), TypeAdapter(dict[str, dict[str, RecipeValue]]).validate_python(raw[kind])


def read_recipes(path: Path, kind: str, name: str) -> dict[str, bool | float | str]:
    """The values for `name`. Raises `RackwrightError` for an unknown name."""
    defaults, named = recipe_table(path, kind)
    if name not in named:
        raise RackwrightError(Fault("not_allowed", path.name, kind, shown(name), ", ".join(named)))
    return {field: entry.value for field, entry in (defaults | named[name]).items()}
