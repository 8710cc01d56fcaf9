"""Speculative decoding and multi-token prediction (Leviathan et al., arXiv:2211.17192; equation 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.serving_step import Replica
from planner.search.columns import FloatColumn


@dataclass(frozen=True, slots=True)
class Speculation:
    """`drafted` tokens a step, each accepted with probability `acceptance` if those before it were; a draft token costs
    `draft_cost` of a plain decode step of the target (a multi-token-prediction layer: about 1 / layers).
    """

    drafted: int
    acceptance: float
    draft_cost: float


def tokens_per_step(speculation: Speculation) -> float:
    """Expected tokens a sequence gains in one verified step: (1 - a^(g+1)) / (1 - a) (equation 4.2)."""
    a, g = speculation.acceptance, speculation.drafted
    return float(g + 1) if a >= 1.0 else (1.0 - a ** (g + 1)) / (1.0 - a)


def speculative_tpot_s(replica: Replica, batch: FloatColumn, context_tokens: float | FloatColumn, speculation: Speculation) -> FloatColumn:
    """Time per token: drafting and one verification of drafted + 1 tokens a sequence, over the tokens it yields."""
    plain_s = replica.decode(batch, context_tokens).total_s
    verify_s = replica.decode(batch, context_tokens, step_tokens=speculation.drafted + 1.0).total_s
    return np.asarray((speculation.drafted * speculation.draft_cost * plain_s + verify_s) / tokens_per_step(speculation))
