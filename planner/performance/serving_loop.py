"""Latency and rate of a replica that answers requests without pause, from its step times (equation 4.2).

At steady state a running request loses to every other request's prefill once per answer; a new request waits for the
step in flight and for the prefills ahead of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.serving_efficiency import ServingEfficiency
from planner.performance.serving_step import ServingSteps
from planner.search.columns import FloatColumn


@dataclass(frozen=True, slots=True)
class ServingRates:
    """Means of one replica; shape (candidates,)."""

    ttft_s: FloatColumn
    tpot_s: FloatColumn
    end_to_end_s: FloatColumn
    requests_per_s: FloatColumn
    tokens_per_s: FloatColumn  # generated


def serving_rates(
    steps: ServingSteps, batch: FloatColumn, output_tokens: float | FloatColumn, efficiency: ServingEfficiency
) -> ServingRates:
    """Means with `batch` requests running in the replica at all times."""
    engine = efficiency.engine
    output = np.asarray(output_tokens, np.float64)
    others = np.maximum(batch - 1.0, 0.0)
    tpot_s = steps.decode.total_s + engine.interference * others * steps.prefill_work_s / output
    busy = np.minimum(batch * steps.prefill_work_s / (output * tpot_s), 0.95)
    wait_s = 0.5 * busy / (1.0 - busy) * steps.prefill_work_s + engine.steps_waited * steps.decode.total_s
    ttft_s = engine.request_s + wait_s + steps.prefill.total_s
    end_to_end_s = ttft_s + (output - 1.0) * tpot_s
    requests_per_s = batch / (output * tpot_s)
    return ServingRates(ttft_s, tpot_s, end_to_end_s, requests_per_s, requests_per_s * output)
