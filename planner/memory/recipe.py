"""What decides training memory besides the candidate: habits of the software and options of the asker."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from planner.memory.activations import Selective
from planner.memory.recipe_table import read_recipes, recipe_table
from planner.request import Training

_TABLE = Path(__file__).with_name("training_recipes.yaml")

Bytes = Annotated[float, Field(ge=0, le=1e12)]
Share = Annotated[float, Field(ge=0, le=1)]


class TrainingRecipe(BaseModel):
    """Options that hold for all candidates of a search. Bytes are per parameter, or as said.

    weight_bytes            16-bit weights kept beside the master copy; 0: cast from it while they are gathered
    master_bytes            32-bit master weights; 0: none, training in pure 16 bits
    moment_bytes            each optimizer moment
    gradient_bytes          gradients as they are accumulated
    frozen_bytes            weights of a base that adapters leave as it is, in 16-bit formats
    quantised_copies        copies of each weight in a narrower format of the matrix products, row- and column-wise
    quantised_inputs        inputs of such products are kept in their format instead of 16 bits
    sequence_parallel       norms and residuals are divided over tensor-parallel ranks
    attention               flash: scores are recomputed by the kernel; unfused: they are kept
    dropout                 a mask is kept after each mixer and feed-forward, and of the scores
    selective               what selective recomputation does: drops scores, or keeps every second product's output
    compiled                a compiler drops what recomputation keeps and the backward pass does not read
    loss_chunks             the loss is computed over this many pieces of the sequence, one after the other
    logit_bytes             all copies of a logit while the loss is computed; `divided_`: on tensor-parallel ranks
    keeps_gathered_weights  under a pipeline, gathered weights and whole gradients stay until the end of the step
    keeps_pipeline_tensors  what stages send each other, and the logits, stay until the end of the step
    bucket_bytes            buffers of gradient reduction, in total
    runtime_bytes           driver context and communication library, in total
    fragmentation           allocator loss, as a share of activations, logits and buffers
    offloaded_*             share of these bytes that is kept off the device
    offloads_to             host: memory of the host; nvme: drives, through pinned buffers of two units in the host
    trains_towers           vision and sound towers are trained; otherwise they are held, not run
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    weight_bytes: Bytes
    master_bytes: Bytes
    moment_bytes: Bytes
    gradient_bytes: Bytes
    frozen_bytes: Bytes
    quantised_copies: Annotated[float, Field(ge=0, le=4)]
    quantised_inputs: bool
    sequence_parallel: bool
    attention: Literal["flash", "unfused"]
    dropout: bool
    selective: Selective
    compiled: bool
    loss_chunks: Annotated[int, Field(ge=1, le=1_000_000)]
    logit_bytes: Bytes
    divided_logit_bytes: Bytes
    keeps_gathered_weights: bool
    keeps_pipeline_tensors: bool
    bucket_bytes: Bytes
    runtime_bytes: Bytes
    fragmentation: Share
    offloaded_optimizer: Share
    offloaded_weights: Share
    offloaded_activations: Share
    offloads_to: Literal["host", "nvme"]
    trains_towers: bool

    @property
    def offloads(self) -> bool:
        """Whether anything is kept off the device."""
        return max(self.offloaded_optimizer, self.offloaded_weights, self.offloaded_activations) > 0.0

    @property
    def score_bytes(self) -> float:
        """Bytes of kept scores per head and pair of positions: softmax output; with dropout its mask and product (arXiv:2205.05198)."""
        return 5.0 if self.dropout else 2.0


def planned_recipe(training: Training) -> TrainingRecipe:
    """The recipe that plans are made with: Megatron-LM's, with what the asker keeps off the device (arXiv:2101.06840, arXiv:2104.07857)."""
    return _planned(training.offload, training.offload_to)


@cache
def _planned(offload: str, offload_to: str) -> TrainingRecipe:
    off = {"offloaded_optimizer": float(offload != "none"), "offloaded_weights": float(offload == "states"), "offloads_to": offload_to}
    return training_recipe().model_copy(update=off)


def training_frameworks() -> tuple[str, ...]:
    """Frameworks that have a recipe; the first is the one planned with."""
    return tuple(recipe_table(_TABLE, "frameworks")[1])


@cache
def training_recipe(framework: str = "megatron") -> TrainingRecipe:
    """The packaged recipe of a framework. Raises `RackwrightError` for an unknown one."""
    return TrainingRecipe.model_validate(read_recipes(_TABLE, "frameworks", framework))
