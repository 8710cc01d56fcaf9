"""Frontiers: configurations that no other beats in both of two objectives, exhaustively, or among those a plan has seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from planner.answer import FrontierPoint
from planner.economics.power import operational_kgco2e
from planner.goals import Frontier
from planner.ground import Ground
from planner.library import Library, default_library
from planner.outcomes import Candidates, Outcomes, objective_key, undominated
from planner.question import Question
from planner.recommend import known
from planner.request import Objective, PlanRequest, Serving
from planner.search.columns import PRECISIONS, BoolColumn

_MOST_SEEN = 1_000


def frontier(
    request: PlanRequest,
    axes: tuple[Objective, Objective],
    library: Library | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[FrontierPoint, ...]:
    """Every configuration of the whole space that no other beats in both of `axes`; costs in closed form, the first axis ascending.

    Raises `RackwrightError` as `plan` does.
    """
    question, report, goal = Question.of(request, library or default_library()), progress or (lambda share: None), Frontier(axes)
    if isinstance(request.workload, Serving):
        return _optimal_points(question.serving().search(goal, report)[0], axes, question.ground)
    return _optimal_points(question.training().search(goal, report)[0], axes, question.ground)


def _optimal_points(found: Outcomes[Candidates], axes: tuple[Objective, Objective], ground: Ground) -> tuple[FrontierPoint, ...]:
    first, second = (objective_key(found, axis) for axis in axes)
    optimal = found.take(np.flatnonzero(undominated(first, second))[np.argsort(first[undominated(first, second)])])
    return _points(optimal, np.ones(len(optimal), dtype=np.bool_), ground)


def seen_points(survivors: Outcomes[Candidates], ground: Ground) -> tuple[FrontierPoint, ...]:
    """What a search has kept, cheapest first; of cost against time, what none of these beats is marked."""
    optimal = undominated(np.where(survivors.at_least, np.inf, survivors.cost_usd), survivors.time_s)
    order = np.lexsort((survivors.time_s, survivors.cost_usd, ~optimal))[:_MOST_SEEN]
    points = _points(survivors.take(order), optimal[order], ground)
    return tuple(sorted(points, key=lambda point: (point.cost_usd, point.time_s, point.accelerator_id)))


def _points(found: Outcomes[Candidates], optimal: BoolColumn, ground: Ground) -> tuple[FrontierPoint, ...]:
    ids, site = ground.platforms.accelerator_id, ground.request.site
    return tuple(
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
        )
        for row in range(len(found))
    )
