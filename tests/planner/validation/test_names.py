import pytest

from hardware_db import load_hardware
from model_db import load_models
from planner.search.columns import PRECISIONS
from planner.validation.names import accelerator_id, model_id, precision_index


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("LLAMA3_70B", "llama3.1-70b"),
        ("LLAMA3.1_405B", "llama3.1-405b"),
        ("Llama 2 70B", "llama2-70b"),
        ("DeepSeekV3 (tokendrop)", "deepseek-v3"),
        ("Qwen3_235B_a22B", "qwen3-235b-a22b"),
        ("GPT OSS 120B", "gpt-oss-120b"),
        ("Nemotron_3_Nano", "nemotron-3-nano-30b-a3b"),
        ("Mixtral-8x22B", "mixtral-8x22b"),
        ("GPT-3 175B", "gpt3-175b"),
        ("Llama 3.1 8B", "llama3.1-8b"),
        ("gemma4-2b", None),  # another size of another generation
        ("GPT 39.1B", None),
        ("32B", None),
        ("", None),
    ],
)
def test_models_are_found_by_the_names_that_tables_use(name, entry):
    assert model_id(name, load_models()) == entry


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("H100", "nvidia-h100-sxm-80gb"),
        ("A100-80GB", "nvidia-a100-sxm-80gb"),
        ("A100-40GB", "nvidia-a100-sxm-40gb"),
        ("GB200", "nvidia-gb200-nvl72"),
        ("B200", "nvidia-b200-sxm-180gb"),
        ("TPU v6e", "google-tpu-v6e"),
        ("TPU7x", "google-tpu-v7x"),
        ("MI300X", "amd-mi300x"),
        ("Gaudi2", "intel-gaudi2"),
        ("nvidia-h200-sxm-141gb", "nvidia-h200-sxm-141gb"),
        ("abacus", None),
        ("", None),
    ],
)
def test_accelerators_are_found_by_their_short_names(name, entry):
    assert accelerator_id(name, load_hardware().accelerators) == entry


@pytest.mark.parametrize(
    ("label", "precision"),
    [
        ("MXFP8", "fp8"),
        ("FP8-CS", "fp8"),
        ("fp8 (float8 rowwise)", "fp8"),
        ("fp4(nvfp4)", "fp4"),
        ("BF16", "bf16"),
        ("fp16", "fp16"),
        ("?", None),
    ],
)
def test_labels_of_recipes_are_number_formats(label, precision):
    assert precision_index(label) == (None if precision is None else PRECISIONS.index(precision))
