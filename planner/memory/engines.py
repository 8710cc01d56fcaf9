"""How serving software spends device memory besides weights and cache."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from planner.memory.recipe_table import read_recipes

Bytes = Annotated[float, Field(ge=0, le=1e12)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class ServingRecipe(BaseModel):
    """Options that hold for all replicas of a search; `_small` fields stand for devices below 70 GiB.

    visible_share          share of the nominal capacity that the driver shows
    utilisation            share of what is visible that the engine fills; the rest is left to graphs and the driver
    cache_share            share of what weights and workspace leave of that which the cache gets
    batched_tokens         tokens of one forward pass, at most
    sequences              sequences decoded together that the sampler has room for
    logit_bytes            bytes the sampler works on per sequence and vocabulary entry
    runtime_bytes          what is taken outside of tensors; `collective_bytes` more where several devices talk
    block_tokens           tokens of a block of the cache; a sequence wastes half a block on average
    windowed_cache         windowed layers keep their window alone, not the whole context
    prediction_layers      multi-token prediction is loaded, to speculate with
    whole_prompts          a prompt is one forward pass, however long
    narrow_*_multiple      widths and inner widths of experts are padded to these in formats under 8 bits
    fp8_row_padding_bytes  each row of an FP8 matrix is padded by this
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    visible_share: Annotated[float, Field(gt=0, le=1)]
    utilisation: Annotated[float, Field(gt=0, le=1)]
    cache_share: Annotated[float, Field(gt=0, le=1)]
    batched_tokens: Count
    batched_tokens_small: Count
    sequences: Count
    sequences_small: Count
    logit_bytes: Bytes
    runtime_bytes: Bytes
    collective_bytes: Bytes
    block_tokens: Count
    windowed_cache: bool
    prediction_layers: bool
    whole_prompts: bool
    narrow_width_multiple: Count
    narrow_inner_multiple: Count
    fp8_row_padding_bytes: Bytes


@cache
def serving_recipe(engine: str = "vllm") -> ServingRecipe:
    """The packaged recipe of an engine. Raises `RackwrightError` for an unknown one."""
    return ServingRecipe.model_validate(read_recipes(Path(__file__).with_name("serving_engines.yaml"), "engines", engine))
