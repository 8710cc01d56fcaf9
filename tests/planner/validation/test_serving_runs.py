"""Rows of the serving tables as runs, their predictions, and the fit to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import measurements
from measurements import measured_runs
from measurements.serving_fit import serving_fit
from planner.library import default_library
from planner.performance.robust_fit import fit
from planner.performance.serving_efficiency import load_serving_efficiency
from planner.validation import serving_latency, serving_mlperf, serving_published
from planner.validation.rows import is_scorable, parse_rows
from planner.validation.serving_calibration import Fitting, family_errors, intervals, serving_yaml
from planner.validation.serving_latency import serving_latency_run
from planner.validation.serving_mlperf import serving_mlperf_run
from planner.validation.serving_names import deployment_settings
from planner.validation.serving_published import serving_published_run
from planner.validation.serving_runs import Bench, UnpredictableError, understood_runs
from planner.validation.serving_table import inputs_digest, serving_runs

LATENCY = {
    "row_id": "a",
    "framework": "sglang",
    "framework_version": "0.5.9",
    "model": "deepseek-ai/DeepSeek-R1",
    "system": "b200_sxm",
    "precision": "fp8",
    "mode": "agg",
    "concurrency": "32",
    "origin": "InferenceX results",
    "isl": "1024",
    "osl": "1024",
    "tp_size": "8",
    "moe_tp_size": "8",
    "moe_ep_size": "1",
    "ttft_ms": "500",
    "tpot_ms": "16",
}


@pytest.fixture(scope="module")
def library():
    return default_library()


@pytest.fixture(scope="module")
def latency_runs(library):
    rows = [row for row in parse_rows(measured_runs("serving_latency")) if is_scorable(row)]
    return understood_runs(rows, library, serving_latency_run)


def test_a_row_at_fixed_concurrency_becomes_a_closed_loop(library):
    run = serving_latency_run(0, LATENCY, library)
    assert (run.model, run.accelerator, run.regime, run.decode.devices) == ("deepseek-r1", "nvidia-b200-sxm-180gb", "closed", 8)
    assert run.input_tokens == pytest.approx(921.6)  # lengths are drawn from 0.8 to 1.0 of the stated ones
    assert run.settings == {"poll_steps": 30, "hold_steps": 0, "pass_tokens": 32768}
    assert run.measured == {"ttft_s": 0.5, "tpot_s": 0.016}


def test_a_disaggregated_row_has_two_pools(library):
    row = LATENCY | {"mode": "disagg", "prefill_num_workers": "2", "prefill_tp_size": "4", "decode_num_workers": "3", "decode_tp_size": "8"}
    run = serving_latency_run(0, row, library)
    assert run.prefill is not None
    assert (run.prefill.replicas, run.prefill.tp, run.decode.replicas, run.decode.tp) == (2, 4, 3, 8)


@pytest.mark.parametrize(("change", "code"), [({"model": "no such thing"}, "unknown_model"), ({"system": "abacus"}, "unknown_accelerator")])
def test_what_a_row_lacks_is_said(library, change, code):
    with pytest.raises(UnpredictableError) as raised:
        serving_latency_run(0, LATENCY | change, library)
    assert raised.value.code == code


def test_at_least_95_percent_of_scorable_rows_are_answered(latency_runs):
    runs, refused = latency_runs
    assert len(runs) >= 0.95 * (len(runs) + len(refused))


@pytest.mark.parametrize(
    ("table", "module"),
    [("serving_latency", serving_latency), ("serving_published", serving_published), ("serving_mlperf", serving_mlperf)],
)
def test_every_row_gives_a_prediction_or_a_reason(library, table, module):
    rows = list(parse_rows(measured_runs(table)))[::17]
    predictions = list(module.predict(rows, library))
    assert {prediction.row for prediction in predictions} == set(range(len(rows)))
    for prediction in predictions:
        assert (prediction.predicted is None) == bool(prediction.reason)
        assert prediction.predicted is None or (np.isfinite(prediction.predicted) and prediction.predicted > 0)


def test_saturated_rows_are_recognised(library):
    row = LATENCY | {"model": "meta-llama/Llama-3.1-70B", "tp_size": "1", "isl": "8192", "framework": "trtllm"}
    runs = [serving_latency_run(0, row | {"concurrency": clients}, library) for clients in ("4", "1024")]
    light, heavy = Bench(runs, library.hardware).saturation()
    assert light < 1 < heavy


def test_a_static_batch_is_read_from_the_published_table(library):
    row = {
        "model": "Llama-2-7B",
        "accelerator": "Intel Gaudi 2 (HL-225H)",
        "accel_count": "1",
        "tp": "1",
        "regime": "static batch",
        "batch": "94",
    }
    run = serving_published_run(0, row | {"isl": "2048", "osl": "128", "weight_precision": "FP8", "output_tok_s": "1449"}, library)
    assert (run.accelerator, run.regime, run.clients) == ("intel-gaudi2", "static", 94)


def test_a_submission_without_parallelism_is_tried_at_every_degree_that_fits(library):
    row = {"benchmark": "llama2-70b-99.9", "scenario": "Offline", "accelerator": "NVIDIA H100-SXM-80GB", "accelerators_total": "8"}
    row |= {
        "accelerators_per_node": "8",
        "nodes": "1",
        "units": "Tokens/s",
        "result": "24000",
        "weight_dtype": "fp16",
        "software": "TensorRT 10.2",
    }
    run = serving_mlperf_run(0, row, library)
    layouts = (run.decode, *run.others)
    assert [layout.tp for layout in layouts] == [1, 2, 4, 8]
    assert {layout.tp * layout.replicas for layout in layouts} == {8}
    assert run.engine == "trtllm"


def test_of_the_layouts_a_row_may_have_used_the_fastest_that_has_room_counts(library):
    row = {"benchmark": "llama2-70b-99", "scenario": "Offline", "accelerator": "NVIDIA H100-SXM-80GB", "accelerators_total": "8"}
    row |= {"accelerators_per_node": "8", "units": "Tokens/s", "result": "24000", "weight_dtype": "fp8", "software": "TensorRT 10.2"}
    run = serving_mlperf_run(0, row, library)
    table = load_serving_efficiency()

    def rates(*runs):
        return Bench(runs, library.hardware).predict(table)["output_tokens_per_s"]

    each = rates(*(replace(run, decode=layout, others=()) for layout in (run.decode, *run.others)))
    assert rates(run)[0] == pytest.approx(max(each))


@pytest.mark.parametrize(
    ("description", "clients", "settings"),
    [
        ("trtllm llama3.1-70b nvidia-h200-sxm-141gb fp8 tp4 dp1 1024/1024 2025-10-29", 4, (0, 20, 16384)),
        ("trtllm llama3.1-70b nvidia-h200-sxm-141gb fp8 tp8 dp1 1024/1024 2025-10-29", 4, (0, 0, 16384)),
        ("trtllm deepseek-r1 nvidia-b200-sxm-180gb fp8 tp1 dp8 1024/1024 2026-03-23", 256, (0, 60, 0)),
        ("trtllm deepseek-r1 nvidia-h200-sxm-141gb fp8 tp8 dp1 8192/1024 2025-11-02", 64, (0, 0, 1)),
        ("sglang deepseek-r1 nvidia-h200-sxm-141gb fp8 tp8 dp1 1024/1024 2026-03-25", 64, (0, 0, 32768)),
        ("sglang qwen3.5-397b-a17b nvidia-b300-sxm-288gb fp4 tp4 dp1 1024/1024 2026-04-18", 8, (10, 0, 16384)),
    ],
)
def test_settings_of_a_benchmarks_servers_are_those_of_its_scripts(description, clients, settings):
    assert tuple(deployment_settings(description, clients).values()) == settings


@pytest.mark.slow
def test_the_fit_returns_to_the_parameters_that_made_the_runs(library, latency_runs):
    """Runs of a made-up engine twice as slow in its gaps: the fit must find it from its predictions alone."""
    runs = [run for run in latency_runs[0] if run.model in {"llama3.1-70b", "llama3.1-8b"} and run.prefill is None][::8]
    table = load_serving_efficiency()
    engines = {name: engine.model_copy(update={"layer_us": 2.0 * engine.layer_us}) for name, engine in table.fit.engines.items()}
    slower = replace(table, fit=table.fit.model_copy(update={"engines": engines}))
    truth = Bench(runs, library.hardware).predict(slower)
    made = [replace(run, measured={"tpot_s": float(truth["tpot_s"][i]), "ttft_s": float(truth["ttft_s"][i])}) for i, run in enumerate(runs)]
    fitting = Fitting(made, library.hardware)
    problem = fitting.problem
    before, after = (np.median(np.abs(problem.model(x) - problem.observed)) for x in (problem.prior, fit(problem).parameters))
    assert after < 0.6 * before


def test_bootstrapped_errors_enclose_the_median():
    rng = np.random.default_rng(1)
    errors = family_errors(np.abs(rng.normal(0, 0.1, 600)), np.repeat(np.arange(20).astype(str), 30))
    assert errors.median_low <= errors.median <= errors.median_high
    assert (errors.rows, errors.families) == (600, 20)


def test_the_packaged_fit_is_written_as_it_is_read():
    packaged = Path(measurements.__file__).parent / "fitted" / "serving.yaml"
    assert serving_yaml(serving_fit()) == packaged.read_text(encoding="utf-8")


def test_the_packaged_fit_was_made_from_the_packaged_rows_and_priors():
    assert serving_fit().inputs == inputs_digest()


def test_the_packaged_parameters_do_on_known_families_at_least_as_well_as_recorded_on_unknown_ones(library):
    runs, recorded = serving_runs(library), serving_fit().errors
    predicted = Bench(runs, library.hardware).predict(load_serving_efficiency())
    for table, quantity in (("serving_latency", "tpot_s"), ("serving_latency", "ttft_s"), ("serving_published", "itl_s")):
        of = [(row, run) for row, run in enumerate(runs) if dict(run.slices)["table"] == table and quantity in run.measured]
        errors = [abs(predicted[quantity][row] / run.measured[quantity] - 1.0) for row, run in of]
        assert len(errors) == recorded[f"{table} {quantity} all"].rows
        assert np.median(errors) <= recorded[f"{table} {quantity} all"].median


def test_recorded_errors_on_unknown_families_keep_the_bars():
    errors = serving_fit().errors
    tpot, ttft = errors["serving_latency tpot_s all"], errors["serving_latency ttft_s all"]
    assert (tpot.median <= 0.10, tpot.p90 <= 0.30, ttft.median <= 0.25, ttft.p90 <= 0.70) == (True, True, True, True)
    assert errors["serving_published output_tokens_per_s regime offline"].median <= 0.15
    assert errors["serving_published itl_s regime steady state, capped batch"].median <= 0.12
    assert errors["serving_mlperf output_tokens_per_s regime Offline"].median <= 0.15
    assert max(errors[f"serving_mlperf output_tokens_per_s regime {name}"].median for name in ("Server", "Interactive")) <= 0.30


@pytest.mark.parametrize("value", ["1e300", "-3", "0", "", "nan", "many"])
@pytest.mark.parametrize("cell", ["tp_size", "concurrency", "isl", "osl", "moe_ep_size", "attention_dp_size", "ttft_ms"])
def test_no_cell_of_anyones_rows_breaks_the_prediction(library, cell, value):
    (*predictions,) = serving_latency.predict([LATENCY | {cell: value}], library)
    assert predictions
    assert all(prediction.predicted is None or np.isfinite(prediction.predicted) for prediction in predictions)


def test_a_table_without_any_known_row_gives_reasons_alone(library):
    assert [prediction.reason for prediction in serving_latency.predict([LATENCY | {"model": "?"}], library)] == ["unknown_model"]


def test_intervals_hold_four_of_five_of_the_runs_they_were_read_from():
    rng = np.random.default_rng(2)
    ratios = np.exp(rng.normal(0.1, 0.3, 4000))
    experts = rng.random(4000) < 0.5
    found = intervals(ratios, np.full(4000, "tpot_s"), experts)
    held = [
        found[f"tpot_s {'moe' if moe else 'dense'}"].low <= 1.0 / r <= found[f"tpot_s {'moe' if moe else 'dense'}"].high
        for r, moe in zip(ratios, experts, strict=True)
    ]
    assert np.mean(held) == pytest.approx(0.8, abs=0.01)
