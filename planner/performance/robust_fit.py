"""Maximum a posteriori fit of few parameters to many noisy ratios, and what it predicts for rows it did not see.

Residuals are differences of logarithms, so a parameter's step is a relative change. Outliers count less (pseudo-Huber),
priors keep parameters that the data do not decide where they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.search.columns import BoolColumn, FloatColumn

_DIFFERENCE = 0.02  # step of numeric derivatives, in logarithms
_LARGEST_STEP = 0.5
_ITERATIONS = 25
_CONVERGED = 1e-4

Model = Callable[[FloatColumn], FloatColumn]  # parameters -> log predictions


@dataclass(frozen=True, slots=True)
class Problem:
    """What is fitted: `model` to `observed` (logarithms), with `noise` of each row (or of any) and the weight of each."""

    model: Model
    observed: FloatColumn
    weights: FloatColumn
    prior: FloatColumn
    prior_deviation: FloatColumn
    disjoint: tuple[NDArray[np.intp], ...]  # sets of parameters of which each row depends on one at most
    depends: NDArray[np.intp]  # (sets, rows): which parameter of each set a row depends on, -1: none
    noise: float | FloatColumn = 0.06


@dataclass(frozen=True, slots=True)
class Fit:
    """The parameters at the optimum, their standard deviations, and log predictions there."""

    parameters: FloatColumn
    deviation: FloatColumn
    predicted: FloatColumn
    jacobian: FloatColumn


def jacobian(problem: Problem, parameters: FloatColumn, predicted: FloatColumn) -> FloatColumn:
    """Derivatives of the predictions; parameters of a disjoint set are moved together."""
    slopes = np.zeros((len(predicted), len(parameters)))
    rows = np.arange(len(predicted))
    grouped: set[int] = set()
    for members, depends in zip(problem.disjoint, problem.depends, strict=True):
        grouped.update(int(member) for member in members)
        moved = parameters.copy()
        moved[members] += _DIFFERENCE
        slope = (problem.model(moved) - predicted) / _DIFFERENCE
        of_some = depends >= 0
        slopes[rows[of_some], depends[of_some]] = slope[of_some]
    for index in range(len(parameters)):
        if index not in grouped:
            moved = parameters.copy()
            moved[index] += _DIFFERENCE
            slopes[:, index] = (problem.model(moved) - predicted) / _DIFFERENCE
    return slopes


def fit(problem: Problem, start: FloatColumn | None = None) -> Fit:
    """Iterated Gauss-Newton with damping; deterministic."""
    parameters = problem.prior.copy() if start is None else start.copy()
    predicted = problem.model(parameters)
    everything = np.ones(len(predicted), dtype=bool)
    cost = _cost(problem, parameters, predicted, everything)
    damping = 1e-3
    slopes = jacobian(problem, parameters, predicted)
    for _ in range(_ITERATIONS):
        step = _step(problem, parameters, predicted, slopes, everything, damping)
        trial = parameters + step
        trial_predicted = problem.model(trial)
        trial_cost = _cost(problem, trial, trial_predicted, everything)
        if trial_cost > cost:
            damping *= 10.0
            if damping > 1e6:
                break
            continue
        gain, parameters, predicted, cost, damping = cost - trial_cost, trial, trial_predicted, trial_cost, damping / 5.0
        if gain < _CONVERGED * cost:
            break
        slopes = jacobian(problem, parameters, predicted)
    return Fit(parameters, np.sqrt(np.diag(np.linalg.inv(_curvature(problem, predicted, slopes, everything)))), predicted, slopes)


def refit_without(problem: Problem, full: Fit, left_out: BoolColumn, iterations: int = 4) -> FloatColumn:
    """Parameters of the fit to all other rows, from the full fit on; slopes are those of the full fit."""
    parameters, predicted, kept = full.parameters, full.predicted, ~left_out
    for _ in range(iterations):
        step = _step(problem, parameters, predicted, full.jacobian, kept, 1e-3)
        parameters = parameters + step
        predicted = problem.model(parameters)
        if np.max(np.abs(step)) < 1e-3:
            break
    return parameters


def _influence(problem: Problem, predicted: FloatColumn) -> tuple[FloatColumn, FloatColumn]:
    """Scaled residuals and the weight that pseudo-Huber gives each row."""
    residual = (predicted - problem.observed) / problem.noise
    return residual, problem.weights / np.sqrt(1.0 + residual**2)


def _cost(problem: Problem, parameters: FloatColumn, predicted: FloatColumn, kept: BoolColumn) -> float:
    residual = ((predicted - problem.observed) / problem.noise)[kept]
    data = np.sum(problem.weights[kept] * 2.0 * (np.sqrt(1.0 + residual**2) - 1.0))
    return float(data + np.sum(((parameters - problem.prior) / problem.prior_deviation) ** 2))


def _curvature(problem: Problem, predicted: FloatColumn, slopes: FloatColumn, kept: BoolColumn) -> FloatColumn:
    _, weight = _influence(problem, predicted)
    scaled = slopes * (np.where(kept, weight, 0.0) / np.square(problem.noise))[:, None]
    return np.asarray(slopes.T @ scaled + np.diag(problem.prior_deviation**-2.0))


def _step(
    problem: Problem, parameters: FloatColumn, predicted: FloatColumn, slopes: FloatColumn, kept: BoolColumn, damping: float
) -> FloatColumn:
    residual, weight = _influence(problem, predicted)
    gradient = slopes.T @ (np.where(kept, weight, 0.0) * residual / problem.noise)
    gradient = gradient + (parameters - problem.prior) / problem.prior_deviation**2
    curvature = _curvature(problem, predicted, slopes, kept)
    step = -np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), gradient)
    return np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
