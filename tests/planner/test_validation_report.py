from dataclasses import replace

import pytest

from facts.errors import RackwrightError
from measurements import measured_runs
from planner.library import default_library
from planner.validate import KINDS, error_slices, kind_of, validate
from planner.validation.prediction import Prediction
from planner.validation.rows import parse_rows


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("training_published", "training-published"),
        ("training_mlperf", "training-mlperf"),
        ("training_memory", "training-memory"),
        ("serving_latency", "serving-latency"),
        ("serving_published", "serving-published"),
        ("serving_mlperf", "serving-mlperf"),
        ("serving_memory", "serving-memory"),
        ("power", "power"),
        ("diffusion", "diffusion"),
        ("other_models_mlperf", "other-models"),
    ],
)
def test_the_kind_is_told_by_the_columns(table, kind):
    assert kind_of(parse_rows(measured_runs(table)).header) == kind


def test_columns_of_no_kind_are_a_fault_that_names_the_kinds():
    with pytest.raises(RackwrightError) as raised:
        kind_of(("a", "b"))
    assert raised.value.faults[0].code == "validation_kind_unknown"
    assert all(kind in raised.value.faults[0].allowed for kind in KINDS)


def item(predicted, *, scorable=True, measured=100.0, **properties):
    return Prediction(0, "", "step_time_s", measured, predicted, "", scorable, tuple(properties.items()))


def test_errors_are_relative_to_the_measurement():
    (found,) = [part for part in error_slices([item(90.0), item(110.0), item(130.0)]) if part.by == "all"]
    assert (found.n, found.median_ape_pct, found.median_bias_pct) == (3, pytest.approx(10.0), pytest.approx(10.0))
    assert found.p90_ape_pct == pytest.approx(26.0)
    assert found.interval80_coverage_pct is None


def test_coverage_is_the_share_of_measurements_within_their_intervals():
    inside, outside = replace(item(90.0), interval80=(80.0, 120.0)), replace(item(90.0), interval80=(80.0, 95.0))
    found = next(part for part in error_slices([inside, inside, inside, outside, item(90.0)]) if part.by == "all")
    assert found.interval80_coverage_pct == 75.0


def test_rows_that_do_not_count_and_rows_with_searched_parallelism_stay_out_of_the_other_slices():
    rows = [
        item(100.0, vendor="A", parallelism="known"),
        item(300.0, vendor="A", parallelism="searched"),
        item(300.0, vendor="A", parallelism="known", scorable=False),
    ]
    found = {(part.by, part.key): part.n for part in error_slices(rows)}
    assert found == {("all", ""): 1, ("vendor", "A"): 1, ("parallelism", "known"): 1, ("parallelism", "searched"): 1, ("scorable", "no"): 1}


def test_a_report_accounts_for_every_scorable_row():
    report = validate(parse_rows(measured_runs("training_published")), "training-published", default_library())
    assert report.rows == report.answered + sum(report.unanswered.values())
    whole = next(part for part in report.slices if part.by == "all" and part.quantity == "step_time_s")
    assert whole.median_ape_pct < 8.0


def test_an_unknown_kind_is_a_fault():
    with pytest.raises(RackwrightError):
        validate(parse_rows(b"a\n1\n"), "weather", default_library())
