"""What the forward pass keeps: published figures, recomputation, precision, experts."""

import numpy as np
import pytest
from hypothesis import given

from model_db.architecture import Attention, GatedDeltaNet, Mla, Mlp, Moe
from planner.memory.activations import layer_activations, unit_activations
from planner.memory.pipeline import unit_chain
from planner.memory.recipe import training_recipe
from planner.memory.stages import unit_kept
from planner.memory.training import training_memory
from planner.request import Training
from planner.search.columns import RECOMPUTES
from tests.planner.memory.memory_cases import MODELS, RECIPES, architecture, small_decoder, strategies, training_columns

MEGABYTE = 1e6


def layer_unit(name):
    return next(unit for unit in unit_chain(architecture(name)).units if unit.role == "body")


@pytest.mark.parametrize(
    ("tp", "sequence_parallel", "recompute", "megabytes"),
    [
        (1, False, "none", 2868.9),
        (8, False, "none", 578.8),
        (8, True, "none", 358.6),
        (8, True, "selective", 107.0),
        (8, False, "full", 50.3),
    ],
)
def test_gpt3_layer_as_in_table_2_of_reducing_activation_recomputation(tp, sequence_parallel, recompute, megabytes):
    """arXiv:2205.05198, section 4, at 2,048 tokens and micro-batch 1."""
    recipe = training_recipe("megatron_2022").model_copy(update={"sequence_parallel": sequence_parallel})
    kept = unit_kept(layer_unit("gpt3-175b"), recompute, 2048, recipe, tp)
    assert kept.sixteen_bit_bytes / MEGABYTE == pytest.approx(megabytes, abs=0.05)


def test_scores_are_five_times_the_rest_of_gpt3_as_in_the_abstract():
    """arXiv:2205.05198: memory falls by 5 times with sequence parallelism and selective recomputation."""
    recipe, unit = training_recipe("megatron_2022"), layer_unit("gpt3-175b")
    plain = unit_kept(unit, "none", 2048, recipe.model_copy(update={"sequence_parallel": False}), 8)
    selective = unit_kept(unit, "selective", 2048, recipe, 8)
    assert plain.sixteen_bit_bytes / selective.sixteen_bit_bytes == pytest.approx(5.4, abs=0.02)


@pytest.mark.parametrize("schedule", ["1f1b", "interleaved"])
def test_gpt3_run_as_in_figure_1_of_reducing_activation_recomputation(schedule):
    """66.84 and 12.35 GiB on 64 devices, tp 8, pp 8, three chunks a stage; without interleaving 31 % less."""
    more = {"virtual_stages": 3, "schedule": "interleaved"} if schedule == "interleaved" else {}
    c = training_columns(tp=8, pp=8, zero_stage=0, precision="fp16", recompute=[0, 1], **more)
    recipe = training_recipe("megatron_2022")
    plain = training_memory(
        architecture("gpt3-175b"), Training(sequence_tokens=2048), c, recipe.model_copy(update={"sequence_parallel": False})
    )
    lean = training_memory(architecture("gpt3-175b"), Training(sequence_tokens=2048), c, recipe)
    factor = 1.0 if schedule == "interleaved" else 1 / (1 + 7 / 24)
    assert plain.activations_bytes[0] / 2**30 == pytest.approx(66.84 * factor, rel=1e-3)
    assert lean.activations_bytes[1] / 2**30 == pytest.approx(12.35 * factor, rel=1e-3)


def test_parts_of_each_kind_of_layer_as_in_equation_2_3():
    attention = layer_activations(Attention(hidden=64, heads=8, kv_heads=2, head_dim=16))
    assert attention.divided_bytes == 2 * 128 + 2 * 2 * 32 + 2 * 128
    assert (attention.sequence_inputs, attention.score_heads) == (64, 8)
    mla = layer_activations(Mla(hidden=64, heads=4, q_rank=24, kv_rank=16, nope_dim=8, rope_dim=4, v_head_dim=8))
    assert mla.sequence_bytes == 2 * (24 + 16 + 4)
    assert mla.divided_bytes == 4 * 4 * (12 + 8)
    gated, plain = (layer_activations(Mlp(hidden=64, ffn=96, gated=gated)) for gated in (True, False))
    assert gated.divided_bytes + 2 * gated.divided_inputs == 6 * 96
    assert plain.divided_bytes + 2 * plain.divided_inputs == 4 * 96
    moe = layer_activations(Moe(hidden=64, experts=16, top_k=4, expert_ffn=32, shared_ffn=32))
    assert moe.sequence_bytes + 2 * (moe.sequence_inputs - 64) == 4 * 4 * 64 + 4 * 16
    assert moe.divided_bytes + 2 * moe.divided_inputs == 6 * (4 * 32 + 32)
    net = layer_activations(GatedDeltaNet(hidden=64, key_heads=2, value_heads=4, key_dim=16, value_dim=16, conv=4))
    assert net.divided_bytes + 2 * net.divided_inputs == 2 * (4 * 32 + 2 * 4 * 16 + 6 * 64 + 64 * 4) + 8 * 4


def test_layers_in_parallel_share_one_normalised_input():
    falcon = layer_unit("falcon-7b")
    alone = sum(layer_activations(layer).sequence_inputs for layer in falcon.layers)
    assert unit_activations(falcon.layers).sequence_inputs == alone - 4544


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", MODELS)
def test_less_is_kept_the_more_is_recomputed(name, recipe):
    for unit in unit_chain(architecture(name)).units:
        if unit.role != "body":
            continue
        for tp in (1, 8):
            kept = [unit_kept(unit, recompute, 4096, training_recipe(recipe), tp).sixteen_bit_bytes for recompute in RECOMPUTES]
            assert kept[0] >= kept[1] >= kept[2] > 0


def test_expert_activations_are_not_sharded_by_expert_parallelism():
    """Megatron-LM#1784 and #6782: tokens are dispatched to top-k experts however these are spread."""
    c = training_columns(dp=64, ep=[1, 2, 8, 64])
    kept = training_memory(architecture("deepseek-v3"), Training(sequence_tokens=4096), c).activations_bytes
    assert np.ptp(kept) == 0.0


def test_expert_activations_are_counted():
    """Megatron-LM#1784: the theoretical estimate ignored mixtures of experts."""
    dense, experts = (training_memory(small_decoder(experts=e), Training(), training_columns()).activations_bytes[0] for e in (0, 16))
    per_token = 2 * (4 * 256 + 6 * 512) + 4 * 16 - 6 * 1024
    assert experts - dense == 12 * 8192 * per_token


def test_fp8_halves_inputs_of_products_but_not_what_attention_keeps():
    c = training_columns(precision=[0, 2])
    kept = training_memory(small_decoder(), Training(), c).activations_bytes / 8192
    inputs, copies = 12 * (2 * 256 + 1024), 12 * 256
    assert kept[0] - kept[1] == inputs - copies


@given(strategies())
def test_more_micro_batch_never_keeps_less_and_more_ranks_never_more(strategy):
    """Parts on one stage; the total on any number, since another stage may become the fullest."""
    model, task = small_decoder(experts=16), Training(sequence_tokens=1024)
    one_stage = {"pp": 1, "virtual_stages": 1, "schedule": "1f1b"}

    def moved(**changes):
        memory = training_memory(model, task, training_columns(**(strategy | changes | one_stage)))
        return (memory.activations_bytes + memory.logits_bytes)[0]

    def total(**changes):
        return training_memory(model, task, training_columns(**(strategy | changes))).total_bytes[0]

    double_micro, double_cp = {"micro_batch": 2 * strategy["micro_batch"]}, {"cp": 2 * strategy["cp"]}
    assert moved(**double_micro) >= moved()
    assert moved(tp=2 * strategy["tp"]) <= moved() * (1 + 1e-12)
    assert moved(**double_cp) <= moved() * (1 + 1e-12)
    assert total(**double_micro) >= total()
    assert total(**double_cp) <= total() * (1 + 1e-12)
    assert total(dp=2 * strategy["dp"]) <= total() * (1 + 1e-12)


def test_a_chunked_loss_divides_the_logits():
    recipe = training_recipe().model_copy(update={"loss_chunks": 8})
    whole = training_memory(architecture("llama3.1-8b"), Training(), training_columns())
    chunked = training_memory(architecture("llama3.1-8b"), Training(), training_columns(), recipe)
    assert whole.logits_bytes[0] == 6 * 128256 * 8192
    assert chunked.logits_bytes[0] * 8 == whole.logits_bytes[0]


def test_each_predicted_token_has_its_logits():
    model = architecture("qwen3.5-27b")
    alone = model.model_copy(update={"stacks": tuple(stack for stack in model.stacks if stack.runs_in_serving)})
    both, one = (training_memory(m, Training(), training_columns()).logits_bytes[0] for m in (model, alone))
    assert both == 2 * one


def test_an_eager_run_keeps_what_a_compiler_drops():
    c = training_columns(recompute="selective", zero_stage=3, dp=8)
    compiled, eager = (
        training_memory(architecture("llama3.1-8b"), Training(), c, training_recipe(name)) for name in ("torchtitan", "torchtitan_eager")
    )
    assert (eager.activations_bytes - compiled.activations_bytes)[0] == 32 * 8192 * 2 * 4096  # the output of the last product
