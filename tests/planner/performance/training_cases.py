"""One training run at a time, for the tests of the training model."""

from __future__ import annotations

import functools

import numpy as np

from hardware_db import load_hardware
from model_db import load_models
from model_db.architecture import Architecture
from planner.cluster.platform import Platforms, platforms
from planner.performance.efficiency import Condition, load_efficiency
from planner.performance.micro_batch import Method
from planner.performance.training import TrainingStep, step_of_sequences
from planner.search.columns import PRECISIONS, RECOMPUTES, SCHEDULES, TrainingColumns

A100, H100, H200 = "nvidia-a100-sxm-80gb", "nvidia-h100-sxm-80gb", "nvidia-h200-sxm-141gb"
B300, GB200, GB300 = "nvidia-b300-sxm-288gb", "nvidia-gb200-nvl72", "nvidia-gb300-nvl72"
NEUTRAL = Condition()


def model(name: str) -> Architecture:
    return load_models()[name].architecture


@functools.cache
def platform(*accelerators: str) -> Platforms:
    return platforms(load_hardware(), accelerators)


def columns(precision: str = "bf16", recompute: str = "none", **choices: int) -> TrainingColumns:
    row = {
        "platform": 0,
        "tp": 1,
        "pp": 1,
        "virtual_stages": 1,
        "cp": 1,
        "ep": 1,
        "dp": 1,
        "zero_stage": 1,
        "micro_batch": 1,
        "global_batch": 1,
        "precision": PRECISIONS.index(precision),
        "recompute": RECOMPUTES.index(recompute),
    } | choices
    row.setdefault("shard_group", row["dp"] * row["cp"])
    row["schedule"] = SCHEDULES.index("interleaved" if row["virtual_stages"] > 1 else "1f1b")
    return TrainingColumns(**{name: np.array([value], dtype=np.int32) for name, value in row.items()})


def step(
    architecture: Architecture, accelerator: str, tokens: int, condition: Condition = NEUTRAL, method: Method = "pretrain", **choices
) -> TrainingStep:
    stands = platform(accelerator)
    efficiency = load_efficiency().on(stands, condition)
    return step_of_sequences(architecture, method, "adamw", np.array([float(tokens)]), stands, columns(**choices), efficiency)


def tokens_per_s(architecture: Architecture, accelerator: str, tokens: int, condition: Condition = NEUTRAL, **choices) -> float:
    """Per accelerator."""
    layout = columns(**choices)
    seconds = step(architecture, accelerator, tokens, condition, **choices).step_s[0]
    return float(layout.global_batch[0] * tokens / seconds / layout.devices[0])
