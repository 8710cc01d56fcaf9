"""Training memory of candidates: the tables against stage by stage, the fullest device, buffers, offload."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_db import load_models
from model_db.weight_formats import weight_format
from planner.memory.formats import NARROW, product_bytes
from planner.memory.moving import MovingBytes
from planner.memory.pipeline import micro_batches_in_flight, stage_units, unit_chain
from planner.memory.recipe import training_recipe
from planner.memory.serving import serving_memory
from planner.memory.stages import Task, UnitStates, most_experts, unit_costs
from planner.memory.states import expert_share, expert_tensor_parallel, optimizer_bytes
from planner.memory.training import training_memory
from planner.request import Serving, Training
from planner.search.columns import SCHEDULES
from tests.planner.memory.memory_cases import (
    MODELS,
    PARTS,
    RECIPES,
    architecture,
    serving_columns,
    small_decoder,
    strategies,
    training_columns,
)


def stage_by_stage(model, training, recipe, c):
    """Total bytes of one candidate as equations 2.1 to 2.3 say, one pipeline stage after the other."""
    value = {field.name: int(getattr(c, field.name)[0]) for field in dataclasses.fields(c)}
    chain, task, experts = unit_chain(model), Task.of(training, model), most_experts(model)
    tp, ep, pp = value["tp"], min(value["ep"], experts), value["pp"]
    arrays = {name: np.array([number]) for name, number in value.items()}
    share = float(expert_share(experts, arrays["tp"], np.array([ep]))[0])
    group = max(1, value["shard_group"])
    expert_group = max(1.0, group * tp / (ep * float(expert_tensor_parallel(arrays["tp"], np.array([ep]))[0])))
    narrow = NARROW[value["precision"]]
    element = product_bytes()[value["precision"]]
    rounds = value["global_batch"] // (value["dp"] * value["micro_batch"])
    sequences = value["micro_batch"] / value["cp"]
    per = optimizer_bytes(training.optimizer, recipe)
    adapts = training.method in {"lora", "qlora"}
    base = weight_format("nf4").bytes_per_parameter if training.method == "qlora" else element if narrow else recipe.frozen_bytes
    costs = [unit_costs(unit, task, recipe, tp) for unit in chain.units]
    totals = []
    for stage, counts in enumerate(stage_units(chain, pp, value["virtual_stages"])):
        summed = sum(count * cost.added for count, cost in zip(counts, costs, strict=True))
        largest = np.max([cost.largest for count, cost in zip(counts, costs, strict=True) if count], axis=0)
        s = UnitStates(*summed[:8])
        logit_elements, ends = summed[8:10]
        kept = summed[10:].reshape(3, 3)[value["recompute"]]
        unit, unit_experts, matrix, between, dispatched = largest[:5]
        zero = value["zero_stage"]
        copies = recipe.quantised_copies * element if narrow and zero < 3 else 0.0

        def divided(dense, expert, threshold, zero=zero):
            return dense / (group if zero >= threshold else 1) + expert * share / (expert_group if zero >= threshold else 1)

        weights = divided(
            recipe.weight_bytes * (s.matrix + s.other) + copies * s.matrix + base * s.frozen_matrix + recipe.frozen_bytes * s.frozen_other,
            (recipe.weight_bytes + copies) * s.expert + base * s.frozen_expert,
            3,
        )
        gradients = divided(recipe.gradient_bytes * (s.matrix + s.other), recipe.gradient_bytes * s.expert, 2)
        optimizer = divided(
            per.matrix * s.matrix + per.other * s.other + per.factored * s.factored,
            per.matrix * s.expert + per.factored * s.expert_factored,
            1,
        )
        flight = float(
            micro_batches_in_flight(arrays["schedule"], arrays["pp"], arrays["virtual_stages"], np.array([rounds]), np.array([stage]))[0]
        )
        quantised = narrow and recipe.quantised_inputs
        activations = (kept[0] + (element if quantised else 2) * kept[1] + (element if quantised else 0) * kept[2]) * flight * sequences
        stays = recipe.keeps_pipeline_tensors and pp > 1
        at_loss = logit_elements * (recipe.divided_logit_bytes if tp > 1 else recipe.logit_bytes) / recipe.loss_chunks * sequences
        logits = at_loss + (2 * rounds * logit_elements * sequences if stays else 0)
        buffers = max(0.0, largest[5 + value["recompute"]] * sequences - at_loss)
        if pp > 1:
            buffers += (2 * rounds + flight if stays else 2) * between * sequences
        if value["ep"] > 1:
            buffers += 2 * dispatched * sequences
        gradient_bytes = 0.0 if adapts else recipe.gradient_bytes
        if zero < 3:
            buffers += recipe.bucket_bytes
        elif recipe.keeps_gathered_weights and pp > 1:
            once = value["schedule"] == SCHEDULES.index("interleaved") and rounds <= pp
            whole = 2 + gradient_bytes / (value["virtual_stages"] if once else 1)
            buffers += whole * (s.dense + (s.expert + s.frozen_expert) * share)
        else:
            layer = unit + unit_experts * share
            buffers += 2 * (ends + 2 * layer) + (0 if adapts else 2 + gradient_bytes) * layer
        buffers += (2 * (training.method == "qlora") + 4 * (training.optimizer == "muon")) * matrix
        states = weights + gradients + optimizer
        totals.append(states + (1 + recipe.fragmentation) * (activations + logits + buffers) + recipe.runtime_bytes)
    return max(totals)


@settings(max_examples=200)
@given(
    st.sampled_from(MODELS),
    st.sampled_from(RECIPES),
    strategies(),
    st.sampled_from(["pretrain", "lora", "qlora"]),
    st.sampled_from(["adamw", "muon", "adafactor"]),
)
def test_the_tables_give_what_going_through_every_stage_gives(name, recipe, strategy, method, optimizer):
    training = Training(method=method, optimizer=optimizer, sequence_tokens=2048)
    c = training_columns(**strategy)
    total = training_memory(architecture(name), training, c, training_recipe(recipe)).total_bytes[0]
    assert total == pytest.approx(stage_by_stage(architecture(name), training, training_recipe(recipe), c), rel=1e-9)


@given(st.sampled_from(MODELS), st.sampled_from(RECIPES), st.lists(strategies(), min_size=1, max_size=8))
def test_parts_add_up_and_a_candidate_does_not_depend_on_its_neighbours(name, recipe, several):
    columns = [training_columns(**strategy) for strategy in several]
    joined = type(columns[0])(
        **{field.name: np.concatenate([getattr(c, field.name) for c in columns]) for field in dataclasses.fields(columns[0])}
    )
    memory = training_memory(architecture(name), Training(), joined, training_recipe(recipe))
    assert sum(getattr(memory, f"{part}_bytes") for part in PARTS) == pytest.approx(memory.total_bytes)
    for row, c in enumerate(columns):
        assert training_memory(architecture(name), Training(), c, training_recipe(recipe)).total_bytes[0] == pytest.approx(
            memory.total_bytes[row], rel=1e-12
        )
        assert all(getattr(memory, f"{part}_bytes")[row] >= 0 for part in PARTS)


def test_no_candidates_no_memory():
    none = training_columns().take(np.zeros(0, dtype=np.intp))
    assert len(training_memory(small_decoder(), Training(), none).total_bytes) == 0


def test_the_busiest_device_decides_not_the_mean():
    """lilbee#335, gpustack#1126: the head fills the last stage, or embedding and micro-batches in flight the first."""
    model, task = small_decoder(layers=8), Training(sequence_tokens=4096)
    memory = training_memory(model, task, training_columns(pp=[1, 4], zero_stage=0, recompute="full"))
    assert memory.weights_bytes[1] > memory.weights_bytes[0] / 4 * 1.3
    assert memory.logits_bytes[1] == memory.logits_bytes[0] > 0  # the last stage is the fullest


def test_activations_of_the_first_stage_decide_where_layers_outweigh_the_head():
    memory = training_memory(architecture("llama3.1-405b"), Training(), training_columns(tp=8, pp=16, dp=8))
    assert memory.logits_bytes[0] == 0.0


def test_zero_estimates_have_stage_1_gradients_and_activations():
    """DeepSpeed#5102, #6796: estimators knew no ZeRO-1, did not partition gradients, left activations out."""
    c = training_columns(dp=8, zero_stage=[0, 1, 2, 3])
    memory = training_memory(architecture("llama3.1-8b"), Training(), c, training_recipe("deepspeed"))
    parameters = 8_030_261_248
    assert memory.optimizer_bytes.tolist() == pytest.approx([12 * parameters, *[12 * parameters / 8] * 3])
    assert memory.gradients_bytes.tolist() == pytest.approx([2 * parameters] * 2 + [2 * parameters / 8] * 2)
    assert memory.weights_bytes.tolist() == pytest.approx([2 * parameters] * 3 + [2 * parameters / 8])
    assert (memory.activations_bytes > 0).all()


def test_tensor_parallelism_divides_once():
    """DeepSpeed#3442: memory was divided by the tensor parallel degree twice."""
    memory = training_memory(architecture("llama3.1-8b"), Training(), training_columns(tp=[1, 8], zero_stage=0))
    norms = 65 * 4096
    assert memory.weights_bytes[1] == pytest.approx(2 * (norms + (8_030_261_248 - norms) / 8), rel=1e-12)


def test_more_devices_that_share_never_need_more():
    """The search leaves counts out by this rule."""
    c = training_columns(dp=[1, 2, 4, 8, 16], global_batch=64, pp=4, zero_stage=1)
    totals = training_memory(small_decoder(), Training(), c).total_bytes
    assert (np.diff(totals) <= 0).all()


def test_zero_3_gathers_embedding_head_and_two_layers():
    model = architecture("llama3.1-8b")
    memory = training_memory(model, Training(sequence_tokens=16), training_columns(dp=8, zero_stage=3))
    ends, layer = 2 * 128256 * 4096 + 4096, 218_112_000
    assert memory.buffers_bytes[0] == pytest.approx(2 * (ends + 2 * layer) + 6 * layer, rel=1e-6)


def test_a_pipeline_under_fsdp_keeps_its_stage_gathered_in_torchtitan():
    c = training_columns(dp=8, pp=8, tp=8, zero_stage=3, recompute="full")
    fsdp = training_memory(architecture("llama3.1-405b"), Training(), c, training_recipe("torchtitan"))
    stage = fsdp.gradients_bytes[0] * 8 / 4
    assert fsdp.buffers_bytes[0] > 6 * stage


def test_interleaving_frees_one_chunk_before_the_next_where_there_is_one_round():
    c = training_columns(dp=8, pp=8, tp=8, zero_stage=3, virtual_stages=2, schedule="interleaved", global_batch=[64, 128])
    one, two = training_memory(architecture("llama3.1-405b"), Training(sequence_tokens=16), c, training_recipe("torchtitan")).buffers_bytes
    assert one < 0.75 * two


def test_muon_gathers_and_qlora_unpacks_the_largest_matrix():
    model, c = architecture("llama3.1-8b"), training_columns()
    plain, muon = (training_memory(model, Training(optimizer=name), c).buffers_bytes[0] for name in ("adamw", "muon"))
    assert muon - plain == 4 * 4096 * 14336
    lora, qlora = (training_memory(model, Training(method=name), c).buffers_bytes[0] for name in ("lora", "qlora"))
    assert qlora - lora == 2 * 4096 * 14336


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_offloaded_states_leave_the_device_and_arrive_at_the_host(share):
    model, c = architecture("llama3.1-8b"), training_columns(dp=8, zero_stage=[1, 2, 3])
    recipe = training_recipe("deepspeed").model_copy(update={"offloaded_optimizer": share})
    kept, moved = (training_memory(model, Training(), c, r) for r in (training_recipe("deepspeed"), recipe))
    left = sum(getattr(kept, f"{part}_bytes") - getattr(moved, f"{part}_bytes") for part in ("weights", "gradients", "optimizer"))
    assert moved.host_bytes == pytest.approx(left)
    assert moved.host_bytes / (8_030_261_248 / 8) == pytest.approx(share * np.array([12, 14, 14]))
    assert (kept.host_bytes == 0).all()
    assert kept.total_bytes - moved.total_bytes == pytest.approx(left)


def test_everything_offloaded_is_sixteen_bytes_a_parameter():
    """arXiv:2104.07857: weights, gradients and optimizer states of ZeRO-3 in host memory."""
    recipe = training_recipe("deepspeed").model_copy(update={"offloaded_optimizer": 1.0, "offloaded_weights": 1.0})
    memory = training_memory(architecture("llama3.1-8b"), Training(), training_columns(dp=8, zero_stage=3), recipe)
    assert memory.host_bytes[0] * 8 / 8_030_261_248 == pytest.approx(16)
    assert memory.weights_bytes[0] == memory.gradients_bytes[0] == memory.optimizer_bytes[0] == 0


def test_drives_hold_the_states_and_the_host_two_layers():
    recipe = training_recipe("deepspeed").model_copy(update={"offloaded_optimizer": 1.0, "offloads_to": "nvme"})
    memory = training_memory(architecture("llama3.1-8b"), Training(), training_columns(dp=8, zero_stage=1), recipe)
    assert memory.nvme_bytes[0] == pytest.approx(12 * 8_030_261_248 / 8)
    assert memory.host_bytes[0] == 2 * 12 * 218_112_000


def test_offloaded_activations():
    recipe = training_recipe().model_copy(update={"offloaded_activations": 0.75})
    kept, moved = (training_memory(small_decoder(), Training(), training_columns(), r) for r in (training_recipe(), recipe))
    assert moved.activations_bytes[0] == pytest.approx(kept.activations_bytes[0] / 4)
    assert moved.host_bytes[0] == pytest.approx(kept.activations_bytes[0] * 3 / 4)


def test_terms_of_what_moves_add_and_scale():
    one = MovingBytes(each=np.array([1.0]), per_held=np.array([2.0]))
    two = one.plus(MovingBytes(per_round=np.array([4.0]))).scaled(10.0)
    assert (two.each, two.per_held, two.per_round) == (10.0, 20.0, 40.0)


def test_every_model_of_the_library_has_training_and_serving_memory():
    c = training_columns(tp=[1, 4, 2], pp=[1, 2, 1], dp=8, zero_stage=[0, 1, 3], recompute=[0, 1, 2])
    for name, entry in load_models().items():
        trained = training_memory(entry.architecture, Training(), c)
        assert (trained.total_bytes > 0).all(), name
        assert np.isfinite(trained.total_bytes).all(), name
        served = serving_memory(entry.architecture, Serving(), serving_columns(tp=[1, 4]), np.full(2, 80e9))
        assert (served.weights_bytes > 0).all(), name
