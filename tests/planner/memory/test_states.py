"""Model states: published figures, bytes per parameter, what divides them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from model_db.architecture import Moe, Norm
from planner.counting.layers import layer_parameters
from planner.memory import recipe
from planner.memory.matrices import layer_matrices, layer_vectors
from planner.memory.pipeline import unit_chain
from planner.memory.recipe import training_frameworks, training_recipe
from planner.memory.recipe_table import recipe_table
from planner.memory.stages import Task, unit_states
from planner.memory.states import expert_share, expert_tensor_parallel, optimizer_bytes
from planner.memory.training import training_memory
from planner.request import Training
from tests.planner.memory.memory_cases import GIB, MODELS, RECIPES, architecture, one_matrix, small_decoder, strategies, training_columns

ZERO_PAPER = training_recipe("deepspeed")  # 2 + 2 + 12 bytes, the accounting of arXiv:1910.02054


def states_bytes(memory):
    return memory.weights_bytes + memory.gradients_bytes + memory.optimizer_bytes


@pytest.mark.parametrize(("zero_stage", "gigabytes"), [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.88)])
def test_7_5_billion_parameters_on_64_devices_as_in_figure_1_of_the_zero_paper(zero_stage, gigabytes):
    memory = training_memory(one_matrix(100_000, 75_000), Training(), training_columns(dp=64, zero_stage=zero_stage), ZERO_PAPER)
    assert states_bytes(memory)[0] / 1e9 == pytest.approx(gigabytes, rel=3e-3)


def test_bloom_weights_and_full_checkpoint_as_in_its_readme():
    memory = training_memory(one_matrix(440_000, 400_000), Training(), training_columns(zero_stage=0), ZERO_PAPER)
    assert memory.weights_bytes[0] / GIB == pytest.approx(327.8, abs=0.05)
    assert (memory.weights_bytes + memory.optimizer_bytes)[0] / GIB == pytest.approx(2294.8, abs=0.05)


def test_gpt3_weights_in_16_bits():
    """349.2 GB: 174.6 billion parameters, 2 bytes each."""
    memory = training_memory(architecture("gpt3-175b"), Training(), training_columns(precision="fp16"))
    assert memory.weights_bytes[0] / 1e9 == pytest.approx(349.2, abs=0.05)


def test_bloom_layer_and_embedding_as_in_its_readme():
    """bigscience tr11-176B-ml: 2,466,437,120 parameters a layer, 3,596,615,680 of the embedding."""
    chain, task = unit_chain(architecture("bloom-176b")), Task(2048, 0, 1)
    (layer,) = (unit for unit in chain.units if unit.role == "body")
    assert unit_states(layer, task, 1, frozen=False).dense == 2_466_437_120
    embedding = chain.units[chain.first[0]]
    assert unit_states(embedding, task, 1, frozen=False).dense - 2 * 14336 == 3_596_615_680  # and a norm of two vectors


@pytest.mark.parametrize(
    ("optimizer", "options", "bytes_per_parameter"),
    [
        ("adamw", {"gradient_bytes": 2.0}, 16.0),
        ("adamw", {}, 18.0),
        ("adamw", {"gradient_bytes": 2.0, "master_bytes": 0.0, "moment_bytes": 2.0}, 8.0),
        ("adamw8bit", {"gradient_bytes": 2.0}, 10.03125),
        ("adafactor", {"gradient_bytes": 2.0}, 8.0 + 4 * (1000 + 2000) / (1000 * 2000)),
        ("sgd", {"gradient_bytes": 2.0}, 12.0),
        ("muon", {"gradient_bytes": 2.0}, 12.0),
    ],
)
def test_bytes_per_parameter_of_each_recipe(optimizer, options, bytes_per_parameter):
    recipe = training_recipe().model_copy(update=options)
    memory = training_memory(one_matrix(1000, 2000), Training(optimizer=optimizer), training_columns(zero_stage=0), recipe)
    assert states_bytes(memory)[0] / 2e6 == pytest.approx(bytes_per_parameter, rel=1e-9)


def test_muon_keeps_two_moments_of_tables_and_norms():
    assert optimizer_bytes("muon", training_recipe()).other == optimizer_bytes("adamw", training_recipe()).other


def test_fp8_keeps_16_bit_weights_and_adds_two_copies_until_zero_3_gathers_them():
    c = training_columns(zero_stage=[1, 1, 3], precision=[0, 2, 2], dp=8)
    memory = training_memory(one_matrix(1000, 2000), Training(), c)
    assert memory.weights_bytes.tolist() == pytest.approx([4e6, 8e6, 0.5e6])


@pytest.mark.parametrize("name", MODELS)
def test_matrices_and_vectors_are_all_parameters_of_a_layer(name):
    for unit in unit_chain(architecture(name)).units:
        for layer in unit.layers:
            assert sum(matrix.elements for matrix in layer_matrices(layer)) + layer_vectors(layer) == layer_parameters(layer)


@pytest.mark.parametrize("name", MODELS)
def test_one_rank_holds_every_parameter_and_eight_hold_norms_and_routers_eight_times(name):
    """Normalisation under tensor parallelism: cli99/llm-analysis#19."""
    task = Task(4096, 0, 1)
    for unit in unit_chain(architecture(name)).units:
        one, eight = (unit_states(unit, task, tp, frozen=False) for tp in (1, 8))
        assert one.dense + one.expert == sum(layer_parameters(layer) for layer in unit.layers)
        copied = sum(layer_vectors(layer) for layer in unit.layers)
        assert eight.dense >= copied + (one.dense - copied) / 8
        norms = sum(layer_parameters(layer) for layer in unit.layers if isinstance(layer, Norm))
        assert eight.other >= norms


def test_key_value_heads_are_held_twice_where_ranks_outnumber_them():
    (attention,) = (layer for unit in unit_chain(small_decoder()).units for layer in unit.layers if type(layer).__name__ == "Attention")
    keys = layer_matrices(attention)[1]
    assert [keys.tensor_ranks(tp) for tp in (1, 2, 4, 8)] == [1, 2, 2, 2]


def test_experts_are_divided_once_by_expert_or_tensor_parallelism():
    """DeepSpeed#3442, #4093: no double division by tensor parallelism."""
    tp, ep = np.array([8, 8, 8, 1, 2]), np.array([1, 2, 8, 16, 16])
    assert expert_tensor_parallel(tp, ep).tolist() == [8, 4, 1, 1, 1]
    assert expert_share(16, tp, ep).tolist() == [1 / 8, 1 / 8, 1 / 8, 1 / 16, 1 / 16]
    assert expert_share(60, np.array([1]), np.array([8])).tolist() == [8 / 60]  # the fullest of unequal devices


def test_expert_states_are_shared_by_the_devices_that_hold_the_same_experts():
    """8 devices, tp 4, ep 8: dense states on two of them, each expert on one (expert data parallel degree 1)."""
    model = small_decoder(experts=16)
    plain = training_memory(model, Training(), training_columns(tp=4, ep=8, dp=2, zero_stage=0))
    sharded = training_memory(model, Training(), training_columns(tp=4, ep=8, dp=2, zero_stage=1))
    moe = next(layer for unit in unit_chain(model).units for layer in unit.layers if isinstance(layer, Moe))
    experts = 12 * 3 * moe.hidden * moe.expert_ffn * moe.experts / 8
    dense = plain.optimizer_bytes[0] - 12 * experts
    assert sharded.optimizer_bytes[0] == pytest.approx(12 * experts + dense / 2)


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_adapters_train_little_beside_a_frozen_base(method):
    memory = training_memory(architecture("llama3.1-8b"), Training(method=method, lora_rank=16), training_columns())
    full = training_memory(architecture("llama3.1-8b"), Training(), training_columns())
    adapters = 32 * 16 * (4096 + 4096 + 2 * (4096 + 1024) + 4096 + 4096 + 3 * (4096 + 14336))
    assert memory.gradients_bytes[0] == 4 * adapters
    assert memory.optimizer_bytes[0] == 12 * adapters
    base = memory.weights_bytes[0] - 2 * adapters
    assert base / full.weights_bytes[0] == pytest.approx(
        1.0 if method == "lora" else 0.3551, abs=0.0002
    )  # embedding and head stay at 16 bits


def test_lora_on_a_base_held_in_fp8():
    c = training_columns(precision=[0, 2])
    memory = training_memory(architecture("llama2-70b"), Training(method="lora"), c)
    assert memory.weights_bytes[1] < 0.56 * memory.weights_bytes[0]


def test_a_tower_is_held_but_not_trained_unless_the_recipe_says_so():
    model, c = architecture("gemma4-26b-a4b"), training_columns(zero_stage=0)
    frozen = training_memory(model, Training(), c)
    trained = training_memory(model, Training(), c, training_recipe().model_copy(update={"trains_towers": True}))
    tower = (trained.gradients_bytes - frozen.gradients_bytes)[0] / 4
    assert tower == pytest.approx(573e6, rel=0.01)
    assert frozen.weights_bytes[0] == trained.weights_bytes[0]


@given(strategies())
def test_more_of_any_sharding_never_holds_more_states(strategy):
    """On one stage: with more of them, another one may become the fullest."""
    model = small_decoder(experts=16)
    strategy |= {"pp": 1, "virtual_stages": 1, "schedule": "1f1b"}
    base = states_bytes(training_memory(model, Training(), training_columns(**strategy)))[0]
    for name, value in (("tp", 2 * strategy["tp"]), ("ep", 2 * strategy["ep"]), ("dp", 2 * strategy["dp"])):
        more = training_memory(model, Training(), training_columns(**(strategy | {name: value})))
        assert states_bytes(more)[0] <= base * (1 + 1e-12), name
    if strategy["zero_stage"] < 3:
        more = training_memory(model, Training(), training_columns(**(strategy | {"zero_stage": strategy["zero_stage"] + 1})))
        assert states_bytes(more)[0] <= base * (1 + 1e-12)


def test_hybrid_sharding_lies_between_plain_and_full():
    c = training_columns(dp=64, zero_stage=3, shard_group=[1, 8, 64])
    held = states_bytes(training_memory(architecture("llama3.1-8b"), Training(), c))
    assert held[0] / held[1] == pytest.approx(8)
    assert held[1] / held[2] == pytest.approx(8)


def test_every_recipe_names_a_source_for_every_value():
    defaults, named = recipe_table(Path(recipe.__file__).with_name("training_recipes.yaml"), "frameworks")
    assert set(named) == set(RECIPES) == set(training_frameworks())
    for entries in (defaults, *named.values()):
        for field, entry in entries.items():
            assert field in defaults
            assert len(entry.source) > 10, field
