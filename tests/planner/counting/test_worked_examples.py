"""Worked figures of the method against what is published; each test names its source."""

import pytest

from model_db import load_models
from planner.counting import (
    cross_kv_cache_bytes_per_token,
    diffusion_flops_per_image,
    fixed_state_bytes_per_sequence,
    forward_flops_per_sample,
    forward_flops_per_token,
    kv_cache_bytes,
    kv_cache_bytes_per_token,
    parameters,
    recurrent_state_bytes_per_sequence,
    training_flops,
    training_flops_rule,
    weight_bytes,
)
from planner.counting.flops import stack_flops_per_sample
from planner.counting.parameters import stack_parameters

MODELS = load_models()
GIB, MIB = 2**30, 2**20


def counted(model):
    return parameters(MODELS[model].architecture)


def stack(model, name):
    return next(stack for stack in MODELS[model].architecture.stacks if stack.name == name)


@pytest.mark.parametrize(
    ("model", "total"),
    [("llama3.1-405b", 405_853_388_800), ("llama3.1-70b", 70_553_706_496), ("llama3.1-8b", 8_030_261_248)],
)
def test_llama_totals(model, total):
    """Example 1: Hugging Face safetensors totals."""
    assert counted(model).total == total


def test_mixtral_with_both_tables_counted_as_active():
    """Example 2: https://huggingface.co/mistral-community/Mixtral-8x22B-v0.1/discussions/6 counts the input table too."""
    mixtral = counted("mixtral-8x22b")
    assert mixtral.total == 140_620_634_112
    assert mixtral.active + mixtral.by_component["embedding"] == 39_152_031_744


def test_deepseek_v3_total_active_and_prediction_layer():
    """Example 3: README_WEIGHTS.md of https://github.com/deepseek-ai/DeepSeek-V3: 671B, 36.6B, 11.5B."""
    deepseek = counted("deepseek-v3")
    assert (deepseek.total, deepseek.active) == (671_026_419_200, 36_625_618_432)
    (prediction,) = MODELS["deepseek-v3"].optional_stacks
    assert stack_parameters(prediction) / 1e9 == pytest.approx(11.61, abs=0.01)


def test_glm_5_with_its_indexer_and_prediction_layer():
    """Example 4: Hugging Face listing."""
    assert counted("glm-5").total == 753_864_139_008


def test_qwen_3_5_with_vision_and_prediction_layer():
    """Example 5: Hugging Face listing."""
    assert counted("qwen3.5-397b-a17b").total == 403_397_928_944


@pytest.mark.parametrize(
    ("model", "total", "active"), [("gpt-oss-120b", 116_829_156_672, 5.133e9), ("gpt-oss-20b", 20_914_757_184, 3.608e9)]
)
def test_gpt_oss_total_and_active(model, total, active):
    """Example 6: https://github.com/openai/gpt-oss README: 117B and 21B, 5.1B and 3.6B active."""
    assert counted(model).total == total
    assert counted(model).active == pytest.approx(active, rel=2e-4)


@pytest.mark.parametrize(
    ("model", "total"), [("sdxl-unet", 2_567_463_684), ("flux.1-dev", 11_901_408_320), ("whisper-large-v3", 1_543_490_560)]
)
def test_image_and_sound_models(model, total):
    """Example 7: totals as quoted in several public repositories."""
    assert counted(model).total == total


def test_one_layer_and_the_table_of_bloom():
    """Example 8: https://github.com/bigscience-workshop/bigscience (train/tr11-176B-ml README)."""
    (text,) = MODELS["bloom-176b"].architecture.stacks
    layer = next(block for block in text.blocks if block.repeat == 70)
    assert stack_parameters(text.model_copy(update={"blocks": (layer.model_copy(update={"repeat": 1}),)})) == 2_466_437_120
    assert counted("bloom-176b").by_component["embedding"] == 3_596_615_680


def test_training_work_and_weights_of_gpt_3():
    """Example 9: arXiv:2005.14165, total compute 3.14e23 (6 N D without attention); 175B parameters of two bytes."""
    assert training_flops_rule(counted("gpt3-175b").total, 300e9) == pytest.approx(3.143e23, rel=1e-3)
    assert weight_bytes(MODELS["gpt3-175b"].architecture, "fp16") / 1e9 == pytest.approx(349.2, abs=0.1)


def test_training_work_of_llama_3_1_405b():
    """Example 10: arXiv:2407.21783, 3.8e25 FLOPs for 15.6T tokens."""
    assert training_flops_rule(counted("llama3.1-405b").total, 15.6e12) == pytest.approx(3.80e25, rel=1e-3)


def test_training_work_a_token_of_deepseek_v3():
    """Example 14: arXiv:2505.09343, 250 GFLOPs a token at 4,096."""
    assert training_flops(MODELS["deepseek-v3"].architecture, 1, 4096) / 1e9 == pytest.approx(250.5, abs=0.1)


@pytest.mark.parametrize(("context", "gflop"), [(4096, 2473), (2048, 2448)])
def test_training_work_a_token_of_llama_3_1_405b(context, gflop):
    """Example 15: the comparison in arXiv:2505.09343, 2448 GFLOPs a token."""
    assert training_flops(MODELS["llama3.1-405b"].architecture, 1, context) / 1e9 == pytest.approx(gflop, abs=0.5)


@pytest.mark.parametrize(
    ("model", "name", "gflop"), [("clip-vit-l-14", "image", 162.03), ("clip-vit-l-14", "text", 13.30), ("clip-vit-h-14", "image", 334.59)]
)
def test_clip_towers(model, name, gflop):
    """Example 16: https://github.com/mlfoundations/open_clip docs/model_profile.csv; its text tower attends without a mask."""
    work = stack_flops_per_sample(stack(model, name), causal="full")
    assert work / 1e9 == pytest.approx(gflop, abs=0.01)


@pytest.mark.parametrize(
    ("model", "gmac", "total"), [("resnet-50", 4.089, 25_557_032), ("resnet-101", 7.801, 44_549_160), ("resnet-152", 11.514, 60_192_808)]
)
def test_resnets(model, gmac, total):
    """Example 17: https://github.com/huggingface/pytorch-image-models results; its counts are 0.4 to 0.5 % higher (pooling, norms)."""
    assert counted(model).total == total
    assert forward_flops_per_sample(MODELS[model].architecture) / 2e9 == pytest.approx(gmac, abs=5e-4)


def test_bert_large_on_one_sequence():
    """Example 18: s (2 N + 4 s h L) with s = 512, attention over the whole sequence, no pooler: 335.0 GFLOPs."""
    assert forward_flops_per_token(MODELS["bert-large"].architecture, 512) * 512 / 1e9 == pytest.approx(335.0, abs=0.05)


def test_an_image_of_flux():
    """Example 19: 1024 x 1024 pixels, 512 text tokens: a step and the usual 28."""
    flux = MODELS["flux.1-dev"].architecture
    assert forward_flops_per_sample(flux) / 1e12 == pytest.approx(74.4, abs=0.05)
    assert diffusion_flops_per_image(flux, 28) / 1e15 == pytest.approx(2.08, abs=0.005)
    assert diffusion_flops_per_image(flux, 28, guided=True) == 2 * diffusion_flops_per_image(flux, 28)


def test_tables_of_dlrm():
    """Example 20: https://github.com/mlcommons/training_results_v5.0, the rows of DLRM-DCNv2 on Criteo."""
    tables = counted("dlrm-dcnv2").by_component["tables"]
    assert tables == 204_184_588 * 128
    assert tables * 4 / 1e9 == pytest.approx(104.5, abs=0.05)
    assert counted("dlrm-dcnv2").active / 1e6 == pytest.approx(16.0, abs=0.1)


def test_bytes_of_bloom():
    """Example 23: BLOOM README, bf16 weights of 176e9 parameters, which is 0.14 % less than it has: 327.8 GiB."""
    assert weight_bytes(MODELS["bloom-176b"].architecture, "bf16") / GIB == pytest.approx(327.8, rel=2e-3)


@pytest.mark.parametrize(("model", "size"), [("llama3.1-70b", 327_680), ("llama3.1-405b", 516_096), ("deepseek-v3", 70_272)])
def test_cache_a_token(model, size):
    """Example 24: arXiv:2505.09343 Table 1: 516 KB and 70 KB a token in 16 bits."""
    assert kv_cache_bytes_per_token(MODELS[model].architecture) == size


def test_cache_of_a_long_context():
    """Example 25: https://github.com/kvcache-ai/Mooncake README: 40 GB for 128k tokens of a 70B."""
    assert kv_cache_bytes(MODELS["llama3.1-70b"].architecture, 131_072) / GIB == 40.0


def test_cache_of_gemma_3():
    """Example 26: ten global layers grow, 52 windows of 1,024 tokens do not."""
    gemma = MODELS["gemma3-27b"].architecture
    assert kv_cache_bytes_per_token(gemma) == 81_920
    assert fixed_state_bytes_per_sequence(gemma) / MIB == 416


def test_cache_and_state_of_nemotron_3_nano():
    """Example 27: six attention layers and 23 Mamba-2 mixers."""
    nano = MODELS["nemotron-3-nano-30b-a3b"].architecture
    assert kv_cache_bytes_per_token(nano) == 6144
    assert recurrent_state_bytes_per_sequence(nano) / MIB == pytest.approx(46.0 + 0.81, abs=0.01)


def test_bytes_of_a_quantised_file():
    """Example 36: llama.cpp, Llama-2-70B as Q4_K_M: 38.54 GiB; its Q4_0 36.20 (the head in Q6_K), Q6_K 52.70."""
    llama = MODELS["llama2-70b"].architecture
    assert weight_bytes(llama, "gguf_q4_k_m") / GIB == pytest.approx(38.54, abs=0.01)
    assert weight_bytes(llama, "gguf_q4_0") / GIB == pytest.approx(36.20, rel=3e-3)
    assert weight_bytes(llama, "gguf_q6_k") / GIB == pytest.approx(52.70, rel=1e-3)


def test_bytes_of_gpt_oss_120b():
    """Section 8.1: experts in MXFP4, the rest in 16 bits; the file has 60.8 GiB."""
    assert weight_bytes(MODELS["gpt-oss-120b"].architecture, "mxfp4_experts") / GIB == pytest.approx(60.77, abs=0.01)


def test_whisper_and_t5_keep_cross_attention_once_a_sequence():
    """Keys and values of the encoder's positions: 32 layers of 2 x 1280, 24 of 2 x 16384."""
    assert cross_kv_cache_bytes_per_token(MODELS["whisper-large-v3"].architecture) == 2 * 2 * 32 * 1280
    assert cross_kv_cache_bytes_per_token(MODELS["t5-11b"].architecture) == 2 * 2 * 24 * 16384


def test_an_image_of_sdxl():
    """arXiv:2307.01952: one pass of the U-Net on 128 x 128 latents; about 6 TFLOPs without the cores of attention."""
    assert forward_flops_per_sample(MODELS["sdxl-unet"].architecture) / 1e12 == pytest.approx(6.76, abs=0.01)
