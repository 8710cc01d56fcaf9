import csv
import io

import pytest

from measurements import measured_runs
from measurements.training_benchmarks import training_benchmarks
from planner.library import default_library
from planner.search.columns import RECOMPUTES
from planner.validation.rows import parse_rows
from planner.validation.training import predict
from planner.validation.training_runs import NotPredictableError, software, training_run

ROW = {
    "row_id": "r1",
    "source_group": "own",
    "software": "NeMo 26.04 container (Megatron-Bridge)",
    "model": "LLAMA3_70B",
    "accelerator": "H100",
    "n_acc": "64",
    "precision": "FP8",
    "seq_len": "8192",
    "global_batch": "256",
    "micro_batch": "1",
    "tp": "4",
    "pp": "8",
    "vp": "5",
    "cp": "1",
    "step_time_s": "20.07",
    "tokens_per_s_per_acc": "1633",
}


def table(*rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return parse_rows(text.getvalue().encode())


def predictions(*rows):
    return list(predict(table(*rows), default_library()))


def test_every_measured_quantity_of_a_row_is_predicted():
    found = {item.quantity: item for item in predictions(ROW)}
    assert set(found) == {"step_time_s", "tokens_per_s_per_acc"}
    assert abs(found["step_time_s"].relative_error) < 0.2
    assert found["step_time_s"].predicted * found["tokens_per_s_per_acc"].predicted * 64 == pytest.approx(256 * 8192)
    assert dict(found["step_time_s"].slices)["parallelism"] == "known"
    for prediction in found.values():
        low, high = prediction.interval80
        assert low < prediction.predicted < high


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "nothing 3T"}, "unknown_model"),
        ({"accelerator": "abacus"}, "unknown_accelerator"),
        ({"seq_len": ""}, "no_sequence_length"),
        ({"n_acc": ""}, "no_device_count"),
        ({"global_batch": "", "micro_batch": ""}, "no_global_batch"),
        ({"accelerator": "A100-80GB"}, "no_number_format"),
        ({"n_acc": "63"}, "no_layout"),
    ],
)
def test_a_row_that_cannot_be_predicted_says_why(change, reason):
    assert {item.reason for item in predictions(ROW | change)} == {reason}


def test_a_row_without_a_target_is_no_error():
    assert [item.reason for item in predictions(ROW | {"step_time_s": "", "tokens_per_s_per_acc": ""})] == ["no_target"]


def test_unknown_parallelism_is_searched_and_marked():
    blank = ROW | {"tp": "", "pp": "", "vp": "", "cp": "", "micro_batch": ""}
    searched, known = predictions(blank)[0], predictions(ROW)[0]
    assert dict(searched.slices)["parallelism"] == "searched"
    assert searched.predicted <= known.predicted * 1.001


def test_a_row_is_predicted_alike_alone_and_among_others():
    others = [ROW | {"row_id": str(n), "n_acc": str(32 * n)} for n in (2, 4, 8)]
    assert predictions(ROW, *others)[0].predicted == pytest.approx(predictions(ROW)[0].predicted, rel=1e-9)


def test_shapes_in_the_row_describe_models_of_no_name():
    own = ROW | {"model": "house model", "layers": "32", "hidden": "4096", "heads": "32", "tp": "1", "pp": "1", "vp": "", "n_acc": "8"}
    assert predictions(own | {"step_time_s": "30", "tokens_per_s_per_acc": ""})[0].predicted > 0


@pytest.mark.parametrize(
    ("row", "stack"),
    [
        ({"software": "NeMo 26.02.01 container (Megatron-Bridge)"}, ("megatron-bridge", "26.02.01")),
        ({"software": "llm-foundry (FSDP, FlashAttention)"}, ("llm-foundry", "")),
        ({"software": "torchtitan", "notes": "FSDP eager"}, ("torchtitan", "eager")),
        ({"software": "Megatron-LM 2021"}, ("megatron-lm", "2021")),
        ({"round": "5.1", "framework": "NVIDIA NeMo Framework Release 25.09", "accelerator": "B200"}, ("mlperf-nemo", "v5.1")),
        ({"round": "5.0", "framework": "PyTorch 2.6.0, ROCm 6.4", "accelerator": "MI300X"}, ("mlperf-rocm", "v5.0")),
        ({"software": ""}, ("", "")),
    ],
)
def test_software_is_told_by_its_name(row, stack):
    assert software(row) == stack


def test_torchtitan_pipelines_cut_the_local_batch_into_as_many_parts_as_stages():
    row = ROW | {"software": "torchtitan", "micro_batch": "32", "vp": "", "n_acc": "512", "tp": "8", "pp": "8", "recompute": "full"}
    run = training_run(0, row, default_library())
    assert (run.layout.micro_batch, run.layout.rounds, run.layout.virtual_stages) == (4, 8, 1)
    assert run.layout.recompute == RECOMPUTES.index("full")


def test_a_missing_accelerator_is_named_before_anything_else():
    with pytest.raises(NotPredictableError) as raised:
        training_run(0, {}, default_library())
    assert raised.value.code == "unknown_accelerator"


@pytest.mark.parametrize(("name", "rows"), [("training_published", 423), ("training_mlperf", 187)])
def test_nearly_all_packaged_rows_are_answered(name, rows):
    found = list(predict(parse_rows(measured_runs(name)), default_library()))
    scorable = {item.row for item in found if item.scorable}
    answered = {item.row for item in found if item.scorable and item.predicted is not None}
    assert len(scorable) == rows
    assert len(answered) >= 0.95 * rows


def test_encoders_and_image_generators_are_answered_through_the_same_operations():
    """Shapes from the benchmarks' references; the rows state neither layout nor number format, so that no fit sees them."""
    rows = parse_rows(measured_runs("training_mlperf"))
    cells = list(rows)
    errors: dict[str, list[float]] = {}
    for item in predict(rows, default_library()):
        benchmark = cells[item.row]["benchmark"]
        if benchmark in ("bert", "stable_diffusion", "flux1") and item.quantity == "step_time_s":
            assert not item.scorable
            errors.setdefault(benchmark, []).append(abs(item.relative_error))
    medians = {name: sorted(values)[len(values) // 2] for name, values in errors.items()}
    assert {name: len(values) for name, values in errors.items()} == {"bert": 28, "stable_diffusion": 21, "flux1": 4}
    assert medians["bert"] < 0.35  # 16 bit assumed
    assert medians["stable_diffusion"] < 0.2
    assert medians["flux1"] < 0.25


def test_samples_that_share_a_sequence_count_once():
    bert = {"row_id": "b", "benchmark": "bert", "round": "5.0", "accelerator": "H200", "total_accelerators": "8", "global_batch": "768"}
    run = training_run(0, bert | {"step_time_s": "0.0945"}, default_library())
    assert (run.sequence_tokens, run.global_batch) == (512, 384)


def test_time_to_train_is_more_than_the_steps():
    # MLPerf: 4 to 8 % (405B), 8 to 13 % (GPT-3), 11 to 33 % (LoRA) beyond steps x step time
    rows = parse_rows(measured_runs("training_mlperf"))
    cells = list(rows)
    steps = {item.row: item for item in predict(rows, default_library()) if item.quantity == "step_time_s"}
    shares: dict[str, list[float]] = {}
    for item in predict(rows, default_library()):
        if item.quantity == "ttt_min_median" and item.predicted and steps[item.row].predicted:
            row = cells[item.row]
            share = item.predicted * 60.0 / (float(row["steps_median"]) * steps[item.row].predicted) - 1.0
            shares.setdefault(row["benchmark"], []).append(share)
    medians = {name: sorted(values)[len(values) // 2] for name, values in shares.items()}
    assert 0.03 <= medians["llama31_405b"] <= 0.08
    assert 0.06 <= medians["gpt3"] <= 0.13
    assert 0.08 <= medians["llama2_70b_lora"] <= 0.33


def test_evaluations_are_counted_from_the_first_on():
    lora = training_benchmarks()["llama2_70b_lora"]
    assert [lora.evaluations(samples) for samples in (0, 1919, 1920, 3072, 3456)] == [0, 0, 1, 4, 5]
