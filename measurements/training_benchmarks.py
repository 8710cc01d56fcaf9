"""What published training benchmarks train and how they evaluate it (`training_benchmarks.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from facts.yaml_files import Yaml, parse_yaml


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The model it trains, on what, and how it evaluates.

    Sequences have `sequence_tokens` where rows do not say it, and hold `packed` samples. Every `every` trained sequences from
    `first` on, it runs over `sequences` held-out ones and pauses for `fixed_s`.
    """

    model: str
    every: float
    first: float
    sequences: float
    fixed_s: float
    sequence_tokens: int | None = None
    packed: int = 1

    def evaluations(self, trained_sequences: float) -> int:
        """Evaluations of a run over `trained_sequences`."""
        if trained_sequences < self.first:
            return 0
        return int((trained_sequences - self.first) // self.every) + 1


@cache
def training_benchmarks() -> Mapping[str, Benchmark]:
    """By the benchmark's name."""
    content = resources.files("measurements").joinpath("training_benchmarks.yaml").read_bytes()
    raw = parse_yaml(content, "training_benchmarks.yaml")
    rows = raw if isinstance(raw, dict) else {}
    return MappingProxyType({name: _benchmark(row) for name, row in rows.items() if isinstance(row, dict)})


def _benchmark(row: Mapping[str, Yaml]) -> Benchmark:
    def number(name: str, otherwise: float = 0.0) -> float:
        value = row.get(name)
        return float(value) if isinstance(value, int | float) else otherwise

    never = float("inf")
    return Benchmark(
        model=str(row["model"]),
        every=number("every", never),
        first=number("first", never),
        sequences=number("sequences"),
        fixed_s=number("fixed_s"),
        sequence_tokens=int(number("sequence_tokens")) or None,
        packed=int(number("packed", 1.0)),
    )
