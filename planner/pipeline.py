"""The pipeline: one request in, one plan out (see DESIGN: request, demand, candidates, memory, performance, sizing, money,
limits, ranking, design, explanation). Same request, same library, same version give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from facts.version import VERSION
from planner.admission import admitted
from planner.answer import FrontierPoint, NearestMiss, Plan, Recommendation, SearchCounts
from planner.economics.power import operational_kgco2e
from planner.explain.assumptions import assumptions
from planner.explain.misses import nearest_miss
from planner.ground import Ground, ground
from planner.library import Library, default_library
from planner.outcomes import REASONS, Account, Candidates, Outcomes, objective_key, pareto
from planner.recommend import Recommend, known
from planner.request import PlanRequest, Serving
from planner.search.columns import PRECISIONS, ServingColumns, TrainingColumns
from planner.serving import ServingStage
from planner.subject import subject
from planner.training import TrainingStage

_SHORTLIST = 40  # plans that are designed exactly
_MOST_FRONTIER_POINTS = 1_000

Progress = Callable[[float], None]  # called with the share done; may raise to stop


def plan(request: PlanRequest, library: Library | None = None, progress: Progress | None = None) -> Plan:
    """Ranked cluster configurations for `request`, with the account of the search.

    Raises `RackwrightError` for an unknown model or accelerator. When nothing fits, the plan has no recommendations and
    its search names the nearest miss of every accelerator.
    """
    library = library or default_library()
    about = subject(request, library.models)
    considered, left_out = admitted(request.limits, library.hardware)
    stands = ground(request, about, library.hardware, considered)
    report = progress or (lambda share: None)
    if isinstance(request.workload, Serving):
        found = _found(ServingStage.on(stands, library.serving_efficiency.on(stands.platforms, request.workload.engine)), request, report)
    else:
        found = _found(TrainingStage.on(stands, library.training_efficiency.on(stands.platforms)), request, report)
    return Plan(
        request=request,
        model_name=about.name,
        library_digest=library.digest,
        catalog_release=library.hardware.release,
        version=VERSION,
        search=_counts(found.account, request, considered, left_out),
        recommendations=found.recommendations,
        frontier=found.frontier,
        assumptions=assumptions(request),
        sources=_sources(found.recommendations, library),
    )


class Stage(Protocol[Candidates]):
    """What training and serving have in common: a search, and the parts of what it found."""

    @property
    def ground(self) -> Ground:
        """What the candidates stand on."""

    def search(self, progress: Progress) -> tuple[Outcomes[Candidates], Account[Candidates]]:
        """Survivors worth showing, and the account of the search."""

    def exact(self, chosen: Outcomes[Candidates]) -> tuple[Outcomes[Candidates], Recommend]:
        """The rows of `chosen` with their exact clusters, and what makes recommendations of some of them."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a stage found, as it goes into the plan."""

    recommendations: tuple[Recommendation, ...]
    frontier: tuple[FrontierPoint, ...]
    account: Account[TrainingColumns] | Account[ServingColumns]


def _found(stage: Stage[Candidates], request: PlanRequest, progress: Progress) -> Found:
    """Search, then design the shortlist exactly; it grows until no plan beyond it could be better than the winner.

    Costs in closed form are never above the exact ones, so the next plan's is a bound on all that follow.
    """
    survivors, account = stage.search(progress)
    ranked = _ranked(survivors, request)
    bounds = objective_key(survivors, request.objective)[ranked]
    frontier = _frontier(survivors, stage.ground.platforms.accelerator_id, request)
    if not len(ranked):
        if account.near:
            account.settle(stage.exact(Outcomes.concatenate(list(account.near.values())))[0])
        return Found((), frontier, account)
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
    return Found(recommend(order[np.isfinite(exact[order])]), frontier, account)


def _ranked(survivors: Outcomes[Candidates], request: PlanRequest) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Rows by the objective: the best of each accelerator and precision. Ties go to fewer devices, then catalog order."""
    key = objective_key(survivors, request.objective)
    order = np.lexsort((survivors.columns.platform, survivors.devices, key))
    order = order[np.isfinite(key[order])]
    group = survivors.columns.platform.astype(np.int64) * len(PRECISIONS) + survivors.columns.precision
    _, first = np.unique(group[order], return_index=True)
    ranked: np.ndarray[tuple[int], np.dtype[np.intp]] = order[np.sort(first)]
    return ranked


def _counts(
    account: Account[TrainingColumns] | Account[ServingColumns], request: PlanRequest, considered: tuple[str, ...], left_out: dict[str, str]
) -> SearchCounts:
    misses = [nearest_miss(considered[row], reason, excess, request) for row, (reason, excess) in sorted(account.misses.items()) if reason]
    unusable = [
        NearestMiss(accelerator_id=id_, reason=reason, over_by=0.0, change={})
        for id_, reason in left_out.items()
        if reason in {"memory_unknown", "peak_unknown"}
    ]
    return SearchCounts(
        evaluated=account.evaluated,
        pruned=account.pruned,
        feasible=account.feasible,
        rejected=dict(sorted(account.rejected.items())),
        accelerators=len(considered),
        nearest=(*sorted(misses, key=_nearness), *unusable),
    )


def _nearness(miss: NearestMiss) -> tuple[bool, int, float]:
    """Order of misses: those that one change mends, and of these the one that passed the most checks."""
    return not miss.change, -REASONS.index(miss.reason), miss.over_by


def _frontier(survivors: Outcomes[Candidates], considered: tuple[str, ...], request: PlanRequest) -> tuple[FrontierPoint, ...]:
    """The survivors as points, Pareto-optimal ones (cost against time) marked, cheapest first."""
    optimal = pareto(np.where(survivors.at_least, np.inf, survivors.cost_usd), survivors.time_s)
    order = np.lexsort((survivors.time_s, survivors.cost_usd, ~optimal))[:_MOST_FRONTIER_POINTS]
    points = [
        FrontierPoint(
            accelerator_id=considered[survivors.columns.platform[row]],
            devices=int(survivors.devices[row]),
            precision=PRECISIONS[survivors.columns.precision[row]],
            cost_usd=float(survivors.cost_usd[row]),
            facility_w=known(survivors.facility_w[row]),
            tokens_per_s=float(survivors.tokens_per_s[row]),
            time_s=float(survivors.time_s[row]),
            carbon_kgco2e=known(operational_kgco2e(float(survivors.energy_kwh[row]), request.site.carbon_g_per_kwh)),
            at_least=bool(survivors.at_least[row]),
            pareto=bool(optimal[row]),
        )
        for row in order
    ]
    return tuple(sorted(points, key=lambda point: (point.cost_usd, point.time_s, point.accelerator_id)))


def _sources(recommendations: tuple[Recommendation, ...], library: Library) -> dict[str, tuple[str, ...]]:
    """Where the figures of every recommended accelerator and server were read."""
    hardware = library.hardware
    entries = [hardware.accelerators[item.accelerator_id] for item in recommendations]
    servers = [hardware.servers[item.server_id] for item in recommendations if item.server_id]
    return {entry.id: tuple(sorted({source for group in entry.sources.values() for source in group})) for entry in (*entries, *servers)}
