"""Which layers lie on which pipeline stage, and how many micro-batches a stage holds at once (section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model_db.architecture import Architecture, Block, Embedding, Layer, Stack
from planner.search.columns import SCHEDULES, FloatColumn, IntColumn

_GPIPE, _INTERLEAVED = SCHEDULES.index("gpipe"), SCHEDULES.index("interleaved")


@dataclass(frozen=True, slots=True)
class Unit:
    """The layers that are kept together on a stage: one repetition of a block.

    positions   per sample where the stack fixes them; None: the tokens of the sequence
    """

    layers: tuple[Layer, ...]
    positions: int | None
    tower: bool


@dataclass(frozen=True, slots=True)
class UnitChain:
    """A model as a chain of units for a pipeline to cut: `order` (indices into `units`) between `first` and `last`.

    The embedding and every tower lie on the first stage, the head, poolers and multi-token prediction on the last.
    """

    units: tuple[Unit, ...]
    order: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]


@lru_cache(maxsize=512)
def unit_chain(architecture: Architecture) -> UnitChain:
    """The units of `architecture` in the order a token passes them."""
    units: dict[Unit, int] = {}
    order: list[int] = []
    first: list[int] = []
    last: list[int] = []
    for stack in architecture.stacks:
        for block in stack.blocks:
            place = first if stack.tower else _place(architecture, stack, block, order, first, last)
            index = units.setdefault(Unit(block.layers, stack.positions, stack.tower), len(units))
            place.extend([index] * block.repeat)
    return UnitChain(tuple(units), tuple(order), tuple(first), tuple(last))


def _place(architecture: Architecture, stack: Stack, block: Block, order: list[int], first: list[int], last: list[int]) -> list[int]:
    if stack.name == "mtp" or block.name in {"head", "pooler"}:
        return last
    if isinstance(block.layers[0], Embedding) or block.name == "embedding":
        return first
    del architecture
    return order


def chunk_sizes(units: int, chunks: int) -> NDArray[np.intp]:
    """Units of each of `chunks` consecutive pieces. What is left over goes to pieces before the last one, from the back:
    these hold the fewest micro-batches, and the last one has the head."""
    sizes = np.full(chunks, units // chunks, dtype=np.intp)
    take_first = [*range(chunks - 2, -1, -1), chunks - 1]
    sizes[take_first[: units % chunks]] += 1
    return sizes


def stage_units(chain: UnitChain, pp: int, virtual_stages: int) -> NDArray[np.float64]:
    """How often each unit lies on each pipeline rank, shape (pp, units). Rank i holds chunks i, i + pp, i + 2 pp, ..."""
    counts = np.zeros((pp, len(chain.units)))
    chunks = pp * virtual_stages
    ranks = np.repeat(np.arange(chunks) % pp, chunk_sizes(len(chain.order), chunks))
    np.add.at(counts, (ranks, np.asarray(chain.order, dtype=np.intp)), 1.0)
    np.add.at(counts[0], np.asarray(chain.first, dtype=np.intp), 1.0)
    np.add.at(counts[-1], np.asarray(chain.last, dtype=np.intp), 1.0)
    return counts


def micro_batches_in_flight(
    schedule: IntColumn, pp: IntColumn, virtual_stages: IntColumn, micro_batches: IntColumn, stage: IntColumn
) -> FloatColumn:
    """Micro-batches whose activations a stage holds at once, as a multiple of all its layers' (section 2.3).

    GPipe m; 1F1B min(m, p - i); interleaved min(m v, 2 (p - 1 - i) + (v - 1) p + 1) / v, which is p (1 + (p - 1) / (p v))
    on the first stage (arXiv:2104.04473).
    """
    plain = np.minimum(micro_batches, pp - stage)
    warm_up = 2 * (pp - 1 - stage) + (virtual_stages - 1) * pp + 1
    interleaved = np.minimum(micro_batches * virtual_stages, warm_up) / virtual_stages
    held = np.where(schedule == _GPIPE, micro_batches, np.where(schedule == _INTERLEAVED, interleaved, plain))
    return np.asarray(held, dtype=np.float64)


@lru_cache(maxsize=4096)
def candidate_stages(chain: UnitChain, pp: int, virtual_stages: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Stages that may be the fullest: their indices, and their units as rows of `stage_units`.

    A stage is left out if an earlier one, which holds no fewer micro-batches, has every unit at least as often.
    """
    counts = stage_units(chain, pp, virtual_stages)
    _, firsts = np.unique(counts, axis=0, return_index=True)
    kept: list[int] = []
    for stage in sorted(firsts):
        if not any((counts[earlier] >= counts[stage]).all() for earlier in kept):
            kept.append(int(stage))
    return np.array(kept, dtype=np.intp), counts[kept]
