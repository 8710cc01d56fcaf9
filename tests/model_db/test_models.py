"""The published models: counts reproduced exactly, the distance to what publishers state, finding by id or hub name."""

import json
from pathlib import Path

import pytest

from facts.errors import RackwrightError
from model_db import load_models
from model_db.decoder_facts import expand_pattern
from planner.counting import (
    cross_kv_cache_bytes_per_token,
    fixed_state_bytes_per_sequence,
    kv_cache_bytes_per_token,
    parameters,
)
from planner.counting.parameters import stack_parameters

COUNTS = json.loads((Path(__file__).parent / "published_counts.json").read_text(encoding="utf-8"))
MODELS = load_models()
OWN = """
models:
- id: my-llama
  name: Mine
  family: llama
  kind: decoder
  source: my config.json
  huggingface: [me/my-llama]
  decoder: {layers: 2, hidden: 64, heads: 4, kv_heads: 2, head_dim: 16, ffn_dim: 96, vocab: 1000}
"""


def test_there_is_an_entry_for_every_published_count():
    assert set(COUNTS) <= set(MODELS)
    assert len(COUNTS) == 244


@pytest.mark.parametrize("model", COUNTS)
def test_the_parameters_of_a_published_model_are_reproduced_exactly(model):
    counted = parameters(MODELS[model].architecture)
    assert counted.total == COUNTS[model]["computed_params"]
    assert sum(counted.by_component.values()) == counted.total


@pytest.mark.parametrize("model", [model for model, known in COUNTS.items() if known.get("relative_error") is not None])
def test_the_distance_to_the_published_count_is_as_listed(model):
    entry = MODELS[model]
    error = parameters(entry.architecture).total / entry.published_params - 1
    assert error == pytest.approx(COUNTS[model]["relative_error"], abs=1e-6)


def test_ninety_seven_published_counts_are_met_within_one_percent():
    stated = [MODELS[model] for model in COUNTS if MODELS[model].published_params]
    near = [entry for entry in stated if abs(parameters(entry.architecture).total / entry.published_params - 1) <= 0.01]
    assert len(stated) - len(near) <= 2
    assert len(near) >= 90


@pytest.mark.parametrize("model", [model for model, known in COUNTS.items() if "computed_active_params_excl_input_embedding" in known])
def test_active_parameters_count_the_head_but_not_the_input_table(model):
    assert parameters(MODELS[model].architecture).active == COUNTS[model]["computed_active_params_excl_input_embedding"]


@pytest.mark.parametrize(
    "model", [model for model, known in COUNTS.items() if "computed_active_params" in known or "computed_text_active_params" in known]
)
def test_active_parameters_with_the_input_table_are_those_listed(model):
    architecture = MODELS[model].architecture
    counted = parameters(architecture)
    listed = COUNTS[model].get("computed_active_params") or COUNTS[model]["computed_text_active_params"]
    table = architecture.vocab * architecture.hidden if "head" in counted.by_component else 0  # a tied table is counted as the head
    assert counted.active + table == listed


@pytest.mark.parametrize("model", [model for model, known in COUNTS.items() if "kv_bytes_per_token_bf16" in known])
def test_the_cache_of_a_published_model_is_reproduced_exactly(model):
    architecture, known = MODELS[model].architecture, COUNTS[model]
    assert kv_cache_bytes_per_token(architecture, 2.0) == known["kv_bytes_per_token_bf16"]
    assert fixed_state_bytes_per_sequence(architecture, 2.0) == known["fixed_state_bytes_per_sequence"]
    assert cross_kv_cache_bytes_per_token(architecture, 2.0) == known.get("cross_kv_bytes_per_encoder_token_bf16", 0)


@pytest.mark.parametrize(("part", "stack"), [("computed_text_params", "text"), ("computed_vision_params", "vision")])
def test_text_and_vision_parts_are_those_listed(part, stack):
    for model, known in COUNTS.items():
        if part in known:
            held = sum(stack_parameters(own) for own in MODELS[model].architecture.stacks if own.name.startswith(stack))
            assert held == known[part], model


def test_a_multi_token_prediction_layer_that_the_count_leaves_out_stands_beside_the_model():
    for model in ("deepseek-v3", "deepseek-r1", "glm-4.5-air"):
        (beside,) = MODELS[model].optional_stacks
        assert stack_parameters(beside) == COUNTS[model]["computed_mtp_params"]
        assert not beside.runs_in_serving


def test_a_model_is_found_by_hub_name_in_any_case():
    assert MODELS["meta-llama/llama-3.1-70b-instruct"].id == "llama3.1-70b"
    assert "deepseek-ai/DeepSeek-V3" in MODELS
    assert "nobody/nothing" not in MODELS


def test_an_unknown_model_is_named_with_the_nearest():
    with pytest.raises(RackwrightError) as caught:
        MODELS["llama3.1-71b"]
    (fault,) = caught.value.faults
    assert (fault.code, fault.value) == ("unknown_model", "llama3.1-71b")
    assert "llama3.1-70b" in fault.hint


def test_own_models_come_on_top_and_change_the_digest(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(OWN, encoding="utf-8")
    models = load_models([path])
    assert (
        parameters(models["me/my-llama"].architecture).total == 2 * 64 * 1000 + 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96 + 2 * 64) + 64
    )
    assert len(models) == len(MODELS) + 1
    assert models.digest != MODELS.digest
    assert load_models().digest == MODELS.digest


@pytest.mark.parametrize(
    ("change", "field"),
    [("layers: 2", "layers: -2"), ("layers: 2", "layers: 99999999999"), ("kind: decoder", "kind: toaster"), ("hidden: 64", "hiden: 64")],
)
def test_a_bad_field_of_an_own_model_is_named(tmp_path, change, field):
    path = tmp_path / "mine.yaml"
    path.write_text(OWN.replace(change, field), encoding="utf-8")
    with pytest.raises(RackwrightError) as caught:
        load_models([path])
    assert caught.value.faults[0].code == "bad_field"
    assert caught.value.faults[0].where == "mine.yaml"


def test_every_entry_says_where_its_shape_is_from():
    assert all(entry.source for entry in MODELS.values())


def test_a_pattern_repeats_and_is_cut():
    assert expand_pattern("local*5 full", 8) == ["local"] * 5 + ["full"] + ["local"] * 2


# Dimensions that other tools bundle wrongly (method section 12).


def test_bloom_has_70_layers_of_width_14336_not_96_of_12288():
    bloom = MODELS["bloom-176b"].architecture
    assert bloom.hidden == 14336
    assert sum(block.repeat for block in bloom.stacks[0].blocks if len(block.layers) > 3) == 70


def test_gemma_3_12b_does_not_have_the_shape_of_gemma_2_2b():
    assert MODELS["gemma3-12b"].architecture.hidden == 3840
    assert parameters(MODELS["gemma3-12b"].architecture).total > 4 * parameters(MODELS["gemma2-2b"].architecture).total
