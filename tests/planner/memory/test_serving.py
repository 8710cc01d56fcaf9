"""Serving memory: cache per kind of layer, weights per format and rank, workspace, the batch that fits."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.errors import RackwrightError
from model_db.weight_formats import weight_format
from planner.counting import kv_cache_bytes_per_token, parameters, weight_bytes
from planner.memory import engines
from planner.memory.engines import serving_recipe
from planner.memory.formats import precision_of
from planner.memory.recipe_table import recipe_table
from planner.memory.serving import ServedContext, layer_cache_elements, serving_memory
from planner.request import Serving
from planner.search.columns import PRECISIONS
from tests.planner.memory.memory_cases import GIB, MODELS, architecture, serving_columns, small_decoder

ONE_TOKEN_BLOCKS = serving_recipe("vllm").model_copy(update={"block_tokens": 1})


def memory_of(name, gib=80.0, serving=None, recipe=None, stored=None, **columns):
    c = serving_columns(**columns)
    return serving_memory(architecture(name), serving or Serving(), c, np.full(len(c), gib * GIB), recipe, stored)


def cache_bytes(name, tokens, tp=1, element_bytes=2.0, *, windowed=True):
    layers = [
        (layer, block.repeat)
        for stack in architecture(name).stacks
        if stack.runs_in_serving and not stack.tower
        for block in stack.blocks
        for layer in block.layers
    ]
    context = ServedContext(tokens, tokens, windowed)
    return element_bytes * sum(count * layer_cache_elements(layer, context, tp) for layer, count in layers)


@pytest.mark.parametrize(
    ("name", "bytes_per_token"),
    [("llama3.1-70b", 327_680), ("llama3.1-405b", 516_096), ("deepseek-v3", 70_272), ("nemotron-3-nano-30b-a3b", 6_144)],
)
def test_cache_per_token_as_published(name, bytes_per_token):
    """516 KB and 70 KB: arXiv:2505.09343."""
    assert cache_bytes(name, 1000) == 1000 * bytes_per_token


def test_131072_tokens_of_a_70b_take_40_gib():
    """Mooncake README: 40 GB of KVCache for 128k tokens."""
    assert cache_bytes("llama3.1-70b", 131_072) == 40 * GIB


def test_windows_cap_the_cache_of_gemma_3():
    """aiconfigurator#1201, ollama#9990: growth is not linear where layers are windowed."""
    assert cache_bytes("gemma3-27b", 200_000) - cache_bytes("gemma3-27b", 100_000) == 100_000 * 81_920
    assert cache_bytes("gemma3-27b", 100_000) - 100_000 * 81_920 == 416 * 2**20
    assert cache_bytes("gemma3-27b", 100_000, windowed=False) == 100_000 * 2 * 62 * 2 * 16 * 128


@pytest.mark.parametrize("name", MODELS)
def test_one_rank_caches_what_the_counting_of_models_says(name):
    long = 300_000
    assert cache_bytes(name, long + 1000) - cache_bytes(name, long) == pytest.approx(1000 * kv_cache_bytes_per_token(architecture(name)))


def test_heads_are_copied_where_ranks_outnumber_them_and_latents_on_every_rank():
    tp = np.array([1, 2, 8, 16])
    heads = [cache_bytes("llama3.1-70b", 1000, int(t)) for t in tp]
    assert heads == [327_680_000, 163_840_000, 40_960_000, 40_960_000]
    assert len({cache_bytes("deepseek-v3", 1000, int(t)) for t in tp}) == 1


def test_attention_data_parallelism_spares_the_copies_of_the_latent():
    one, eight = (
        memory_of("deepseek-v3", gib=141, precision="fp8", **spread) for spread in ({"tp": 8, "ep": 8}, {"attention_dp": 8, "ep": 8})
    )
    assert one.kv_bytes_per_sequence[0] == eight.kv_bytes_per_sequence[0]
    assert eight.max_batch[0] > 5 * one.max_batch[0]


def test_the_format_of_the_cache_is_independent_of_the_weights():
    """llm-d-planner#194; ollama#10128: quantised caches were ignored."""
    memory = memory_of("llama3.1-70b", tp=8, precision=[0, 0, 2, 2], kv_precision=[0, 1, 0, 1])
    kept = memory.kv_bytes_per_sequence
    assert kept[0] == kept[2] == 2 * kept[1] == 2 * kept[3]
    assert memory.weights_bytes[0] == memory.weights_bytes[1] > memory.weights_bytes[2]


def test_mean_context_is_the_prompt_half_the_answer_and_half_a_block():
    memory = memory_of("llama3.1-70b", serving=Serving(input_tokens=1000, output_tokens=200))
    assert memory.kv_bytes_per_sequence[0] == 327_680 * (1000 + 100 + 7.5)


def test_states_do_not_grow_with_context():
    short, long = (memory_of("nemotron-3-nano-30b-a3b", serving=Serving(input_tokens=n, output_tokens=1)) for n in (100, 100_000))
    assert short.state_bytes_per_sequence[0] == long.state_bytes_per_sequence[0] == pytest.approx((46.0 + 0.8086) * 2**20, rel=1e-4)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["llama3.1-70b", "mixtral-8x7b", "gemma4-26b-a4b", "nemotron-3-nano-30b-a3b"])
def test_weights_on_one_device_are_those_of_the_format(name, precision):
    stored = {"bf16": "bf16", "fp16": "fp16", "fp8": "fp8", "int8": "int8", "fp4": "nvfp4", "int4": "int4_g128"}[precision]
    unpadded = serving_recipe().model_copy(update={"narrow_width_multiple": 1, "narrow_inner_multiple": 1})
    held = memory_of(name, precision=precision, recipe=unpadded).weights_bytes[0]
    assert held == pytest.approx(weight_bytes(architecture(name), stored), rel=2e-3)  # short convolutions stay at 16 bits


def test_total_not_active_parameters_of_a_mixture_decide():
    """llmfit#230: memory was taken from the active parameters."""
    assert memory_of("mixtral-8x7b").weights_bytes[0] == 2 * parameters(architecture("mixtral-8x7b")).total
    assert memory_of("mixtral-8x7b", gib=80).max_batch[0] == 0


def test_a_published_format_is_kept_by_candidates_of_its_precision():
    memory = memory_of("gpt-oss-120b", precision="bf16", stored=weight_format("mxfp4_experts"))
    assert memory.weights_bytes[0] == 2 * parameters(architecture("gpt-oss-120b")).total
    narrow = memory_of("gpt-oss-120b", precision="fp4", stored=weight_format("mxfp4_experts"), recipe=ONE_TOKEN_BLOCKS)
    assert narrow.weights_bytes[0] / GIB == pytest.approx(60.8 * (3072 * 2944) / 2880**2, rel=0.02)  # published, with padded experts


@pytest.mark.parametrize(
    ("format_id", "precision"),
    [
        ("bf16", "bf16"),
        ("fp8_block", "fp8"),
        ("mxfp8", "fp8"),
        ("int8", "int8"),
        ("int4_g128", "int4"),
        ("nvfp4", "fp4"),
        ("mxfp4_experts", "fp4"),
    ],
)
def test_the_precision_a_stored_format_belongs_to(format_id, precision):
    assert PRECISIONS[precision_of(weight_format(format_id))] == precision


def test_prediction_layers_are_loaded_only_to_speculate():
    speculative = serving_recipe().model_copy(update={"prediction_layers": True})
    plain, more = (memory_of("qwen3.5-27b", recipe=recipe).weights_bytes[0] for recipe in (serving_recipe(), speculative))
    assert more - plain == pytest.approx(2 * 424_699_392, rel=1e-3)


def test_expert_parallelism_divides_experts_once_over_the_devices_of_a_stage():
    memory = memory_of("deepseek-v3", precision="fp8", tp=[8, 8, 1, 1], attention_dp=[1, 1, 8, 8], ep=[1, 8, 1, 8])
    assert np.ptp(memory.weights_bytes[:2]) == 0
    assert memory.weights_bytes[2] == memory.weights_bytes[3] > memory.weights_bytes[1]  # dense parts whole on each


def test_rows_padded_in_fp8_on_rocm():
    """2 replicas of Llama-3.1-405B FP8 on MI300X: 97.43 GiB a device."""
    memory = memory_of("llama3.1-405b", gib=192, tp=4, precision="fp8", recipe=serving_recipe("vllm_rocm"))
    assert memory.weights_bytes[0] / GIB == pytest.approx(97.43, rel=2e-3)


def test_workspace_and_runtime_are_counted():
    """llm-d-benchmark#621, #622: a plan without activations and graphs passed and then failed."""
    memory = memory_of("qwen3-32b", gib=79.18 / 0.99)
    assert memory.activation_bytes[0] / GIB == pytest.approx(5.64, abs=0.02)
    kept = 0.9 * 79.18 * GIB - (memory.weights_bytes + memory.activation_bytes + memory.overhead_bytes)[0]
    assert kept / GIB == pytest.approx(4.45, abs=0.05)


def test_logits_are_not_divided_by_tensor_parallelism():
    memory = memory_of("qwen3-32b", tp=[1, 2, 8])
    assert np.ptp(memory.activation_bytes) == 0


def test_small_devices_run_fewer_sequences():
    assert memory_of("llama3.1-8b", gib=24).activation_bytes[0] * 4 == pytest.approx(memory_of("llama3.1-8b", gib=80).activation_bytes[0])


def test_a_whole_prompt_in_one_pass_needs_more_than_chunks():
    serving = Serving(input_tokens=131_072, output_tokens=1)
    old, new = (memory_of("llama3.1-405b", tp=8, precision="fp8", serving=serving, recipe=serving_recipe(e)) for e in ("vllm_0", "vllm"))
    assert old.activation_bytes[0] > 3 * new.activation_bytes[0]
    assert (old.max_batch[0], new.max_batch[0] > 0) == (0, True)


def test_the_fullest_stage_decides():
    one, eight = memory_of("llama3.1-70b", gib=300, pp=[1, 8]).weights_bytes
    assert eight > one / 8


@given(
    st.sampled_from(MODELS[2:]),
    st.floats(16, 300),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(0, 3).map(lambda bit: 1 << bit),
    st.sampled_from(["bf16", "fp8", "fp4"]),
    st.sampled_from(["vllm", "vllm_0", "sglang", "trtllm", "generic"]),
)
def test_more_memory_never_fits_less_and_more_ranks_never_hold_more(name, gib, tp, pp, precision, engine):
    recipe = serving_recipe(engine)
    base, more = (memory_of(name, gib=size, tp=tp, pp=pp, precision=precision, recipe=recipe) for size in (gib, gib * 1.1))
    if (gib < 70) == (gib * 1.1 < 70):  # engines take more for themselves on large devices
        assert more.max_batch[0] >= base.max_batch[0] >= 0
    one, wider = (memory_of(name, gib=gib, tp=ranks, precision=precision, recipe=recipe) for ranks in (tp, 2 * tp))
    assert wider.weights_bytes[0] <= one.weights_bytes[0] * (1 + 1e-12)
    assert wider.kv_bytes_per_sequence[0] <= one.kv_bytes_per_sequence[0] * (1 + 1e-12)


@given(st.sampled_from(MODELS[2:]), st.sampled_from([24.0, 80.0, 192.0]), st.sampled_from([1, 4, 8]), st.integers(1, 50_000))
def test_the_batch_that_fits_fits_and_one_more_does_not(name, gib, tp, tokens):
    recipe = ONE_TOKEN_BLOCKS
    memory = memory_of(name, gib=gib, tp=tp, serving=Serving(input_tokens=tokens, output_tokens=1), recipe=recipe)
    free = recipe.utilisation * recipe.visible_share * gib * GIB - (memory.activation_bytes + memory.overhead_bytes)[0]
    each = (memory.kv_bytes_per_sequence + memory.state_bytes_per_sequence)[0]
    batch = int(memory.max_batch[0])
    assert batch == 0 or memory.weights_bytes[0] + batch * each <= free * (1 + 1e-9)
    assert memory.weights_bytes[0] + (batch + 1) * each > free * (1 - 1e-9)


def test_no_replicas_no_memory():
    none = serving_columns().take(np.zeros(0, dtype=np.intp))
    assert len(serving_memory(small_decoder(), Serving(), none, np.zeros(0)).max_batch) == 0


def test_every_engine_names_a_source_for_every_value():
    defaults, named = recipe_table(Path(engines.__file__).with_name("serving_engines.yaml"), "engines")
    assert {"vllm", "sglang", "trtllm", "generic"} <= set(named)
    for entries in (defaults, *named.values()):
        for field, entry in entries.items():
            assert field in defaults
            assert len(entry.source) > 10, field


def test_an_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(RackwrightError) as error:
        serving_recipe("tgi")
    assert "vllm" in error.value.faults[0].allowed
