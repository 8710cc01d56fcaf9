"""Low-rank adapters: what LoRA and QLoRA train beside a frozen base (arXiv:2106.09685, arXiv:2305.14314)."""

from __future__ import annotations

from model_db.architecture import Layer
from planner.memory.matrices import layer_matrices


def adapter_elements(layers: tuple[Layer, ...], rank: int, tp: int) -> float:
    """Elements of the adapters of all projections of `layers` on one tensor-parallel rank (equation 2.1).

    r (in + out) for each projection. The routed experts of a device share one adapter a projection, and tensor
    parallelism divides both matrices of an adapter as it divides the base, as Megatron-Bridge does.
    """
    return sum(
        rank * (matrix.rows + matrix.columns) / matrix.tensor_ranks(tp)
        for layer in layers
        for matrix in layer_matrices(layer)
        if matrix.projects
    )
