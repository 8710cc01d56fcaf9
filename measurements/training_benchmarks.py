"""What published training benchmarks train and how they evaluate it (`training_benchmarks.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from facts.yaml_files import parse_yaml


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The model it trains, and how it evaluates.

    Every `every` trained sequences from `first` on, it runs over `sequences` held-out ones and pauses for `fixed_s`.
    """

    model: str
    every: float
    first: float
    sequences: float
    fixed_s: float

    def evaluations(self, trained_sequences: float) -> int:
        """Evaluations of a run over `trained_sequences`."""
        return max(0, int((trained_sequences - self.first) // self.every) + 1)


@cache
def training_benchmarks() -> Mapping[str, Benchmark]:
    """By the benchmark's name."""
    content = resources.files("measurements").joinpath("training_benchmarks.yaml").read_bytes()
    raw = parse_yaml(content, "training_benchmarks.yaml")
    rows = raw if isinstance(raw, dict) else {}
    return MappingProxyType(
        {
            name: Benchmark(str(row["model"]), **{key: float(value) for key, value in row.items() if isinstance(value, int | float)})
            for name, row in rows.items()
            if isinstance(row, dict)
        }
    )
