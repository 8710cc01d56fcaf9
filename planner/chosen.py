"""The recommendation of one configuration that a search has found: its exact cluster, money and power, memory, explanation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from planner.answer import FrontierPoint, Recommendation
from planner.goals import BestOfEach, Frontier, Goal
from planner.library import Library, default_library
from planner.outcomes import Candidates, Outcomes
from planner.pareto import Axes
from planner.question import Question
from planner.recommend import Recommend
from planner.request import PlanRequest, Serving
from planner.search.columns import PRECISIONS


def recommendation_of(
    request: PlanRequest,
    point: FrontierPoint,
    axes: Axes | None = None,
    library: Library | None = None,
    progress: Callable[[float], None] | None = None,
) -> Recommendation | None:
    """`point` of the plan's own frontier, or of that of `axes`, as a recommendation; None where that search has it not.

    The search is run again, which takes as long as it took. Raises `RackwrightError` as `plan` does.
    """
    question, report = Question.of(request, library or default_library()), progress or (lambda share: None)
    goal: Goal = Frontier(axes) if axes else BestOfEach.of(request.objective, len(question.considered))
    if isinstance(request.workload, Serving):
        serving = question.serving()
        return _designed(serving.exact, serving.search(goal, report)[0], question.considered, point)
    training = question.training()
    return _designed(training.exact, training.search(goal, report)[0], question.considered, point)


def _designed(
    exact: Callable[[Outcomes[Candidates]], tuple[Outcomes[Candidates], Recommend]],
    found: Outcomes[Candidates],
    considered: tuple[str, ...],
    point: FrontierPoint,
) -> Recommendation | None:
    """The row of `found` that is `point`, designed exactly."""
    rows = _rows(found, considered, point)
    if not len(rows):
        return None
    _, recommend = exact(found.take(rows[:1]))
    return recommend(np.zeros(1, dtype=np.intp))[0]


def _rows(found: Outcomes[Candidates], considered: tuple[str, ...], point: FrontierPoint) -> NDArray[np.intp]:
    """Rows with the figures of `point`, which were read from one of them."""
    if point.accelerator_id not in considered:
        return np.zeros(0, dtype=np.intp)
    same = (
        (found.columns.platform == considered.index(point.accelerator_id))
        & (found.columns.precision == PRECISIONS.index(point.precision))
        & (found.devices == point.devices)
        & (found.cost_usd == point.cost_usd)
        & (found.time_s == point.time_s)
    )
    return np.flatnonzero(same)
