"""What a weights file holds: its tensors by name, with shape, element format and stored bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from model_db.architecture import Architecture, Embedding, Layer, Linear, Parameter, Stack
from model_db.assembly import run_length_blocks

MOST_TENSORS = 1_000_000  # of one model; the largest published ones have about 200,000
MOST_DIMENSIONS = 8
MOST_ELEMENTS = 10**13
MOST_SIZE = 10**9  # of one dimension


@dataclass(frozen=True, slots=True)
class Tensor:
    """One stored tensor. `format` as the file calls it; `stored_bytes` with its scales where they are inside."""

    name: str
    shape: tuple[int, ...]
    format: str
    stored_bytes: int

    @property
    def elements(self) -> int:
        """Product of the shape."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class TensorTable:
    """All tensors of a file or of the files of one model."""

    tensors: tuple[Tensor, ...]

    @property
    def elements(self) -> int:
        """Stored elements: packed formats store fewer, quantised ones more (scales), than the model has parameters."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.stored_bytes for tensor in self.tensors)

    def bytes_by_format(self) -> dict[str, int]:
        """Stored bytes by element format, largest first."""
        totals: Counter[str] = Counter()
        for tensor in self.tensors:
            totals[tensor.format] += tensor.stored_bytes
        return dict(totals.most_common())

    def architecture(self) -> Architecture:
        """The tensors as they are: matrices as linears, token tables as embeddings, the rest as parameters.

        Exact in parameters and bytes; without a configuration nothing is known of attention, so no cache and no FLOPs of it.
        """
        layers = ((f"{_place(tensor.name)}", (_layer(tensor),)) for tensor in self.tensors if tensor.elements)
        return Architecture(stacks=(Stack(name="tensors", blocks=run_length_blocks(_grouped(layers))),))


def _place(name: str) -> str:
    """`model.layers.7.mlp.up_proj.weight` without its numbers and ending."""
    return re.sub(r"\.\d+(?=\.|$)", "", name).rsplit(".", 1)[0][:80] or name[:80]


def _grouped(layers: Iterable[tuple[str, tuple[Layer, ...]]]) -> list[tuple[str, tuple[Layer, ...]]]:
    """Equal layers next to each other, in order of first appearance, so that they become one block."""
    counts: Counter[tuple[str, tuple[Layer, ...]]] = Counter(layers)
    return [pair for pair, count in counts.items() for _ in range(count)]


def _layer(tensor: Tensor) -> Layer:
    lowered = tensor.name.lower()
    if len(tensor.shape) == 2 and tensor.name.endswith("weight"):
        out_features, in_features = tensor.shape
        if any(word in lowered for word in ("embed", "wte", "wpe", "shared.weight")):
            return Embedding(rows=out_features, dim=in_features, name="embedding")
        name = "head" if any(word in lowered for word in ("lm_head", "output.weight", "embed_out")) else ""
        return Linear(in_features=in_features, out_features=out_features, name=name)
    return Parameter(shape=tensor.shape or (1,), name="tensor")
