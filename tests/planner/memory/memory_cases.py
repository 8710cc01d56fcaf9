"""Candidates and small models that the tests of memory share."""

from functools import cache

import numpy as np
from hypothesis import strategies as st

from model_db import load_models
from model_db.architecture import Architecture, Attention, Block, Embedding, Linear, Mlp, Moe, Norm, Stack
from planner.search.columns import KV_PRECISIONS, PRECISIONS, RECOMPUTES, SCHEDULES, ServingColumns, TrainingColumns

GIB = 2.0**30
PARTS = ("weights", "gradients", "optimizer", "activations", "logits", "buffers", "overhead")
MODELS = (
    "llama3.1-8b",
    "gpt3-175b",
    "deepseek-v3",
    "qwen3.5-27b",
    "nemotron-3-nano-30b-a3b",
    "gemma4-26b-a4b",
    "falcon-7b",
    "mixtral-8x7b",
)
RECIPES = ("megatron", "megatron_2022", "megatron_bridge", "deepspeed", "torchtitan", "torchtitan_eager")


def architecture(name):
    return load_models()[name].architecture


def _columns(kind, values):
    rows = max(np.size(value) for value in values.values())
    return kind(**{name: np.broadcast_to(np.asarray(value, dtype=np.int32), (rows,)).copy() for name, value in values.items()})


def training_columns(**changes):
    """Columns of equal length; words for choices, plain data parallel unless said."""
    values = {
        "platform": 0,
        "tp": 1,
        "pp": 1,
        "virtual_stages": 1,
        "cp": 1,
        "ep": 1,
        "dp": 1,
        "zero_stage": 1,
        "micro_batch": 1,
        "recompute": "none",
        "schedule": "1f1b",
        "precision": "bf16",
        "rounds": 64,
    } | changes
    rounds = values.pop("rounds")
    for name, choices in (("recompute", RECOMPUTES), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
        values[name] = choices.index(values[name]) if isinstance(values[name], str) else values[name]
    dp = np.asarray(values["dp"])
    values.setdefault("shard_group", dp * values["cp"])
    values.setdefault("global_batch", dp * values["micro_batch"] * rounds)
    return _columns(TrainingColumns, values)


def serving_columns(**changes):
    values = {
        "platform": 0,
        "tp": 1,
        "pp": 1,
        "ep": 1,
        "attention_dp": 1,
        "precision": "bf16",
        "kv_precision": "bf16",
        "batch": 1,
    } | changes
    for name, choices in (("precision", PRECISIONS), ("kv_precision", KV_PRECISIONS)):
        values[name] = choices.index(values[name]) if isinstance(values[name], str) else values[name]
    return _columns(ServingColumns, values)


@cache
def one_matrix(rows, columns):
    """A model of nothing but one matrix."""
    return Architecture(
        stacks=(Stack(name="text", blocks=(Block(name="layer", layers=(Linear(in_features=rows, out_features=columns),)),)),)
    )


@cache
def small_decoder(layers=12, experts=0):
    """A decoder of a few million parameters, with or without routed experts."""
    norm = Norm(dim=256)
    attention = Attention(hidden=256, heads=8, kv_heads=2, head_dim=32)
    forward = Moe(hidden=256, experts=experts, top_k=2, expert_ffn=512) if experts else Mlp(hidden=256, ffn=1024)
    head = Linear(in_features=256, out_features=8192, sharding="column", name="head")
    blocks = (
        Block(name="embedding", layers=(Embedding(rows=8192, dim=256),)),
        Block(name="layer", layers=(norm, attention, norm, forward), repeat=layers),
        Block(name="head", layers=(norm, head)),
    )
    return Architecture(stacks=(Stack(name="text", blocks=blocks),), vocab=8192, hidden=256)


powers = st.integers(0, 4).map(lambda bit: 1 << bit)


@st.composite
def strategies(draw):
    """One legal candidate of a training run, as keyword arguments of `training_columns`."""
    tp, cp, ep, micro = draw(powers), draw(powers), draw(powers), draw(powers)
    pp = draw(st.sampled_from([1, 2, 3, 4, 6, 8]))
    virtual = draw(st.sampled_from([1, 2, 3])) if pp > 1 else 1
    return {
        "tp": tp,
        "pp": pp,
        "virtual_stages": virtual,
        "cp": cp,
        "ep": ep,
        "dp": draw(st.sampled_from([1, 2, 4, 8, 64])) * max(1, ep // (tp * cp)),
        "zero_stage": draw(st.integers(0, 3)),
        "micro_batch": micro,
        "recompute": draw(st.sampled_from(RECOMPUTES)),
        "schedule": "interleaved" if virtual > 1 else draw(st.sampled_from(["gpipe", "1f1b"])),
        "precision": draw(st.sampled_from(["bf16", "fp16", "fp8", "fp4"])),
        "rounds": draw(st.sampled_from([1, 2, 7, 64])),
    }
