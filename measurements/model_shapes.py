"""Shapes of models that only measured runs name, as their sources' configurations give them (`runs/model_shapes.csv`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ModelShapeRow:
    """A GPT: plain feed-forward, multi-head attention, layer norms."""

    layers: int
    hidden: int
    heads: int
    ffn: int
    vocab: int
    tied: bool


@cache
def model_shapes() -> Mapping[str, ModelShapeRow]:
    """Shapes by lower-case name."""
    text = resources.files("measurements").joinpath("runs/model_shapes.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    return MappingProxyType({row["model"].lower(): _shape(row) for row in rows})


def _shape(row: Mapping[str, str]) -> ModelShapeRow:
    layers, hidden, heads, ffn, vocab = (int(row[name]) for name in ("layers", "hidden", "heads", "ffn", "vocab"))
    return ModelShapeRow(layers, hidden, heads, ffn, vocab, tied=row["tied"] == "yes")
