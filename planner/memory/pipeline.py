"""Which layers lie on which pipeline stage, and how many micro-batches a stage holds at once (equation 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model_db.architecture import Architecture, Attention, Block, Embedding, GatedDeltaNet, Layer, Mamba1, Mamba2, Mla, Mlp, Moe
from planner.search.columns import SCHEDULES, FloatColumn, IntColumn

MIXING = (Attention, Mla, Mlp, Moe, Mamba1, Mamba2, GatedDeltaNet)  # what makes a block a layer of a transformer
_GPIPE, _INTERLEAVED = SCHEDULES.index("gpipe"), SCHEDULES.index("interleaved")


@dataclass(frozen=True, slots=True)
class Unit:
    """Layers that always lie on one stage together: one repetition of a block.

    positions   a sample where the stack fixes them; None: the tokens of the sequence
    role        body     what a pipeline divides and recomputation covers
                end      embedding, head, pooler: at the first or last stage, never recomputed
                tower    turns images or sound into tokens, at the first stage
                predictor  multi-token prediction, at the last stage, not loaded for serving
    """

    layers: tuple[Layer, ...]
    positions: int | None
    role: str


@dataclass(frozen=True, slots=True)
class UnitChain:
    """A model as a pipeline sees it: `body` and what lies before it on the first and after it on the last stage.

    The tuples hold indices into `units`, the distinct units.
    """

    units: tuple[Unit, ...]
    first: tuple[int, ...]
    body: tuple[int, ...]
    last: tuple[int, ...]


@lru_cache(maxsize=256)
def unit_chain(architecture: Architecture) -> UnitChain:
    """The units of `architecture` in the order a token passes them.

    Blocks without a mixer or feed-forward (a norm or a second embedding between two stacks) join the layer before them.
    """
    units: dict[Unit, int] = {}
    first: list[int] = []
    body: list[int] = []
    last: list[int] = []
    mixes = any(is_layer(block.layers) for stack in architecture.stacks if not stack.tower for block in stack.blocks)

    def index(layers: tuple[Layer, ...], positions: int | None, role: str) -> int:
        return units.setdefault(Unit(layers, positions, role), len(units))

    for stack in architecture.stacks:
        for block in stack.blocks:
            if stack.tower:
                first += [index(block.layers, stack.positions, "tower")] * block.repeat
            elif not stack.runs_in_serving:
                last += [index(block.layers, stack.positions, "predictor")] * block.repeat
            elif is_layer(block.layers) or not (mixes or _is_end(block)):
                body += [index(block.layers, stack.positions, "body")] * block.repeat
            elif not body:
                first += [index(block.layers, stack.positions, "end")] * block.repeat
            elif _is_end(block):
                last += [index(block.layers, stack.positions, "end")] * block.repeat
            else:
                before = list(units)[body[-1]]
                body[-1] = index(before.layers + block.layers * block.repeat, before.positions, "body")
    return UnitChain(tuple(units), tuple(first), tuple(body), tuple(last))


def is_layer(layers: tuple[Layer, ...]) -> bool:
    """Whether layers that belong together mix or transform tokens: a layer in the usual sense."""
    return any(isinstance(layer, MIXING) for layer in layers)


def _is_end(block: Block) -> bool:
    return block.name in {"head", "pooler"} or any(isinstance(layer, Embedding) for layer in block.layers)


def chunk_sizes(units: int, chunks: int) -> NDArray[np.intp]:
    """Units of each of `chunks` consecutive pieces of a pipeline. What does not divide goes one each to the pieces before
    the last, from the back: they hold the fewest micro-batches, and the last one computes the head.
    """
    sizes = np.full(chunks, units // chunks, dtype=np.intp)
    take_first = [*range(chunks - 2, -1, -1), chunks - 1]
    sizes[take_first[: units % chunks]] += 1
    return sizes


def stage_units(chain: UnitChain, pp: int, virtual_stages: int) -> NDArray[np.float64]:
    """How often each unit lies on each pipeline rank, shape (pp, units). Rank i holds the pieces i, i + pp, i + 2 pp, ..."""
    counts = np.zeros((pp, len(chain.units)))
    ranks = np.repeat(np.arange(pp * virtual_stages) % pp, chunk_sizes(len(chain.body), pp * virtual_stages))
    np.add.at(counts, (ranks, np.array(chain.body, dtype=np.intp)), 1.0)
    np.add.at(counts[0], np.array(chain.first, dtype=np.intp), 1.0)
    np.add.at(counts[-1], np.array(chain.last, dtype=np.intp), 1.0)
    return counts


@dataclass(frozen=True, slots=True)
class FullestStages:
    """Stages of a pipeline one of which is the fullest; `units` are their rows of `stage_units`."""

    stage: NDArray[np.intp]
    units: NDArray[np.float64]

    def padded(self, stages: int) -> FullestStages:
        """The same with the first one repeated up to `stages` rows."""
        missing = stages - len(self.stage)
        return FullestStages(
            np.concatenate([self.stage, np.repeat(self.stage[:1], missing)]),
            np.concatenate([self.units, np.repeat(self.units[:1], missing, axis=0)]),
        )


@lru_cache(maxsize=4096)
def fullest_stages(chain: UnitChain, pp: int, virtual_stages: int) -> FullestStages:
    """The stages that can be the fullest: without those of which an earlier one, which holds no fewer micro-batches,
    has every unit at least as often.
    """
    counts = stage_units(chain, pp, virtual_stages)
    _, appearances = np.unique(counts, axis=0, return_index=True)
    kept: list[int] = []
    for stage in np.sort(appearances).tolist():
        if not any((counts[earlier] >= counts[stage]).all() for earlier in kept):
            kept.append(stage)
    return FullestStages(np.array(kept, dtype=np.intp), counts[kept])


def most_in_flight(schedule: IntColumn, pp: IntColumn, virtual_stages: IntColumn, stage: NDArray[np.intp]) -> FloatColumn:
    """Micro-batches whose activations a stage holds at once, for all its layers together, however many a step has (equation 2.3).

    GPipe all of them; 1F1B p - i; interleaved (2 (p - 1 - i) + (v - 1) p + 1) / v, which is p (1 + (p - 1) / (p v)) on the
    first stage (arXiv:2104.04473, section 2.2; the schedule of Megatron-LM).
    """
    warm_up = 2 * (pp - 1 - stage) + (virtual_stages - 1) * pp + 1
    few = np.where(schedule == _INTERLEAVED, warm_up / virtual_stages, pp - stage)
    return np.asarray(np.where(schedule == _GPIPE, np.inf, few))


def micro_batches_in_flight(
    schedule: IntColumn, pp: IntColumn, virtual_stages: IntColumn, micro_batches: FloatColumn, stage: NDArray[np.intp]
) -> FloatColumn:
    """The same for a step of `micro_batches`: no stage holds more than there are (equation 2.3)."""
    return np.minimum(micro_batches, most_in_flight(schedule, pp, virtual_stages, stage))
