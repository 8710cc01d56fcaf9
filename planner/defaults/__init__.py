"""The fields of a request: meaning, unit, bounds, default and what the default rests on, one frozen table a version.

`v1.yaml` is the one place where a field's unit and meaning are said: the request's checks, the forms of the dashboard,
the list of assumptions and the documentation are made from it. A released version's defaults never change, so that an
old link keeps its answer; a new default makes a new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from facts.yaml_files import parse_yaml

VERSION = 1


class RequestField(BaseModel):
    """One row of the table. `basis`: choice (of the asker), spec, measured, derived or estimate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    meaning: str
    unit: str = ""
    default: float | int | str | bool | tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    basis: Literal["choice", "spec", "measured", "derived", "estimate"] = "choice"
    source: str = ""
    advanced: bool = False


@dataclass(frozen=True, slots=True)
class FieldTable:
    """All fields of one version by dotted path."""

    version: int
    fields: dict[str, RequestField]


@cache
def field_table(version: int = VERSION) -> FieldTable:
    """The frozen table of `version`, read from the packaged YAML once."""
    text = resources.files(__name__).joinpath(f"v{version}.yaml").read_text(encoding="utf-8")
    table = parse_yaml(text, f"v{version}.yaml")
    assert isinstance(table, dict)  # noqa: S101 a packaged file
    return FieldTable(version, {path: RequestField.model_validate(row) for path, row in table.items()})


def request_field(path: str) -> Any:  # noqa: ANN401 stands where pydantic.Field does, which is typed so
    """The pydantic field for `path`: default, bounds and description from the table of this version."""
    row = field_table().fields[path]
    return Field(default=row.default, description=row.meaning, ge=row.minimum, le=row.maximum)
