"""Mistakes that users reported of other tools, each as a test that this one does not make it."""

import numpy as np
import pytest

from model_db import load_models
from model_db.architecture import Architecture, Attention, Block, Mamba2, Stack
from planner.counting import (
    forward_flops_per_token,
    kv_cache_bytes,
    kv_cache_bytes_per_token,
    parameters,
    recurrent_state_bytes_per_sequence,
    weight_bytes,
)
from planner.counting.layers import layers_with_counts

MODELS = load_models()
GIB = 2**30


@pytest.mark.parametrize("model", ["mixtral-8x7b", "deepseek-v3", "gpt-oss-120b", "qwen3-235b-a22b", "llama4-maverick", "jamba-v0.1"])
def test_bytes_are_those_of_all_experts_not_of_the_active_ones(model):
    """llmfit#230: memory of mixtures of experts taken from active parameters, so models did not fit."""
    architecture = MODELS[model].architecture
    counted = parameters(architecture)
    assert counted.active < counted.total / 2
    assert weight_bytes(architecture, "bf16") == 2 * counted.total


@pytest.mark.parametrize(
    ("model", "published"), [("deepseek-v3", 36.6e9), ("qwen3-235b-a22b", 22e9), ("gpt-oss-20b", 3.6e9), ("mixtral-8x7b", 12.9e9)]
)
def test_active_parameters_are_not_a_share_of_the_total(model, published):
    """Lists that take total x top-k / experts are off by 8 to 90 %: attention, shared experts and the head are used whole."""
    architecture = MODELS[model].architecture
    counted = parameters(architecture)
    (moe,) = {layer for _, layer, _ in layers_with_counts(architecture) if layer.type == "moe"}
    assert counted.active == pytest.approx(published, rel=0.03)
    assert abs(counted.total * moe.top_k / moe.experts - counted.active) > 0.08 * counted.active


def test_the_cache_is_that_of_each_kind_of_layer():
    """llm-d-benchmark#454, #732: one formula for all layers; a latent, grouped heads and mixers without a cache differ."""
    per_token = {
        name: kv_cache_bytes_per_token(MODELS[name].architecture) for name in ("llama2-7b", "llama3.1-8b", "deepseek-v3", "mamba2-2.7b")
    }
    assert per_token["llama2-7b"] == 2 * 2 * 32 * 32 * 128
    assert per_token["llama3.1-8b"] == 2 * 2 * 32 * 8 * 128
    assert per_token["deepseek-v3"] == 2 * 61 * (512 + 64)
    assert per_token["mamba2-2.7b"] == 0
    hybrid = MODELS["nemotron-3-nano-30b-a3b"].architecture
    attention = sum(count for _, layer, count in layers_with_counts(hybrid) if isinstance(layer, Attention))
    assert kv_cache_bytes_per_token(hybrid) == 2 * attention * 2 * 2 * 128


def test_the_format_of_the_cache_is_not_that_of_the_weights():
    """llm-d-planner#194: the element type of the cache followed the weights'."""
    llama = MODELS["llama3.1-8b"].architecture
    assert weight_bytes(llama, "int4_g128") < weight_bytes(llama, "bf16")
    assert kv_cache_bytes_per_token(llama) == 131_072
    assert kv_cache_bytes_per_token(llama, 1) == 65_536


@pytest.mark.parametrize("model", ["gemma3-27b", "gpt-oss-120b", "gemma2-9b", "mimo-v2-flash"])
def test_windows_do_not_grow_with_the_context(model):
    """aiconfigurator PR#1201, ollama#9990: the cache of windowed layers taken as linear in the context."""
    architecture = MODELS[model].architecture
    short, long = kv_cache_bytes(architecture, np.array([65_536, 131_072]))
    everything = 2 * sum(
        count * layer.kv_heads * (layer.head_dim + (layer.v_head_dim or layer.head_dim))
        for _, layer, count in layers_with_counts(architecture)
        if isinstance(layer, Attention) and layer.mask == "causal"
    )
    assert long - short == 65_536 * kv_cache_bytes_per_token(architecture)
    assert long < 0.6 * 131_072 * everything


def test_gemma_3_at_its_full_context_takes_what_it_takes():
    """gpustack#2101: 139 GB estimated for Gemma-3, about 32 used; windows and 27B weights in 8 bits with 128k of context."""
    gemma = MODELS["gemma3-27b"].architecture
    needed = weight_bytes(gemma, "gguf_q4_k_m") + float(kv_cache_bytes(gemma, 131_072))
    assert needed / 1e9 == pytest.approx(28, abs=2)


def test_a_quantised_cache_is_counted_as_stored():
    """ollama#10128: 52 GB shown where a quantised cache took about 10."""
    llama = MODELS["llama3.1-8b"].architecture
    assert float(kv_cache_bytes(llama, 131_072, 0.5625)) / GIB == pytest.approx(4.5, abs=0.01)
    assert float(kv_cache_bytes(llama, 131_072)) / GIB == 16


def test_recurrent_state_does_not_grow_with_the_context():
    """Mixers counted as attention: a state-space layer holds one state whatever the context."""
    mixer = Mamba2(hidden=64, heads=2, head_dim=64, state=16, groups=1, conv=4)
    architecture = Architecture(stacks=(Stack(name="text", blocks=(Block(name="b", layers=(mixer,)),)),))
    assert kv_cache_bytes(architecture, np.array([1, 10**6])).tolist() == [0, 0]
    assert recurrent_state_bytes_per_sequence(architecture) == 2 * 64 * 16 * 4 + 160 * 3 * 2


def test_layers_that_reuse_keys_hold_none():
    """Layers that read an earlier layer's cache counted as if each had its own (Gemma 3n, Hunyuan)."""
    own = Attention(hidden=64, heads=4, kv_heads=2, head_dim=16)
    reusing = own.model_copy(update={"reuses_kv": True})
    architecture = Architecture(stacks=(Stack(name="text", blocks=(Block(name="b", layers=(own, reusing, reusing)),)),))
    assert kv_cache_bytes_per_token(architecture) == 2 * 2 * 2 * 16


@pytest.mark.parametrize("model", ["llama3.2-1b", "qwen3-0.6b", "gemma2-2b"])
def test_tied_tables_count_once(model):
    """A listing whose file stores the tied head a second time over-counts by vocabulary x width."""
    architecture = MODELS[model].architecture
    head = next(layer for _, layer, _ in layers_with_counts(architecture) if layer.name == "head")
    assert head.tied
    assert parameters(architecture).by_component.get("head", 0) == 0
    assert forward_flops_per_token(architecture, 1) > 2 * head.in_features * head.out_features


def test_bloom_and_gemma_have_their_own_shapes():
    """Configurations bundled with analysis tools: BLOOM with 96 layers of 12288, Gemma-3-12B with the shape of Gemma-2-2B."""
    bloom = MODELS["bloom-176b"].architecture
    assert bloom.hidden == 14336
    assert sum(count for _, layer, count in layers_with_counts(bloom) if isinstance(layer, Attention)) == 70
    assert MODELS["gemma3-12b"].architecture.hidden == 3840


@pytest.mark.parametrize("model", ["bge-reranker-v2-m3", "e5-large-v2", "qwen3-vl-8b", "bge-large-en-v1.5"])
def test_embedding_reranking_and_vision_models_have_no_decoder_assumed(model):
    """gpustack#1047, #2412, #2614: estimates of embedding, reranking and vision-language models as if they generated text."""
    entry = MODELS[model]
    if entry.kind in {"embedding", "reranker"}:
        assert kv_cache_bytes_per_token(entry.architecture) == 0
    else:
        towers = [stack.name for stack in entry.architecture.stacks if stack.tower]
        assert towers
        assert parameters(entry.architecture).active < parameters(entry.architecture).total
