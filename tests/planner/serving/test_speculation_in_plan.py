"""Speculation as a choice of the request: its memory counts, it never helps without acceptance, what cannot draft is refused."""

import pytest

from facts.errors import RackwrightError
from planner import PlanRequest, default_library, plan
from planner.explain.launch import launches


def answer(model="llama3.1-70b", accelerator="nvidia-h100-sxm-80gb", **workload):
    raw = {"kind": "serving", "requests_per_s": 2, "kv_precision": "bf16", **workload}
    return plan(PlanRequest.parse({"model": model, "workload": raw, "precisions": ["fp8"], "limits": {"accelerators": [accelerator]}}))


def test_tokens_come_sooner_with_a_draft_that_is_accepted_and_not_with_one_that_never_is():
    draft = {"speculation": "draft", "draft_model": "llama3.2-1b", "drafted_tokens": 3, "tpot_s": 0.05}
    plain, useful, useless = (answer(**choice).recommendations[0] for choice in ({"tpot_s": 0.05}, draft, draft | {"draft_acceptance": 0}))
    assert useful.performance.capacity_requests_per_s / useful.replicas > plain.performance.capacity_requests_per_s / plain.replicas
    assert useless.performance.capacity_requests_per_s / useless.replicas < plain.performance.capacity_requests_per_s / plain.replicas


def test_the_draft_lies_in_memory_beside_the_model():
    plain, draft = (answer(**choice).recommendations[0] for choice in ({}, {"speculation": "draft", "draft_model": "llama3.2-1b"}))
    assert plain.strategy.tp == draft.strategy.tp
    assert draft.memory.parts["weights"] - plain.memory.parts["weights"] == pytest.approx(2.0 * 1.236e9 / plain.strategy.tp, rel=0.03)
    assert draft.bottleneck.time_parts_s["draft"] > 0


def test_prediction_layers_draft_for_their_own_model():
    plain, mtp = (answer("qwen3.5-27b", speculation=kind).recommendations[0] for kind in ("none", "mtp"))
    assert mtp.memory.parts["weights"] > plain.memory.parts["weights"]
    assert "draft" in mtp.bottleneck.time_parts_s


def test_the_acceptance_is_shown_as_an_assumption_and_the_engine_is_told_to_speculate():
    found = answer("qwen3.5-27b", speculation="mtp", drafted_tokens=2)
    assert "workload.draft_acceptance" in {assumption.field for assumption in found.assumptions}
    texts = {launch.tool: launch.text for launch in launches(found, found.recommendations[0], default_library().models)}
    assert '"method":"mtp","num_speculative_tokens":2' in texts["vLLM"]
    assert "--speculative-num-steps 2 --speculative-eagle-topk 1 --speculative-num-draft-tokens 3" in texts["SGLang"]
    assert not texts["TensorRT-LLM"]


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        ({"speculation": "mtp"}, "no_prediction_layers"),
        ({"speculation": "draft"}, "missing_field"),
        ({"speculation": "draft", "draft_model": "no-such-model"}, "unknown_model"),
        ({"speculation": "draft", "draft_model": "qwen3-8b"}, "draft_vocabulary"),
    ],
)
def test_what_cannot_draft_is_refused(choice, code):
    with pytest.raises(RackwrightError) as caught:
        answer(**choice)
    assert [fault.code for fault in caught.value.faults] == [code]
