from dataclasses import fields

import numpy as np
import pytest

from facts.yaml_files import parse_yaml
from measurements import measured_runs
from measurements.training_efficiency import TrainingPhysics, parse_training_efficiency, training_efficiency
from planner.library import default_library
from planner.performance.robust_fit import Fit, jacobian
from planner.validation.rows import parse_rows
from planner.validation.training import step_times_s
from planner.validation.training_calibration import Calibration
from planner.validation.training_table import Calibrated, calibration_runs, document, priors


@pytest.fixture(scope="module")
def calibration():
    lines = measured_runs("training_published").decode().splitlines()
    header, own = lines[0], [line for line in lines if "LLAMA3_70B" in line][:12]
    table = "\n".join([header, *own, *(line for line in lines if "MPT-7b" in line)]).encode()
    rows = list(calibration_runs({"own": table}, default_library()))
    return Calibration([run for run, _ in rows], [step_s for _, step_s in rows], default_library(), priors())


def test_every_physical_parameter_has_a_prior_with_a_reason():
    assert set(priors().physics) == {item.name for item in fields(TrainingPhysics)}
    assert all(value > 0 and spread > 0 for value, spread in priors().physics.values())


def test_the_packaged_fit_is_read_and_is_calibrated():
    fitted = training_efficiency()
    assert fitted.calibrated
    assert {"nvidia-h100-sxm-80gb", "nvidia-gb200-nvl72", "amd-mi300x"} <= set(fitted.accelerators)
    assert 0.4 < fitted.physics.products < 1.1


def test_intervals_are_wider_for_accelerators_without_runs_and_hold_the_prediction():
    fitted = training_efficiency()
    for experts in (False, True):
        own = fitted.step_time_interval(experts=experts, borrowed=False)
        borrowed = fitted.step_time_interval(experts=experts, borrowed=True)
        assert own[0] < 1 < own[1]
        assert borrowed[1] - borrowed[0] > own[1] - own[0]


def test_the_document_says_what_the_parameters_were(calibration):
    parameters = calibration.prior + 0.1
    ones = np.ones_like(parameters)
    errors = dict.fromkeys(("fit", "family", "accelerator"), np.full(len(calibration.runs), 0.25))
    result = Calibrated(calibration, Fit(parameters, ones, np.zeros(len(calibration.runs)), ones[None, :]), errors)
    read = parse_training_efficiency(parse_yaml(document(result), "fit.yaml"))
    assert read.physics.launch_us == pytest.approx(np.exp(parameters[calibration.position["physics", "launch_us"]]), rel=1e-3)
    assert read.accelerators["nvidia-h100-sxm-80gb"].rate == pytest.approx(np.exp(0.1), rel=1e-3)
    assert read.software["llm-foundry"].dense == pytest.approx(np.exp(0.1), rel=1e-3)
    assert read.step_time_interval(experts=False, borrowed=False) == pytest.approx((0.8, 0.8))
    assert document(result) == document(result)


def test_predictions_from_the_document_are_those_of_the_fit():
    """What calibration fits is what validation predicts: both ways through the code agree on the packaged fit."""
    library = default_library()
    table = measured_runs("training_mlperf")
    rows = list(calibration_runs({"training_mlperf": table}, library))
    runs = [run for run, _ in rows]
    prepared = Calibration(runs, [step_s for _, step_s in rows], library, priors())
    predicted = step_times_s(runs, library)
    fitted = np.exp(prepared.log_step_s(prepared.parameters_of(library.training_efficiency.training)))
    assert np.allclose([predicted[run.row] for run in runs], fitted, rtol=2e-3)
    assert len(parse_rows(table)) == 242


def test_left_out_rows_are_predicted_without_them(calibration):
    problem = calibration.problem()
    start = Fit(calibration.prior, np.ones(1), calibration.log_step_s(calibration.prior), _slopes(problem, calibration))
    found = calibration.left_out(problem, start, lambda run: run.accelerator if "a100" in run.accelerator else None)
    seen = np.array(["a100" in run.accelerator for run in calibration.runs])
    assert np.all(np.isfinite(found[seen]))
    assert np.all(np.isnan(found[~seen]))


def _slopes(problem, calibration):
    return jacobian(problem, calibration.prior, calibration.log_step_s(calibration.prior))
