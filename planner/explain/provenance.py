"""Provenance by column: each figure of a plan names its unit, its equation and its inputs (DESIGN rule 9).

Nothing is traced at run time: `provenance.yaml` is the table, and tests hold it against the answer's fields, the method's
equations, the request's fields and the catalog's records.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict

from facts.yaml_files import parse_yaml


class Provenance(BaseModel):
    """One column. `equation` is a section of the method, `inputs` are columns, request fields or catalog fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str
    meaning: str
    equation: str
    inputs: tuple[str, ...]


@cache
def provenance() -> dict[str, Provenance]:
    """All columns of a recommendation by dotted name."""
    text = resources.files(__package__).joinpath("provenance.yaml").read_text(encoding="utf-8")
    table = parse_yaml(text, "provenance.yaml")
    assert isinstance(table, dict)  # noqa: S101 a packaged file
    return {name: Provenance.model_validate(row) for name, row in table.items()}
