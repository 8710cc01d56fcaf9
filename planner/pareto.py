"""Frontiers: configurations that no other beats in both of two objectives, exhaustively, or among those a plan has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from planner.answer import FrontierPoint
from planner.economics.power import operational_kgco2e
from planner.goals import Frontier, Seen
from planner.ground import Ground
from planner.library import Library, default_library
from planner.outcomes import Account, Candidates, Outcomes, objective_key, undominated
from planner.question import Question
from planner.recommend import known
from planner.request import Objective, PlanRequest, Serving
from planner.search.columns import PRECISIONS, BoolColumn, DeploymentColumns, TrainingColumns

_MOST_SEEN = 1_000


Axes = tuple[Objective, Objective]
Progress = Callable[[float], None]


def frontier(
    request: PlanRequest, axes: Axes, library: Library | None = None, progress: Progress | None = None
) -> tuple[FrontierPoint, ...]:
    """Every configuration of the whole space that no other beats in both of `axes`; costs in closed form, the first axis ascending.

    Raises `RackwrightError` as `plan` does.
    """
    return tuple(point for point in _searched(request, Frontier(axes), library, progress, None) if point.pareto)


def configurations(
    request: PlanRequest,
    axes: Axes = ("cost", "time"),
    library: Library | None = None,
    progress: Progress | None = None,
    most: int | None = None,
) -> Iterator[FrontierPoint]:
    """The frontier of `axes`, marked, and what else fits of all that the search for it evaluated; the first axis ascending.

    Where there are more than `most`, those that are best in the first axis stay beside the frontier. Raises `RackwrightError` as
    `plan` does, before the first configuration.
    """
    return _searched(request, Seen(axes), library, progress, most)


def _searched(
    request: PlanRequest, goal: Frontier, library: Library | None, progress: Progress | None, most: int | None
) -> Iterator[FrontierPoint]:
    question, report = Question.of(request, library or default_library()), progress or (lambda share: None)

    def listed(found: Outcomes[Candidates]) -> Iterator[FrontierPoint]:
        first, second = (objective_key(found, axis) for axis in goal.objectives)
        optimal = undominated(first, second)
        rows = np.lexsort((second, first, ~optimal))[:most]
        rows = rows[np.lexsort((second[rows], first[rows]))]
        return _points(found.take(rows), optimal[rows], question.ground)

    if isinstance(request.workload, Serving):
        return listed(question.serving().search(goal, report)[0])
    return listed(question.training().search(goal, report)[0])


def seen_points(survivors: Outcomes[Candidates], ground: Ground) -> tuple[FrontierPoint, ...]:
    """What a search has kept, cheapest first; of cost against time, what none of these beats is marked."""
    optimal = undominated(np.where(survivors.at_least, np.inf, survivors.cost_usd), survivors.time_s)
    order = np.lexsort((survivors.time_s, survivors.cost_usd, ~optimal))[:_MOST_SEEN]
    points = _points(survivors.take(order), optimal[order], ground)
    return tuple(sorted(points, key=lambda point: (point.cost_usd, point.time_s, point.accelerator_id)))


def missed_points(account: Account[Candidates], ground: Ground) -> dict[int, FrontierPoint]:
    """The nearest miss of each platform, where it was evaluated and has figures to be drawn by."""
    return {
        platform: next(_points(near, np.zeros(1, dtype=np.bool_), ground))
        for platform, near in account.near.items()
        if (int(near.reason[0]), float(near.excess[0])) == account.misses[platform]
        and np.isfinite([near.cost_usd[0], near.time_s[0], near.tokens_per_s[0]]).all()
    }


def _points(found: Outcomes[Candidates], optimal: BoolColumn, ground: Ground) -> Iterator[FrontierPoint]:
    ids, site = ground.platforms.accelerator_id, ground.request.site
    return (
        FrontierPoint(
            accelerator_id=ids[found.columns.platform[row]],
            devices=int(found.devices[row]),
            precision=PRECISIONS[found.columns.precision[row]],
            cost_usd=float(found.cost_usd[row]),
            facility_w=known(found.facility_w[row]),
            tokens_per_s=float(found.tokens_per_s[row]),
            time_s=float(found.time_s[row]),
            carbon_kgco2e=known(operational_kgco2e(float(found.energy_kwh[row]), site.carbon_g_per_kwh)),
            at_least=bool(found.at_least[row]),
            pareto=bool(optimal[row]),
            prefill_accelerator_id=_prefill_id(found.columns, ids, row),
        )
        for row in range(len(found))
    )


def _prefill_id(columns: TrainingColumns | DeploymentColumns, ids: tuple[str, ...], row: int) -> str:
    """Accelerator that prefills, where that is not left to the replicas that decode."""
    if isinstance(columns, TrainingColumns) or not columns.disaggregated[row]:
        return ""
    return ids[int(columns.prefill_platform[row])]
