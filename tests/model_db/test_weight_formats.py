"""Weight formats: bytes with their scales, what stays at 16 bits, sources."""

import pytest

from facts.errors import RackwrightError
from model_db import load_models
from model_db.weight_formats import load_weight_formats, weight_format
from planner.counting import parameters, weight_bytes, weight_bytes_by_format
from planner.counting.weights import part_bytes_per_parameter, parts_with_counts

MODELS = load_models()
FORMATS = load_weight_formats()


@pytest.mark.parametrize(
    ("format_id", "expected"),
    [
        ("fp32", 4),
        ("bf16", 2),
        ("fp16", 2),
        ("fp8", 1),
        ("fp8_block", 1 + 4 / 16384),
        ("int8", 1),
        ("mxfp8", 1 + 1 / 32),
        ("int4_g128", (4 + 20 / 128) / 8),
        ("int4_g128_symmetric", (4 + 16 / 128) / 8),
        ("nvfp4", 9 / 16),
        ("mxfp4", 0.53125),
        ("nf4", (4 + 0.127) / 8),
        ("gguf_q8_0", 1.0625),
        ("gguf_q4_0", 18 / 32),
    ],
)
def test_bytes_of_a_weight_hold_its_share_of_the_scales(format_id, expected):
    assert weight_format(format_id).bytes_per_parameter == pytest.approx(expected, rel=1e-6)


def test_every_format_has_a_source():
    assert all(entry.source for entry in FORMATS.values())


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(RackwrightError) as raised:
        weight_format("int3")
    assert "int4_g128" in raised.value.faults[0].allowed


@pytest.mark.parametrize(
    "model", ["llama3.1-8b", "deepseek-v3", "gpt-oss-120b", "jamba-v0.1", "sdxl-unet", "bert-base", "whisper-large-v3"]
)
def test_parts_sum_to_all_parameters(model):
    architecture = MODELS[model].architecture
    assert sum(parts_with_counts(architecture).values()) == parameters(architecture).total
    assert weight_bytes(architecture, "bf16") == 2 * parameters(architecture).total


def test_formats_of_matrices_leave_head_tables_and_norms_at_sixteen_bits():
    architecture = MODELS["llama3.1-8b"].architecture
    counts = parts_with_counts(architecture)
    kept = counts["head"] + counts["embedding"] + counts["norm"]
    assert weight_bytes(architecture, "fp8") == counts["matrix"] + 2 * kept


def test_formats_of_experts_leave_attention_at_sixteen_bits():
    architecture = MODELS["gpt-oss-20b"].architecture
    counts = parts_with_counts(architecture)
    rest = sum(counts.values()) - counts["expert"]
    assert weight_bytes(architecture, "mxfp4_experts") == pytest.approx(0.53125 * counts["expert"] + 2 * rest)


def test_a_model_without_experts_is_left_alone_by_formats_of_experts():
    architecture = MODELS["llama3.1-8b"].architecture
    assert weight_bytes(architecture, "mxfp4_experts") == weight_bytes(architecture, "bf16")


def test_mixed_files_take_bits_measured_near_their_size():
    q4 = weight_format("gguf_q4_k_m")
    assert part_bytes_per_parameter(q4, "matrix", 6_738_415_616) * 8 == 4.84
    assert part_bytes_per_parameter(q4, "matrix", 68_976_648_192) * 8 == 4.80
    assert 4.80 < part_bytes_per_parameter(q4, "matrix", 20 * 10**9) * 8 < 4.84
    assert part_bytes_per_parameter(q4, "matrix", 10**6) * 8 == 4.84
    assert part_bytes_per_parameter(q4, "matrix", 10**13) * 8 == 4.80


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_bytes_in_every_format(model):
    sizes = weight_bytes_by_format(MODELS[model].architecture)
    assert list(sizes) == list(FORMATS)
    assert sizes["fp32"] == 2 * sizes["bf16"]
    assert all(0 < size <= sizes["fp32"] for size in sizes.values())
