"""Time of a whole training run: start-up, steps, evaluations, checkpoints (equation 3.7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from planner.performance.micro_batch import Method
from planner.search.columns import FloatColumn


def evaluation_s(
    step_s: ArrayLike, global_batch: ArrayLike, held_out_sequences: ArrayLike, method: Method, fixed_s: ArrayLike = 0.0
) -> FloatColumn:
    """Time of one evaluation: forward passes over the held-out sequences, in batches of the training run, and a pause.

    A forward pass is a third of a step, a half where the base is frozen (equation 1.2). Shapes broadcast.
    """
    forward_share = 1.0 / 2.0 if method in ("lora", "qlora") else 1.0 / 3.0
    batches = np.maximum(np.asarray(held_out_sequences) / np.asarray(global_batch), 1.0)
    return np.asarray(batches * np.asarray(step_s) * forward_share + fixed_s)


def run_time_s(
    steps: ArrayLike,
    step_s: ArrayLike,
    *,
    start_up_s: ArrayLike = 0.0,
    evaluations_s: ArrayLike = 0.0,
    checkpoints_s: ArrayLike = 0.0,
    goodput: ArrayLike = 1.0,
) -> FloatColumn:
    """Wall-clock time: steps over goodput, then all evaluations, all checkpoint stalls and the start-up (equation 3.7)."""
    return np.asarray(np.asarray(steps) * np.asarray(step_s) / goodput + start_up_s + evaluations_s + checkpoints_s)
