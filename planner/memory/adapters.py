"""Low-rank adapters: what LoRA and QLoRA train beside a frozen base (section 3.8, arXiv:2106.09685, arXiv:2305.14314)."""

from __future__ import annotations

from model_db.architecture import Layer
from planner.memory.matrices import layer_matrices


def adapter_elements(layers: tuple[Layer, ...], rank: int, tp: int) -> tuple[float, float]:
    """Elements of the adapters of all projections of `layers` on one tensor-parallel rank: r (in + out) a matrix.

    Returns (of dense matrices, of routed experts before expert parallelism). Of an adapter's two matrices tensor
    parallelism divides the one on the side that the base matrix is divided on.
    """
    dense = expert = 0.0
    for layer in layers:
        for matrix in layer_matrices(layer):
            if not matrix.adapted:
                continue
            if matrix.placement == "expert":
                expert += matrix.count * rank * (matrix.rows + matrix.columns)
            else:
                share = {"divided": tp, "grouped": min(tp, matrix.ways), "copied": 1}[matrix.placement]
                dense += rank * (matrix.rows + matrix.columns / share)
    return dense, expert
