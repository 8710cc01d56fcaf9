"""What of a model limits how it can be spread over devices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_db.architecture import Architecture, Attention, GatedDeltaNet, Mamba1, Mamba2, Mla, Mlp, Moe

_WORKING = (Attention, Mla, Mamba1, Mamba2, GatedDeltaNet, Mlp, Moe)  # blocks with one of these are layers of the model


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What of an architecture limits parallelism."""

    layers: int
    heads: int  # 0 without attention
    experts: int  # 0 for a dense model

    @classmethod
    def of(cls, architecture: Architecture) -> ModelShape:
        """Of the longest stack that works on the context: the part that is pipelined."""
        stack = max(architecture.stacks, key=lambda stack: sum(block.repeat for block in stack.blocks))
        layers = [(layer, block.repeat) for block in stack.blocks for layer in block.layers]
        heads = [layer.heads for layer, _ in layers if isinstance(layer, Attention | Mla)]
        experts = [layer.experts for layer, _ in layers if isinstance(layer, Moe)]
        depth = sum(block.repeat for block in stack.blocks if any(isinstance(layer, _WORKING) for layer in block.layers))
        return cls(max(1, depth), int(np.gcd.reduce(heads)) if heads else 0, int(np.gcd.reduce(experts)) if experts else 0)


def powers_of_two(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`."""
    return [1 << bit for bit in range(max(1, most).bit_length())]
