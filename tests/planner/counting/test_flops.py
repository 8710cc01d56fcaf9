"""FLOPs as functions of context: masks, windows, decode, arrays; every kind of layer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_db import load_models
from model_db.architecture import (
    Architecture,
    Attention,
    Block,
    Conv,
    Embedding,
    GatedDeltaNet,
    Linear,
    Lstm,
    Mamba2,
    Mla,
    Mlp,
    Moe,
    Norm,
    Stack,
)
from planner.counting import forward_flops_per_sample, forward_flops_per_token, parameters
from planner.counting.flops import layer_core_flops_per_token, mean_causal_context
from planner.counting.layers import (
    cross_key_value_matrix_parameters,
    layer_active_parameters,
    layer_matrix_parameters,
    layer_matrix_parts,
    layer_parameters,
    layer_parts,
    layers_with_counts,
)

MODELS = load_models()
CONTEXTS = st.integers(1, 5000)
WINDOWS = st.integers(1, 600)


def of(*layers, positions=None):
    return Architecture(stacks=(Stack(name="text", blocks=(Block(name="b", layers=layers),), positions=positions),))


def attention(**fields):
    return Attention(**{"hidden": 64, "heads": 4, "kv_heads": 2, "head_dim": 16, **fields})


def mean_by_hand(tokens, window, *, chunked=False):
    """Positions each token sees, one by one."""
    seen = [min(i % window + 1, i + 1) if chunked else min(i + 1, window) for i in range(tokens)]
    return sum(seen) / tokens


@given(tokens=CONTEXTS, window=WINDOWS)
def test_the_mean_of_a_window_is_that_of_its_tokens(tokens, window):
    assert float(mean_causal_context(tokens, window)) == pytest.approx(mean_by_hand(tokens, window))


@given(tokens=CONTEXTS, window=WINDOWS)
def test_the_mean_of_chunks_is_that_of_their_tokens(tokens, window):
    assert float(mean_causal_context(tokens, window, chunked=True)) == pytest.approx(mean_by_hand(tokens, window, chunked=True))


@given(tokens=CONTEXTS)
def test_the_mean_without_a_window_counts_the_diagonal(tokens):
    assert float(mean_causal_context(tokens)) == pytest.approx(mean_by_hand(tokens, tokens))


@pytest.mark.parametrize("model", MODELS)
def test_an_array_of_contexts_gives_what_each_of_them_gives(model):
    architecture = MODELS[model].architecture
    contexts = np.array([[1, 100], [4096, 100_000]])
    together = forward_flops_per_token(architecture, contexts)
    assert together.shape == (2, 2)
    assert together.ravel().tolist() == [float(forward_flops_per_token(architecture, int(c))) for c in contexts.ravel()]


@pytest.mark.parametrize("model", MODELS)
def test_more_context_never_takes_less(model):
    """A sequence as a whole, and a token that is decoded; the mean a token falls where a new chunk begins (Llama 4)."""
    architecture = MODELS[model].architecture
    contexts = np.arange(1, 40_000, 997)
    assert (np.diff(contexts * forward_flops_per_token(architecture, contexts)) >= 0).all()
    assert (np.diff(forward_flops_per_token(architecture, contexts, decode=True)) >= 0).all()


@pytest.mark.parametrize("model", MODELS)
def test_a_first_token_takes_two_flops_an_active_parameter(model):
    """The cores of attention are small there, norms and biases too."""
    entry = MODELS[model]
    one = float(forward_flops_per_token(entry.architecture, 1))
    if one and entry.kind.startswith("decoder"):
        active = parameters(entry.architecture).active
        assert 1.8 * active < one < 2.2 * active


@pytest.mark.parametrize("model", ["llama3.1-8b", "gemma3-27b", "deepseek-v3", "gpt-oss-120b", "nemotron-3-nano-30b-a3b", "llama4-scout"])
def test_the_square_takes_more_than_its_lower_triangle(model):
    architecture = MODELS[model].architecture
    assert forward_flops_per_token(architecture, 8192) < forward_flops_per_token(architecture, 8192, causal="full")


@given(tokens=st.integers(1, 400), window=st.none() | st.integers(1, 100), chunked=st.booleans())
def test_prefill_is_the_sum_of_decoding_its_positions(tokens, window, chunked):
    layer = attention(window=window, chunked=chunked and window is not None)
    prefill = tokens * float(layer_core_flops_per_token(layer, tokens))
    positions = [i % window + 1 for i in range(tokens)] if layer.chunked else range(1, tokens + 1)
    decoded = sum(float(layer_core_flops_per_token(layer, position, decode=True)) for position in positions)
    assert prefill == pytest.approx(decoded)


def test_a_bidirectional_token_sees_the_whole_sequence():
    assert layer_core_flops_per_token(attention(mask="bidirectional"), 100) == 2 * 4 * 32 * 100


def test_cross_attention_sees_the_other_sequence_and_makes_its_keys_once():
    layer = attention(mask="cross", kv_hidden=32)
    assert layer_core_flops_per_token(layer, 7, cross_context=100) == 2 * 4 * 32 * 100
    assert cross_key_value_matrix_parameters(layer) == 32 * 2 * 32
    assert layer_matrix_parameters(layer) == 2 * 64 * 64
    assert layer_parameters(layer) == 2 * 64 * 64 + 32 * 2 * 32


def test_values_of_another_width_are_counted_apart():
    assert layer_core_flops_per_token(attention(v_head_dim=8), 10, decode=True) == 2 * 4 * (16 + 8) * 10


def test_latent_attention_decodes_on_the_latent():
    layer = Mla(hidden=64, heads=4, kv_rank=32, nope_dim=16, rope_dim=8, v_head_dim=16)
    assert layer_core_flops_per_token(layer, 10, decode=True) == 2 * 4 * (2 * 32 + 8) * 10
    assert layer_core_flops_per_token(layer, 9) == 2 * 4 * (16 + 8 + 16) * 5


def test_an_indexer_looks_at_everything_and_picks_a_few():
    layer = Mla(
        hidden=64, heads=4, q_rank=16, kv_rank=32, nope_dim=16, rope_dim=8, v_head_dim=16, index_heads=2, index_dim=8, index_top_k=50
    )
    assert layer_core_flops_per_token(layer, 1000, decode=True) == 2 * 4 * 72 * 50 + 2 * 2 * 8 * 1000


@pytest.mark.parametrize(
    ("layer", "core"),
    [
        (Mamba2(hidden=64, heads=2, head_dim=64, state=16, groups=1, conv=4), 7 * 128 * 16 + 2 * 160 * 4),
        (GatedDeltaNet(hidden=64, key_heads=2, value_heads=4, key_dim=8, value_dim=8, conv=4), 8 * 4 * 64 + 2 * (2 * 16 + 32) * 4),
        (Lstm(in_features=8, hidden=16), 9 * 16),
        (Norm(dim=64), 0),
        (Embedding(rows=100, dim=64), 0),
    ],
)
def test_recurrent_layers_do_the_same_at_every_position(layer, core):
    assert layer_core_flops_per_token(layer, np.array([1, 1000])).tolist() == [core, core]


def test_routed_experts_work_where_a_token_is_sent():
    layer = Moe(hidden=8, experts=4, top_k=2, expert_ffn=16, shared_ffn=32)
    assert layer_parts(layer) == {"router": 32, "expert": 4 * 384, "shared_expert": 768}
    assert layer_matrix_parts(layer) == {"router": 32, "expert": 2 * 384, "shared_expert": 768}


def test_biases_of_experts_are_used_with_their_expert():
    layer = Moe(hidden=8, experts=4, top_k=1, expert_ffn=16, bias=True)
    assert layer_parameters(layer) - layer_active_parameters(layer) == 3 * (3 * 8 * 16 + 2 * 16 + 8)


def test_a_tied_head_works_but_holds_nothing():
    head = Linear(in_features=8, out_features=100, tied=True, name="head")
    assert (layer_parameters(head), layer_matrix_parameters(head), layer_active_parameters(head)) == (0, 800, 800)


def test_convolutions_work_at_each_of_their_positions():
    conv = Conv(in_channels=4, out_channels=8, kernel=(3, 3), groups=2, positions=100)
    assert forward_flops_per_sample(of(conv, positions=1)) == 2 * 4 // 2 * 8 * 9 * 100


def test_a_stack_with_positions_is_counted_a_sample():
    architecture = of(Mlp(hidden=8, ffn=16, gated=False), positions=50)
    assert forward_flops_per_token(architecture, 10) == 0
    assert forward_flops_per_sample(architecture) == 50 * 2 * 2 * 8 * 16


def test_towers_and_prediction_layers_are_not_work_of_a_token():
    tower = Stack(name="vision", blocks=(Block(name="b", layers=(Linear(in_features=8, out_features=8),)),), positions=9, tower=True)
    unused = Stack(name="mtp", blocks=tower.blocks, runs_in_serving=False)
    plain = of(Linear(in_features=8, out_features=8))
    assert forward_flops_per_token(plain.model_copy(update={"stacks": (*plain.stacks, tower, unused)}), 5) == 128


def test_equal_layers_are_merged_with_their_counts():
    block = Block(name="b", layers=(Norm(dim=8), Linear(in_features=8, out_features=8), Norm(dim=8)), repeat=5)
    architecture = Architecture(stacks=(Stack(name="text", blocks=(block, block)),))
    assert layers_with_counts(architecture) == [("text", Norm(dim=8), 20), ("text", Linear(in_features=8, out_features=8), 10)]


@pytest.mark.parametrize("model", MODELS)
def test_layers_with_their_counts_hold_all_parameters(model):
    architecture = MODELS[model].architecture
    counted = parameters(architecture)
    assert sum(count * layer_parameters(layer) for _, layer, count in layers_with_counts(architecture)) == counted.total
    assert sum(counted.by_component.values()) == counted.total
    assert (
        0
        < counted.active
        <= counted.total
        + sum(
            layer.in_features * layer.out_features
            for _, layer, _ in layers_with_counts(architecture)
            if isinstance(layer, Linear) and layer.tied
        )
    )
