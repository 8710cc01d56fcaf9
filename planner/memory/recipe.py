"""What decides training memory besides the candidate's columns: the software's habits and the asker's options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from planner.search.columns import PRECISIONS, FloatColumn, IntColumn

import numpy as np

_TABLE = "training_recipes.yaml"


class TrainingRecipe(BaseModel):
    """Bytes are per parameter, per logit or in total, as said.

    weight_bytes        16-bit weights kept beside the master copy; 0 where they are cast while being gathered
    master_bytes        32-bit master weights; 0 for training in pure bf16
    moment_bytes        each optimizer moment
    gradient_bytes      gradients as accumulated
    quantised_copies    copies of a weight kept in the format of quantised matrix products (row- and column-wise)
    quantised_inputs    inputs of quantised products are kept in their format instead of 16 bits
    selective           what selective recomputation drops: scores of attention, or every second matrix product's output
    loss_chunks         the loss is computed over this many pieces of the sequence, one after the other
    logit_bytes         bytes a logit costs while the loss is computed, all copies of it together
    regather            weights gathered by ZeRO-3 are freed after the forward pass even if a pipeline needs them again
    bucket_bytes        buffers of gradient reduction
    runtime_bytes       driver context, communication libraries
    fragmentation       share of the dynamic memory lost by the allocator
    train_towers        towers (vision, sound) are trained, not only held
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    weight_bytes: float
    master_bytes: float
    moment_bytes: float
    gradient_bytes: float
    quantised_copies: float
    quantised_inputs: bool
    sequence_parallel: bool
    attention: Literal["flash", "unfused"]
    dropout: bool
    selective: Literal["attention_core", "alternate_matmuls"]
    loss_chunks: int
    logit_bytes: float
    vocab_parallel_logit_bytes: float
    regather: bool
    bucket_bytes: float
    runtime_bytes: float
    fragmentation: float
    train_towers: bool


@cache
def training_recipe(framework: str = "megatron") -> TrainingRecipe:
    """The packaged recipe of a framework."""
    text = resources.files("planner.memory").joinpath(_TABLE).read_text(encoding="utf-8")
    table = yaml.safe_load(text)
    return TrainingRecipe.model_validate({**table["defaults"], **table["frameworks"][framework]})
