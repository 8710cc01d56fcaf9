import numpy as np
import pytest

from planner.performance.robust_fit import Problem, fit, jacobian, refit_without

RNG = np.random.default_rng(7)
GROUP = RNG.integers(0, 3, 200)
SIZE = RNG.uniform(0.0, 1.0, 200)
TRUE = np.array([0.5, -0.3, 0.2, 0.1])  # a slope, then a factor for each group


def model(parameters):
    return parameters[0] * SIZE + parameters[1:][GROUP]


def problem(observed, **changes):
    settings = {
        "model": model,
        "observed": observed,
        "weights": np.ones(200),
        "prior": np.zeros(4),
        "prior_deviation": np.full(4, 1.0),
        "disjoint": (np.array([1, 2, 3]),),
        "depends": (GROUP + 1)[None, :],
    } | changes
    return Problem(**settings)


def test_parameters_are_found_again():
    found = fit(problem(model(TRUE) + RNG.normal(0.0, 0.02, 200)))
    assert found.parameters == pytest.approx(TRUE, abs=0.03)
    assert np.all(found.deviation < 0.05)


def test_outliers_hardly_move_the_fit():
    observed = model(TRUE)
    observed[:10] += 2.0
    assert fit(problem(observed)).parameters == pytest.approx(TRUE, abs=0.05)


def test_a_parameter_without_data_stays_at_its_prior():
    only_two = {"depends": np.where(GROUP < 2, GROUP + 1, -1)[None, :], "weights": np.where(GROUP < 2, 1.0, 0.0)}
    found = fit(problem(model(TRUE), **only_two))
    assert found.parameters[3] == pytest.approx(0.0, abs=1e-6)


def test_moving_disjoint_parameters_together_gives_the_same_slopes():
    given = problem(model(TRUE))
    together = jacobian(given, TRUE, model(TRUE))
    one_by_one = jacobian(problem(model(TRUE), disjoint=(), depends=np.zeros((0, 200), dtype=np.intp)), TRUE, model(TRUE))
    assert np.allclose(together, one_by_one, atol=1e-9)


def test_what_is_left_out_does_not_count():
    observed = model(TRUE)
    left_out = GROUP == 2
    observed[left_out] += 1.0
    given = problem(observed)
    assert refit_without(given, fit(given), left_out)[:3] == pytest.approx(TRUE[:3], abs=0.02)
    assert refit_without(given, fit(given), left_out)[3] == pytest.approx(0.0, abs=0.02)


def test_equal_data_give_equal_fits():
    observed = model(TRUE) + RNG.normal(0.0, 0.05, 200)
    assert np.array_equal(fit(problem(observed)).parameters, fit(problem(observed)).parameters)
