"""The pipeline: one request in, one plan out (see DESIGN: request, demand, candidates, memory, performance, sizing, money,
limits, ranking, design, explanation). Same request, same library, same version give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from facts.version import VERSION
from planner.answer import FrontierPoint, NearestMiss, Plan, PrefillPart, Recommendation, SearchCounts
from planner.explain.assumptions import assumptions, engine_assumptions, joining_assumptions
from planner.explain.misses import nearest_miss
from planner.goals import BestOfEach, Goal, groups
from planner.ground import Ground
from planner.library import Library, default_library
from planner.outcomes import REASONS, Account, Candidates, Outcomes, objective_key
from planner.pareto import missed_points, seen_points
from planner.question import Question
from planner.recommend import Recommend
from planner.request import PlanRequest, Serving
from planner.search.columns import DeploymentColumns, TrainingColumns
from planner.serving.engine_support import other_engine, refusals

_SHORTLIST = 40  # plans that are designed exactly

Progress = Callable[[float], None]  # called with the share done; may raise to stop


def plan(request: PlanRequest, library: Library | None = None, progress: Progress | None = None) -> Plan:
    """Ranked cluster configurations for `request`, with the account of the search.

    Raises `RackwrightError` for an unknown model or accelerator. When nothing fits, the plan has no recommendations and
    its search names the nearest miss of every accelerator.
    """
    library, report = library or default_library(), progress or (lambda share: None)
    question = Question.of(request, library)
    serves = isinstance(request.workload, Serving)
    found = _found(question.serving(), request, report) if serves else _found(question.training(), request, report)
    return Plan(
        request=request,
        model_name=question.ground.subject.name,
        library_digest=library.digest,
        catalog_release=library.hardware.release,
        version=VERSION,
        search=_counts(found, question),
        recommendations=found.recommendations,
        frontier=found.frontier,
        assumptions=(
            *assumptions(request),
            *engine_assumptions(found.recommendations, question.ground.subject.name),
            *joining_assumptions(found.recommendations),
        ),
        sources=_sources(found.recommendations, library),
    )


class Stage(Protocol[Candidates]):
    """What training and serving have in common: a search, and the parts of what it found."""

    @property
    def ground(self) -> Ground:
        """What the candidates stand on."""

    def search(self, goal: Goal, progress: Progress) -> tuple[Outcomes[Candidates], Account[Candidates]]:
        """What `goal` looks for, and the account of the search."""

    def exact(self, chosen: Outcomes[Candidates]) -> tuple[Outcomes[Candidates], Recommend]:
        """The rows of `chosen` with their exact clusters, and what makes recommendations of some of them."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a stage found, as it goes into the plan."""

    recommendations: tuple[Recommendation, ...]
    frontier: tuple[FrontierPoint, ...]
    account: Account[TrainingColumns] | Account[DeploymentColumns]
    missed: dict[int, FrontierPoint]  # of platforms whose nearest miss was evaluated


def _found(stage: Stage[Candidates], request: PlanRequest, progress: Progress) -> Found:
    """Search, then design the shortlist exactly; it grows until no plan beyond it could be better than the winner.

    Costs in closed form are never above the exact ones, so the next plan's is a bound on all that follow.
    """
    survivors, account = stage.search(BestOfEach.of(request.objective, len(stage.ground.precisions)), progress)
    ranked = _ranked(survivors, request)
    bounds = objective_key(survivors, request.objective)[ranked]
    frontier = seen_points(survivors, stage.ground)
    if not len(ranked):
        if account.near:
            account.settle(stage.exact(Outcomes.concatenate(list(account.near.values())))[0])
        return Found((), frontier, account, missed_points(account, stage.ground))
    length = _SHORTLIST
    while True:
        outcomes, recommend = stage.exact(survivors.take(ranked[:length]))
        exact = objective_key(outcomes, request.objective)
        if length >= len(ranked) or bounds[length] >= exact.min(initial=np.inf):
            break
        length *= 2
    order = np.lexsort((np.arange(len(exact)), exact))
    if not np.isfinite(exact).any():
        account.settle(outcomes)
    recommendations = recommend(order[np.isfinite(exact[order])])
    return Found(recommendations, frontier, account, missed_points(account, stage.ground))


def _ranked(survivors: Outcomes[Candidates], request: PlanRequest) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Rows by the objective: the best of each option. Ties go to fewer devices, then catalog order."""
    key = objective_key(survivors, request.objective)
    order = np.lexsort((survivors.columns.platform, survivors.devices, key))
    order = order[np.isfinite(key[order])]
    _, first = np.unique(groups(survivors.columns)[order], return_index=True)
    ranked: np.ndarray[tuple[int], np.dtype[np.intp]] = order[np.sort(first)]
    return ranked


def _counts(found: Found, question: Question) -> SearchCounts:
    account, considered = found.account, question.considered
    misses = [_miss(row, reason, excess, found, question) for row, (reason, excess) in sorted(account.misses.items()) if reason]
    unusable = [
        NearestMiss(accelerator_id=id_, reason=reason, over_by=0.0, change={})
        for id_, reason in question.left_out.items()
        if reason in {"memory_unknown", "peak_unknown"}
    ]
    return SearchCounts(
        evaluated=account.evaluated,
        pruned=account.pruned,
        feasible=account.feasible,
        rejected=dict(sorted(account.rejected.items())),
        accelerators=len(considered),
        nearest=(*sorted(misses, key=_nearness), *unusable),
        refused=tuple(refusals(question.ground)),
    )


def _miss(row: int, reason: int, excess: float, found: Found, question: Question) -> NearestMiss:
    """Why the platform `row` gave no plan; what the serving software refuses, another may run."""
    ground, id_ = question.ground, question.considered[row]
    if REASONS[reason] == "engine":
        return NearestMiss(accelerator_id=id_, reason="engine", over_by=0.0, change={"workload.engine": other_engine(ground, row)})
    return nearest_miss(id_, reason, excess, ground.request, found.missed.get(row))


def _nearness(miss: NearestMiss) -> tuple[bool, int, float]:
    """Order of misses: those that one change mends, and of these the one that passed the most checks."""
    return not miss.change, -REASONS.index(miss.reason), miss.over_by


def _sources(recommendations: tuple[Recommendation, ...], library: Library) -> dict[str, tuple[str, ...]]:
    """Where the figures of every recommended accelerator and server were read."""
    hardware = library.hardware
    parts: list[Recommendation | PrefillPart] = [*recommendations, *(item.prefill for item in recommendations if item.prefill)]
    entries = [hardware.accelerators[part.accelerator_id] for part in parts]
    servers = [hardware.servers[part.server_id] for part in parts if part.server_id]
    return {entry.id: tuple(sorted({source for group in entry.sources.values() for source in group})) for entry in (*entries, *servers)}
