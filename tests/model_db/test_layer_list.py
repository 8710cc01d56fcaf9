"""Any model as a list of layers: sizes inferred through the list, counts as the frameworks have them, faults with their place."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facts.errors import RackwrightError
from facts.yaml_files import parse_yaml, read_yaml
from model_db.architecture import Conv, Linear
from model_db.layer_list import layer_list_architecture
from planner.counting import forward_flops_per_sample, forward_flops_per_token, parameters
from planner.counting.layers import layers_with_counts

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "models"


def read(text):
    return layer_list_architecture(parse_yaml(text.encode(), "layers.yaml"))


def total(text):
    return parameters(read(text)).total


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{input: 1000, layers: [{linear: [1000, 2000, 4000, 8000]}]}", 42_014_000),
        ("{layers: [{linear: [1000, 500, 100, 10]}]}", 551_610),
        ("{input: 100, layers: [{dense: 128}, relu, {dense: 64}, relu, {dense: 32}, relu, {dense: 1}]}", 23_297),
        ("{layers: [{linear: {in: 10, out: 20, bias: false}}]}", 200),
        ("{layers: [{embedding: [1000, 16]}]}", 16_000),
        ("{input: 64, layers: [layernorm]}", 128),
        ("{input: 64, layers: [rmsnorm]}", 64),
        ("{input: 64, layers: [batchnorm]}", 128),
        ("{input: 32, layers: [{lstm: 64}]}", 4 * 64 * (32 + 64) + 8 * 64),
        ("{input: 32, layers: [{lstm: {hidden: 64, bidirectional: true}}, {linear: 1}]}", 2 * (4 * 64 * 96 + 8 * 64) + 129),
        ("{input: 64, layers: [{attention: {heads: 4, bias: true}}]}", 4 * (64 * 64 + 64)),
        ("{input: 64, layers: [{attention: {heads: 4, kv_heads: 2}}]}", 2 * 64 * 64 + 2 * 64 * 32),
        ("{layers: [{type: moe, hidden: 8, experts: 4, top_k: 2, expert_ffn: 16}]}", 4 * 3 * 8 * 16 + 8 * 4),
        (
            "{layers: [{type: mamba2, hidden: 64, heads: 2, head_dim: 64, state: 16, groups: 1, conv: 4}]}",
            64 * 290 + 160 * 5 + 6 + 128 + 128 * 64,
        ),
    ],
)
def test_a_list_holds_what_its_layers_hold(text, expected):
    assert total(text) == expected


def test_the_example_of_an_mlp():
    assert parameters(layer_list_architecture(read_yaml(EXAMPLES / "mlp.yaml"))).total == 42_014_000


def test_resnet_152_layer_by_layer():
    """Parameters: torchvision resnet152; multiply-adds: timm results (11.56 with a convention 0.4 % higher)."""
    architecture = layer_list_architecture(read_yaml(EXAMPLES / "resnet152.yaml"))
    assert parameters(architecture).total == 60_192_808
    assert forward_flops_per_sample(architecture) / 2e9 == pytest.approx(11.514, abs=5e-4)


def test_output_positions_follow_stride_padding_and_pooling():
    architecture = read(
        "{input: [3, 224, 224], layers: [{conv: {out: 64, kernel: 7, stride: 2, padding: 3}}, {pool: {kernel: 3, stride: 2, padding: 1}}, {conv: {out: 8, kernel: 3}}]}"
    )
    convs = [layer for _, layer, _ in layers_with_counts(architecture) if isinstance(layer, Conv)]
    assert [layer.positions for layer in convs] == [112 * 112, 54 * 54]
    assert [layer.in_channels for layer in convs] == [3, 64]


def test_flatten_gives_all_positions_to_the_next_layer():
    architecture = read(
        "{input: [1, 28, 28], layers: [{conv: {out: 32, kernel: 3}}, relu, {maxpool: 2}, flatten, {linear: 10}]}".replace(
            "{maxpool: 2}", "{maxpool: {kernel: 2}}"
        )
    )
    (linear,) = [layer for _, layer, _ in layers_with_counts(architecture) if isinstance(layer, Linear)]
    assert linear.in_features == 32 * 13 * 13


def test_one_dimensional_and_three_dimensional_convolutions():
    assert total("{layers: [{conv1d: {in: 4, out: 8, kernel: 5}}]}") == 4 * 8 * 5 + 8
    assert total("{input: [2, 8, 8, 8], layers: [{conv: {out: 4, kernel: 3}}]}") == 2 * 4 * 27 + 4


def test_branches_share_their_input_and_must_agree():
    assert total("{input: 8, layers: [{parallel: [[{linear: 4}], [{linear: 4}]]}, {linear: 2}]}") == 2 * 36 + 10
    assert total("{input: 8, layers: [{parallel: [[{linear: 8}], []]}]}") == 72
    with pytest.raises(RackwrightError, match="layer_list"):
        read("{input: 8, layers: [{parallel: [[{linear: 4}], [{linear: 5}]]}]}")


def test_repeats_are_blocks():
    architecture = read("{input: 16, layers: [{repeat: 12, layers: [{linear: 16}, relu]}]}")
    assert [(block.repeat, len(block.layers)) for block in architecture.stacks[0].blocks] == [(12, 1)]
    assert parameters(architecture).total == 12 * (16 * 16 + 16)


def test_a_row_of_features_is_counted_a_token_and_an_image_a_sample():
    assert forward_flops_per_token(read("{input: 100, layers: [{linear: 10}]}"), 1) == 2000
    assert forward_flops_per_sample(read("{input: [1, 4, 4], layers: [{conv: {out: 2, kernel: 2, bias: false}}]}")) == 2 * 8 * 9


@pytest.mark.parametrize(
    ("text", "place", "allowed"),
    [
        ("{layers: []}", "layers", "at least one layer"),
        ("{layers: [relu]}", "layers", "at least one layer"),
        ("{layers: 3}", "layers", "a list of layers"),
        ("{layers: [{linear: 5}]}", "layers[1].in_features", "a whole number"),
        ("{input: 3, layers: [{linear: -5}]}", "layers[1].out_features", "a whole number"),
        ("{input: 3, layers: [{linear: true}]}", "layers[1].out_features", "a whole number"),
        ("{input: 3, layers: [{linear: 1.5}]}", "layers[1].out_features", "a whole number"),
        ("{input: 3, layers: [{linear: 10000000000}]}", "layers[1].out_features", "a whole number"),
        ("{input: 3, layers: [{linear: {in: 4, out: 2}}]}", "layers[1].in_features", "3 features"),
        ("{input: 3, layers: [{linear: {out: 2, stride: 2}}]}", "layers[1].stride", "Extra inputs"),
        ("{input: 3, layers: [{wobble: 3}]}", "layers[1]", ""),
        ("{input: 3, layers: [7]}", "layers[1]", "a layer"),
        ("{input: 3, layers: [{linear: 1, conv: 2}]}", "layers[1]", "one word"),
        ("{input: 3, layers: [{repeat: 0, layers: [relu]}]}", "layers[1].repeat", "1 to"),
        ("{input: 3, layers: [{repeat: 2, layers: [{linear: 4}]}, {linear: {in: 3, out: 1}}]}", "layers[2].in_features", "4 features"),
        ("{input: [3, 4, 4], layers: [{conv: {out: 2, kernel: 9}}]}", "layers[1]", "no smaller than the kernel"),
        ("{input: [3, 4, 4], layers: [{conv: {out: 2, kernel: 3, stride: 0}}]}", "layers[1].stride", "1 or more"),
        ("{input: [3, 4, 4], layers: [{conv: {out: 2, kernel: [3, 3, 3]}}]}", "layers[1].kernel", "a number, or 2"),
        ("{input: -1, layers: [relu]}", "input", "whole numbers"),
        ("{input: 64, layers: [{attention: {heads: 0}}]}", "layers[1].heads", "1 or more"),
    ],
)
def test_a_fault_names_the_layer_and_what_is_expected(text, place, allowed):
    with pytest.raises(RackwrightError) as raised:
        read(text)
    fault = raised.value.faults[0]
    assert (fault.code, fault.field) == ("layer_list", place)
    assert allowed in fault.allowed


def test_unknown_keys_of_the_document_are_named():
    with pytest.raises(RackwrightError) as raised:
        read("{layers: [relu], colour: red}")
    assert [(fault.code, fault.field) for fault in raised.value.faults] == [("unknown_field", "colour")]


@pytest.mark.parametrize(
    "text",
    [
        "{input: 1, layers: [{repeat: 20000, layers: [{repeat: 20000, layers: []}]}]}",
        "{input: 1, layers: [{repeat: 20000, layers: [{repeat: 20000, layers: [relu]}]}]}",
        "{input: 1, layers: [{repeat: 20000, layers: [{linear: 1}, {linear: 1}]}]}",
        "{input: 1, layers: [{repeat: 20000, layers: [{parallel: [[], [], [], [], [], [], [], []]}]}]}",
    ],
)
def test_nested_repeats_end(text):
    with pytest.raises(RackwrightError) as raised:
        read(text)
    assert "at most" in raised.value.faults[0].allowed


LEAVES = (
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=8) | st.sampled_from(["relu", "linear", "conv", "pool", "lstm"])
)
KEYS = st.sampled_from(
    ["linear", "conv", "pool", "repeat", "layers", "parallel", "type", "in", "out", "kernel", "attention", "heads"]
) | st.text(max_size=5)
DOCUMENTS = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


@given(layers=DOCUMENTS, size=st.none() | st.integers(-1, 64) | st.lists(st.integers(0, 32), max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_document_is_read_or_refused_with_a_sentence(layers, size):
    try:
        architecture = layer_list_architecture({"input": size, "layers": layers})
    except RackwrightError as error:
        assert error.faults
    else:
        assert parameters(architecture).total >= 0
