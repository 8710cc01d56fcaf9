"""Compression levers: what gets smaller, what gets faster, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.errors import RackwrightError
from model_db import load_models
from model_db.weight_formats import load_weight_formats
from planner.counting import forward_flops_per_token, kv_cache_bytes_per_token, parameters, weight_bytes
from planner.counting.compression import (
    CompressedModel,
    compressed_weight_bytes,
    compression_effect,
    levers,
    prune_two_of_four,
    prune_unstructured,
    quality_losses,
    quantise,
)
from planner.counting.shrinking import distil, distillation_flops_per_token, prune_structured, shrunk, student_of_size

MODELS = load_models()
LLAMA = CompressedModel(MODELS["llama3.1-8b"].architecture)
SHARES = st.floats(0.05, 1.0)


@pytest.mark.parametrize("format_id", load_weight_formats())
def test_quantising_changes_bytes_and_never_the_work(format_id):
    after = quantise(LLAMA, format_id)
    effect = compression_effect(LLAMA, after)
    assert effect.weight_bytes == weight_bytes(LLAMA.architecture, format_id)
    assert effect.flops_per_token == effect.flops_per_token_before
    assert effect.decode_speedup == effect.weight_bytes_before / effect.weight_bytes


def test_weights_unpacked_before_products_do_not_speed_products_up():
    effect = compression_effect(LLAMA, quantise(LLAMA, "int4_g128"))
    assert effect.product_speedup == 1
    assert effect.decode_speedup > 2.5
    assert "Prefill" in effect.levers[0].does_not_speed_up


@pytest.mark.parametrize(("format_id", "peak"), [("fp8", 2), ("int8", 2), ("nvfp4", 4)])
def test_narrow_products_gain_less_than_the_ratio_of_peaks(format_id, peak):
    """The head and the cores of attention stay at 16 bits."""
    assert 0.6 * peak < compression_effect(LLAMA, quantise(LLAMA, format_id), 1).product_speedup < peak


def test_two_of_four_takes_0_5625_of_sixteen_bits():
    """Half the values of two bytes, and two bits for each of them (NVIDIA Ampere white paper)."""
    counts = parameters(LLAMA.architecture).by_component
    pruned = counts["attention"] + counts["feed_forward"]
    saved = compressed_weight_bytes(LLAMA) - compressed_weight_bytes(prune_two_of_four(LLAMA))
    assert saved == pytest.approx((1 - 0.5625) * 2 * pruned)


def test_two_of_four_halves_the_work_of_matrices_only():
    effect = compression_effect(LLAMA, prune_two_of_four(LLAMA))
    assert effect.flops_per_token_before / 2 < effect.flops_per_token < effect.flops_per_token_before
    assert 1 < effect.product_speedup < 2
    assert effect.levers[0].measured_speedup == 1.24


def test_single_zeros_speed_nothing_up_on_dense_units():
    dense = prune_unstructured(LLAMA, 0.5, stored_sparse=False)
    assert compressed_weight_bytes(dense) == compressed_weight_bytes(LLAMA)
    sparse = compression_effect(LLAMA, prune_unstructured(LLAMA, 0.5))
    assert sparse.product_speedup == 1
    assert sparse.flops_per_token == sparse.flops_per_token_before
    assert sparse.weight_bytes < 0.65 * sparse.weight_bytes_before


@pytest.mark.parametrize("kept", [0, -1, 1.5])
def test_a_share_out_of_range_is_refused(kept):
    with pytest.raises(RackwrightError):
        prune_unstructured(LLAMA, kept)
    with pytest.raises(RackwrightError):
        shrunk(LLAMA.architecture, depth=kept)


def test_levers_combine():
    both = quantise(prune_two_of_four(LLAMA), "fp8")
    assert compressed_weight_bytes(both) < compressed_weight_bytes(quantise(LLAMA, "fp8"))
    effect = compression_effect(LLAMA, both)
    assert {lever.id for lever in effect.levers} == {"two_of_four", "narrow_products"}
    assert effect.product_speedup > compression_effect(LLAMA, prune_two_of_four(LLAMA)).product_speedup


@pytest.mark.parametrize(("shares", "total"), [({"hidden": 0.75, "ffn": 9216 / 14336}, 4_512_746_496), ({"depth": 0.5}, 4_540_469_248)])
def test_the_published_prunings_of_llama_3_1_8b(shares, total):
    """arXiv:2408.11796: Llama-3.1-Minitron-4B in width (4.51B) and in depth (4.54B)."""
    assert parameters(prune_structured(LLAMA, **shares).architecture).total == total


def test_pruning_layers_shrinks_the_cache_and_the_work():
    pruned = prune_structured(LLAMA, depth=0.5).architecture
    assert kv_cache_bytes_per_token(pruned) == kv_cache_bytes_per_token(LLAMA.architecture) / 2
    assert forward_flops_per_token(pruned, 4096) < 0.56 * forward_flops_per_token(LLAMA.architecture, 4096)


def test_pruning_routed_experts_leaves_the_work_of_a_token():
    deepseek = MODELS["deepseek-v3"].architecture
    fewer = shrunk(deepseek, experts=0.5)
    assert parameters(fewer).total < 0.55 * parameters(deepseek).total
    assert parameters(fewer).active == pytest.approx(parameters(deepseek).active, rel=2e-3)


def test_a_pattern_of_layers_keeps_its_proportions():
    gemma = MODELS["gemma3-27b"].architecture
    half = shrunk(gemma, depth=0.5)
    assert kv_cache_bytes_per_token(half) == kv_cache_bytes_per_token(gemma) / 2
    assert parameters(half).by_component["vision"] == parameters(gemma).by_component["vision"]


def test_the_width_of_a_model_with_towers_is_not_pruned():
    with pytest.raises(RackwrightError):
        shrunk(MODELS["gemma3-27b"].architecture, hidden=0.5)


@given(depth=SHARES, hidden=SHARES, ffn=SHARES, heads=SHARES)
def test_a_smaller_shape_is_never_larger(depth, hidden, ffn, heads):
    small = shrunk(LLAMA.architecture, depth=depth, hidden=hidden, ffn=ffn, heads=heads)
    assert 0 < parameters(small).total <= parameters(LLAMA.architecture).total
    assert forward_flops_per_token(small, 100) <= forward_flops_per_token(LLAMA.architecture, 100)


@pytest.mark.parametrize("model", ["llama3.1-405b", "deepseek-v3", "jamba-v0.1", "gemma3-27b", "mamba2-2.7b", "bert-large", "gpt-oss-120b"])
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_a_student_has_about_the_size_asked_for(model, share):
    teacher = MODELS[model].architecture
    wanted = share * parameters(teacher).total
    assert parameters(student_of_size(teacher, wanted)).total == pytest.approx(wanted, rel=0.08)


def test_a_student_larger_than_its_teacher_is_refused():
    with pytest.raises(RackwrightError):
        student_of_size(LLAMA.architecture, 9e9)


def test_distillation_trains_the_student_and_runs_the_teacher():
    student = MODELS["llama3.2-1b"].architecture
    alone = distillation_flops_per_token(LLAMA.architecture, student, 4096, teacher_passes=0)
    assert alone == 3 * forward_flops_per_token(student, 4096)
    assert distillation_flops_per_token(LLAMA.architecture, student, 4096) == alone + forward_flops_per_token(LLAMA.architecture, 4096)
    effect = compression_effect(LLAMA, distil(LLAMA, student))
    assert effect.decode_speedup > 5
    assert [lever.id for lever in effect.levers] == ["distillation"]


def test_losses_are_measured_on_a_named_model_with_a_source():
    known = {*levers(), *load_weight_formats()}
    for row in quality_losses():
        assert row.lever in known
        assert row.model
        assert row.source
        assert (row.loss is None) == bool(row.statement)


@pytest.mark.parametrize(
    ("format_id", "percent"),
    [("gguf_q6_k", 0.16), ("gguf_q5_k_m", 0.40), ("gguf_q4_k_m", 1.20), ("gguf_q3_k_m", 4.72), ("gguf_q2_k", 8.82), ("gguf_q4_0", 3.61)],
)
def test_losses_of_llama_2_70b(format_id, percent):
    """llama.cpp perplexity README, Llama 2 70B scorechart."""
    (row,) = quality_losses(format_id)
    assert row.loss == pytest.approx(percent / 100, abs=6e-5)


def test_every_lever_says_what_it_does_not_speed_up():
    assert set(levers()) == {"weight_only", "narrow_products", "two_of_four", "unstructured", "structured", "distillation"}
    assert all(lever.does_not_speed_up and lever.source for lever in levers().values())


def test_models_counted_a_sample_are_compressed_too():
    image = CompressedModel(MODELS["vit-b-16"].architecture)
    effect = compression_effect(image, prune_two_of_four(image))
    assert effect.flops_per_token < effect.flops_per_token_before
