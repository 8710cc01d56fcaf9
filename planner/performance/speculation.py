"""Speculative decoding and multi-token prediction (Leviathan et al., arXiv:2211.17192; equation 4.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from planner.cluster.platform import Platforms
from planner.performance.serving_demand import ServingDemand
from planner.performance.serving_efficiency import ServingEfficiency
from planner.performance.serving_step import PassTimes, Prefill, Replica
from planner.search.columns import FloatColumn, ServingColumns


@dataclass(frozen=True, slots=True)
class Speculation:
    """`drafted` tokens a step, each accepted with probability `acceptance` if those before it were.

    draft      what one pass of the draft demands: of a small model, or of the prediction layers and the head
    precision  of its weights, index into PRECISIONS; None: as the model itself
    """

    draft: ServingDemand
    precision: int | None
    drafted: int
    acceptance: float

    @property
    def tokens_per_step(self) -> float:
        """Expected tokens a sequence gains in one verified step: (1 - a^(g+1)) / (1 - a) (equation 4.2)."""
        a, g = self.acceptance, self.drafted
        return float(g + 1) if a >= 1.0 else (1.0 - a ** (g + 1)) / (1.0 - a)

    def on_one_stage(self, columns: ServingColumns) -> ServingColumns:
        """The draft as replicas: on the devices of one pipeline stage, the last one, where the head is."""
        precision = columns.precision if self.precision is None else np.full_like(columns.precision, self.precision)
        return replace(columns, pp=np.ones_like(columns.pp), precision=precision)


@dataclass(frozen=True, slots=True)
class SpeculatingReplica:
    """Replicas that draft and verify; in place of a plain `Replica` wherever tokens, not steps, are asked for."""

    target: Replica
    draft: Replica
    speculation: Speculation

    @classmethod
    def on(
        cls, target: Replica, platforms: Platforms, columns: ServingColumns, efficiency: ServingEfficiency, speculation: Speculation
    ) -> Self:
        """`target`, the replicas of `columns`, with the draft beside it."""
        return cls(target, Replica.on(speculation.draft, platforms, speculation.on_one_stage(columns), efficiency), speculation)

    def decode(self, batch: FloatColumn, context_tokens: float | FloatColumn) -> PassTimes:
        """Time per token: drafting and one verification of drafted + 1 tokens a sequence, over the tokens that it yields."""
        speculation = self.speculation
        verified = self.target.decode(batch, context_tokens, step_tokens=speculation.drafted + 1.0)
        drafted = self.draft.decode(batch / self.target.columns.pp, context_tokens)
        return _with_draft(verified, drafted, float(speculation.drafted), 1.0 / speculation.tokens_per_step)

    def prefill(
        self, input_tokens: float | FloatColumn, cached_tokens: float | FloatColumn = 0.0, pass_tokens: float | FloatColumn = 0.0
    ) -> Prefill:
        """Prompts: the draft needs their cache too."""
        target, draft = (replica.prefill(input_tokens, cached_tokens, pass_tokens) for replica in (self.target, self.draft))
        return Prefill(
            alone=_with_draft(target.alone, draft.alone, 1.0, 1.0),
            alone_work_s=target.alone_work_s + draft.alone_work_s,
            work_s=target.work_s + draft.work_s,
        )


def _with_draft(target: PassTimes, draft: PassTimes, passes: float, share: float) -> PassTimes:
    """`share` of one pass of the target and `passes` of the draft, which the engine schedules with the target's."""
    scheduled_s = draft.operations_s["engine"]
    seconds = {name: column * passes for name, column in draft.resources_s.items()}
    seconds["overhead"] = seconds["overhead"] - passes * scheduled_s
    operations = {name: column * share for name, column in target.operations_s.items()}
    operations["draft"] = passes * share * (draft.total_s - scheduled_s)
    resources = {name: (column + seconds[name]) * share for name, column in target.resources_s.items()}
    weights_s = share * (target.weights_s + passes * draft.weights_s)
    return PassTimes(share * target.total_s + operations["draft"], operations, resources, weights_s)
