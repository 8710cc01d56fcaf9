"""Configurations of Hugging Face models: the exact counts that `transformers` has, whatever the sizes."""

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facts.errors import RackwrightError
from facts.yaml_files import read_yaml
from model_db import load_models
from model_db.config_import import import_config
from model_db.config_import.expressions import evaluate, field_names
from model_db.config_import.fields import class_defaults
from model_db.config_import.templates import FAMILIES, family_of, known_model_types
from planner.counting import forward_flops_per_token, kv_cache_bytes_per_token, parameters, weight_bytes
from tests.model_db.small_llama import LLAMA

HERE = Path(__file__).parent
COUNTS = json.loads((HERE / "transformers_counts.json").read_text(encoding="utf-8"))
HUB = json.loads((HERE / "hub_configs.json").read_text(encoding="utf-8"))
BY_HAND = read_yaml(HERE / "hand_configs.yaml")
MODELS = load_models()


def total(config):
    return parameters(import_config(json.dumps(config)).architecture).total


def without(config, *names):
    return {name: value for name, value in config.items() if name not in names}


def named(case):
    return (case["config"].get("architectures") or [case["config"].get("model_type")])[0]


@pytest.mark.parametrize("case", COUNTS["cases"], ids=named)
def test_counts_are_those_of_the_transformers_classes(case):
    """Built by `scripts/check_configs_against_transformers.py` with unusual sizes, on the meta device."""
    assert total(case["config"]) == case["parameters"]


def test_the_counts_cover_the_families():
    assert len(COUNTS["cases"]) > 700
    assert len({case["config"].get("model_type") for case in COUNTS["cases"]}) > 230


@pytest.mark.parametrize("name", HUB)
def test_a_configuration_of_the_hub(name):
    entry = import_config(json.dumps(HUB[name]["config"]), name)
    assert parameters(entry.architecture).total == HUB[name]["parameters"]
    assert entry.native_weight_format == HUB[name]["weight_format"]


@pytest.mark.parametrize("case", BY_HAND, ids=lambda case: case["id"])
def test_the_configuration_of_a_published_model_gives_its_count(case):
    entry = import_config({**case["config"], "architectures": [case["class"]]}, case["id"])
    published = MODELS[case["id"]].architecture
    assert parameters(entry.architecture).total == parameters(published).total - case.get("less", 0)
    if not case.get("less"):
        assert kv_cache_bytes_per_token(entry.architecture) == kv_cache_bytes_per_token(published)
        assert parameters(entry.architecture).active == parameters(published).active
        assert forward_flops_per_token(entry.architecture, 512) == forward_flops_per_token(published, 512)


@pytest.mark.parametrize("model_type", known_model_types())
def test_every_model_type_stands_on_its_defaults_or_says_what_is_missing(model_type):
    try:
        entry = import_config({"model_type": model_type})
    except RackwrightError as error:
        assert all(fault.code for fault in error.faults)
    else:
        assert parameters(entry.architecture).total > 0
        assert weight_bytes(entry.architecture, "bf16") > 0
        assert entry.notes


def expressions(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)
    elif isinstance(value, str) and value.startswith("="):
        yield value


@pytest.mark.parametrize("path", sorted(FAMILIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_expression_of_a_family_is_one(path):
    for expression in expressions(read_yaml(path)):
        assert isinstance(ast.parse(expression.removeprefix("="), mode="eval"), ast.Expression)
        field_names(expression)


def test_the_head_is_that_of_the_class():
    bare = total({**LLAMA, "architectures": ["LlamaModel"]})
    assert total(LLAMA) == bare + 64 * 1000
    assert total({**LLAMA, "architectures": ["LlamaForSequenceClassification"], "num_labels": 3}) == bare + 3 * 64
    assert total({**LLAMA, "tie_word_embeddings": True}) == bare


def test_without_a_class_the_usual_one_is_counted_and_said():
    entry = import_config(without(LLAMA, "architectures"))
    assert parameters(entry.architecture).total == total(LLAMA)
    assert any("ForCausalLM" in note for note in entry.notes)


def test_a_class_that_is_not_known_is_counted_as_the_usual_one_and_said():
    entry = import_config({**LLAMA, "architectures": ["LlamaForWeather"]})
    assert any("LlamaForWeather" in note for note in entry.notes)


def test_a_class_name_tells_the_model_type():
    assert total(without(LLAMA, "model_type")) == total(LLAMA)


def test_fields_left_out_are_those_of_the_configuration_class_and_said():
    entry = import_config(without(LLAMA, "intermediate_size"))
    assert any("intermediate_size = 11008" in note for note in entry.notes)


def test_an_unknown_type_is_read_by_its_field_names_and_marked():
    entry = import_config({**LLAMA, "model_type": "novel", "architectures": ["NovelForCausalLM"], "tie_word_embeddings": False})
    assert entry.mapped_by_fields
    assert parameters(entry.architecture).total == total(LLAMA)
    assert any("novel" in note for note in entry.notes)


@pytest.mark.parametrize("field", ["vision_config", "encoder_layers", "block_configs"])
def test_an_unknown_type_with_structure_of_its_own_is_refused(field):
    with pytest.raises(RackwrightError) as raised:
        import_config({**LLAMA, "model_type": "novel", "architectures": ["NovelForCausalLM"], field: {"hidden_size": 3}})
    assert [(fault.code, fault.field) for fault in raised.value.faults] == [("config_not_understood", field)]


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_an_unknown_type_without_its_sizes_names_what_is_missing(field):
    config = without({**LLAMA, "model_type": "novel", "architectures": ["NovelForCausalLM"]}, field)
    with pytest.raises(RackwrightError) as raised:
        import_config(config)
    assert field in " / ".join(fault.field for fault in raised.value.faults)


@pytest.mark.parametrize("field", ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
@pytest.mark.parametrize("value", [-1, 0, 10**30, 1e300, "many", [], {}, 1.5, True])
def test_absurd_sizes_are_refused_with_a_sentence(field, value):
    try:
        entry = import_config({**LLAMA, field: value})
    except RackwrightError as error:
        assert all(fault.code and (fault.field or fault.value) for fault in error.faults)
    else:
        assert 0 < parameters(entry.architecture).total < 10**15


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "json_syntax"),
        (b"{", "json_syntax"),
        (b"\xff\xfe", "json_syntax"),
        (b"[1]", "not_a_mapping"),
        (b"[" * 100_000, "json_syntax"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "json_too_deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "json_syntax"),
        (b" " * 4_000_001, "file_too_large"),
        (b'{"architectures": [3]}', "wrong_form"),
        (b'{"architectures": {"a": 1}}', "wrong_form"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(content, code):
    with pytest.raises(RackwrightError) as raised:
        import_config(content)
    assert raised.value.faults[0].code == code


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(RackwrightError):
        import_config(b'{"model_type": "llama", "hidden_size": NaN}')
    with pytest.raises(RackwrightError):
        import_config(b'{"model_type": "llama", "num_hidden_layers": Infinity}')


VALUES = st.none() | st.booleans() | st.integers(-3, 300) | st.integers(-(10**40), 10**40) | st.floats() | st.text(max_size=5)
NESTED = VALUES | st.lists(VALUES, max_size=4) | st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
FIELDS = sorted({field for known in class_defaults().model_types.values() for field in known.get("fields", {})})


@given(
    model_type=st.sampled_from(known_model_types()),
    config=st.dictionaries(st.sampled_from(FIELDS), NESTED, max_size=6),
    nested=st.dictionaries(st.sampled_from(FIELDS), NESTED, max_size=4),
)
@settings(max_examples=400, deadline=None)
def test_any_configuration_is_counted_or_refused(model_type, config, nested):
    try:
        entry = import_config({"model_type": model_type, "text_config": nested, **config})
    except RackwrightError as error:
        assert error.faults
    else:
        assert parameters(entry.architecture).total >= 0


@pytest.mark.parametrize(
    ("quantisation", "expected"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8_block"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "int4_g128"),
        ({"quant_method": "gptq", "bits": 4}, "int4_g128"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "mxfp4"}, "mxfp4_experts"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "nf4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float"}}}}, "fp8"),
        ({"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 8, "type": "int"}}}}, "int8"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}}},
                "ignore": ["lm_head", "re:.*self_attn.*"],
            },
            "int4_g32_experts",
        ),
    ],
)
def test_the_stored_format_is_read_from_the_quantisation(quantisation, expected):
    assert import_config({**LLAMA, "quantization_config": quantisation}).native_weight_format == expected


def test_a_quantisation_nobody_knows_is_said():
    entry = import_config({**LLAMA, "quantization_config": {"quant_method": "secret"}})
    assert entry.native_weight_format == "bf16"
    assert any("quantisation" in note for note in entry.notes)


def test_the_element_type_is_the_format_without_quantisation():
    assert import_config({**LLAMA, "torch_dtype": "float32"}).native_weight_format == "fp32"
    assert import_config({**LLAMA, "dtype": "float16"}).native_weight_format == "fp16"


def test_every_family_inherits_what_it_does_not_state():
    for model_type in known_model_types():
        family = family_of(model_type)
        assert family is not None
        assert family.stacks or family.parts, model_type
        assert family.heads, model_type


def test_an_expression_reads_names_and_stays_within_bounds():
    assert evaluate("=a // 2 + 1", {"a": 9}.get) == 5
    with pytest.raises(RackwrightError):
        evaluate("=a * a", {"a": 10**9}.get)
    with pytest.raises(RackwrightError):
        evaluate("=missing + 1", {}.get)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "qwen2", "max_position_embeddings": 10**12},
        {"model_type": "gemma3", "mm_tokens_per_image": 10**12},
        {"model_type": "beit", "vocab_size": 10**40},
    ],
)
def test_sizes_beyond_any_model_are_refused(config):
    with pytest.raises(RackwrightError) as raised:
        import_config(config)
    assert raised.value.faults[0].field in config


def test_a_nested_configuration_under_a_field_of_another_form():
    with_list = import_config({"model_type": "llava", "tie_word_embeddings": []})
    assert parameters(with_list.architecture).total > 0


def test_a_fault_names_fields_not_the_names_of_templates():
    with pytest.raises(RackwrightError) as raised:
        import_config({"model_type": "vit", "patch_size": 0})
    assert raised.value.faults[0].field == "image_size / patch_size"
