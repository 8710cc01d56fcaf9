"""What serving software is known not to run is rejected with its source; what nobody says is tried, and said."""

import pytest

from planner import PlanRequest, plan


def answered(model="llama3.1-8b", accelerators=("nvidia-h100-sxm-80gb", "amd-mi300x"), precisions=(), **workload):
    asked = {"kind": "serving", "requests_per_s": 2, **workload}
    return plan(
        PlanRequest.parse({"model": model, "workload": asked, "limits": {"accelerators": accelerators}, "precisions": list(precisions)})
    )


def test_a_format_that_the_engine_does_not_run_is_rejected_with_its_source():
    found = answered(precisions=["int4"])
    assert {option.accelerator_id for option in found.recommendations} == {"nvidia-h100-sxm-80gb"}
    assert found.search.rejected["engine"] > 0
    (refusal,) = found.search.refused
    assert (refusal.accelerator_id, refusal.precision, refusal.engine) == ("amd-mi300x", "int4", "vllm")
    assert refusal.read
    assert refusal.sources[0].startswith("https://docs.vllm.ai")
    (miss,) = found.search.nearest
    assert (miss.reason, miss.change) == ("engine", {"workload.engine": "sglang"})


def test_the_engine_that_the_miss_names_runs_it():
    assert answered(precisions=["int4"], accelerators=("amd-mi300x",), engine="sglang").recommendations


@pytest.mark.parametrize("deployment", ["aggregated", "disaggregated"])
def test_an_engine_of_one_vendor_is_refused_on_all_others(deployment):
    found = answered(engine="trtllm", deployment=deployment)
    assert {option.accelerator_id for option in found.recommendations} == {"nvidia-h100-sxm-80gb"}
    assert {refusal.accelerator_id for refusal in found.search.refused} == {"amd-mi300x"}


def test_what_no_source_says_is_tried_and_stands_among_the_assumptions():
    found = answered(accelerators=("google-tpu-v6e",))
    assert found.recommendations
    option = found.recommendations[0]
    assert option.support
    assert (option.support.precision, option.support.model) == ("unknown", "listed")
    told = [
        assumption.source for assumption in found.assumptions if assumption.field == "workload.engine" and assumption.value == "unknown"
    ]
    assert any("no source says whether vllm 0.14.0 runs bf16 on" in text and option.accelerator_name in text for text in told)


@pytest.mark.parametrize(("accelerator", "told"), [("intel-gaudi3", True), ("amd-mi300x", False)])
def test_whether_caches_can_be_moved_there_is_said_where_nobody_says_it(accelerator, told):
    found = answered(accelerators=(accelerator,), deployment="disaggregated")
    assert found.recommendations
    assert any("moves caches between replicas" in assumption.source for assumption in found.assumptions) is told


def test_known_support_is_named_and_no_assumption():
    found = answered(accelerators=("nvidia-h100-sxm-80gb",))
    assert all(option.support and option.support.precision == "native" for option in found.recommendations)
    assert not [assumption for assumption in found.assumptions if assumption.value == "unknown"]


def test_no_engine_in_particular_refuses_nothing():
    found = answered(precisions=["int4"], engine="generic")
    assert {option.accelerator_id for option in found.recommendations} == {"nvidia-h100-sxm-80gb", "amd-mi300x"}
    assert found.search.refused == ()
    assert all(option.support is None for option in found.recommendations)
