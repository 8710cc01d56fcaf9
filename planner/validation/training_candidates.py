"""Measured training runs as candidates: one where everything is stated, several where something is not.

What a source leaves open is tried, and the fastest way that fits into memory counts: a published run is a tuned run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from model_db.architecture import Architecture
from planner.cluster.platform import Platforms
from planner.memory.training import training_memory
from planner.performance.efficiency import Efficiency
from planner.performance.micro_batch import Method
from planner.performance.operations import pipeline_layers
from planner.performance.training import step_of_sequences
from planner.request import Training
from planner.search.columns import RECOMPUTES, SCHEDULES, FloatColumn, TrainingColumns
from planner.validation.training_runs import TrainingRun, divisors

_NONE, _FULL = RECOMPUTES.index("none"), RECOMPUTES.index("full")
_RESERVE = 0.03  # of device memory; measured runs fill it further than a plan should
_LONG_SEQUENCE = 32_768  # from here context parallelism is tried
_MOST_CANDIDATES = 4_000  # of one run


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of runs that share an architecture and a method; `run` says whose each row is.

    Rows come in pairs where only a share of the layers is recomputed: `weight` of each adds up to one within a `variant`.
    """

    architecture: Architecture
    method: Method
    runs: tuple[TrainingRun, ...]
    columns: TrainingColumns
    sequence_tokens: FloatColumn
    run: NDArray[np.intp]
    variant: NDArray[np.intp]
    weight: FloatColumn

    def step_s(self, platforms: Platforms, efficiency: Efficiency) -> FloatColumn:
        """Step time of each variant."""
        step = step_of_sequences(self.architecture, self.method, "adamw", self.sequence_tokens, platforms, self.columns, efficiency)
        return np.asarray(np.bincount(self.variant, weights=self.weight * step.step_s), dtype=np.float64)

    @property
    def run_of_variant(self) -> NDArray[np.intp]:
        """Whose each variant is."""
        owner = np.zeros(int(self.variant[-1]) + 1, dtype=np.intp)
        owner[self.variant] = self.run
        return owner

    def that_fit(self, platforms: Platforms) -> Candidates:
        """Those that fit into memory, by the memory model; all of a run's where none does (its model is then wrong)."""
        owner = self.run_of_variant
        fits = np.ones(len(owner), dtype=bool)
        for sequence in np.unique(self.sequence_tokens):
            rows = np.flatnonzero(self.sequence_tokens == sequence)
            training = Training(method=self.method, sequence_tokens=int(sequence))
            memory = training_memory(self.architecture, training, self.columns.take(rows))
            capacity = platforms.memory_bytes[self.columns.platform[rows]] * (1.0 - _RESERVE)
            np.logical_and.at(fits, self.variant[rows], memory.total_bytes <= capacity)
        some = np.bincount(owner, weights=fits, minlength=len(self.runs)) > 0
        kept = fits | ~some[owner]
        rows = np.flatnonzero(kept[self.variant])
        variant = (np.cumsum(kept) - 1)[self.variant[rows]]
        return replace(
            self,
            columns=self.columns.take(rows),
            sequence_tokens=self.sequence_tokens[rows],
            run=self.run[rows],
            variant=variant,
            weight=self.weight[rows],
        )


def candidates(runs: Sequence[TrainingRun], platform_of: Sequence[int], domains: Sequence[int]) -> Iterator[Candidates]:
    """Candidates of `runs`, which stand on the platforms `platform_of` with scale-up domains of `domains` devices."""
    groups: dict[tuple[Architecture, Method], list[int]] = {}
    for index, run in enumerate(runs):
        groups.setdefault((run.architecture, run.method), []).append(index)
    for (architecture, method), members in groups.items():
        rows: list[dict[str, int]] = []
        owner: list[int] = []
        variant: list[int] = []
        weight: list[float] = []
        variants = 0
        for local, index in enumerate(members):
            for layout in _layouts(runs[index], pipeline_layers(architecture), domains[index]):
                share = runs[index].layout.repeated_layers if layout["recompute"] == _FULL else 1.0
                for part, recompute in ((share, layout["recompute"]), (1.0 - share, _NONE)):
                    if part > 0:
                        rows.append(layout | {"recompute": recompute, "platform": platform_of[index]})
                        owner.append(local)
                        variant.append(variants)
                        weight.append(part)
                variants += 1
        if not rows:  # no layout fits the number of devices
            continue
        columns = TrainingColumns(
            **{item.name: np.array([row[item.name] for row in rows], dtype=np.int32) for item in fields(TrainingColumns)}
        )
        chosen = tuple(runs[index] for index in members)
        sequences = np.array([chosen[local].sequence_tokens for local in owner], dtype=np.float64)
        indices = (np.array(owner, dtype=np.intp), np.array(variant, dtype=np.intp))
        yield Candidates(architecture, method, chosen, columns, sequences, *indices, np.array(weight))


def _layouts(run: TrainingRun, layers: int, domain: int) -> Iterator[dict[str, int]]:
    """Every layout that agrees with what the row states."""
    stated, found = run.layout, 0
    degrees = product(
        [stated.tp] if stated.tp else [tp for tp in (1, 2, 4, 8) if tp <= max(domain, 1)],
        [stated.pp] if stated.pp else [pp for pp in (1, 2, 4, 8, 16) if pp <= layers],
        [stated.cp] if stated.cp else [1, 2, 4, 8, 16] if run.sequence_tokens >= _LONG_SEQUENCE else [1],
    )
    for tp, pp, cp in degrees:
        dp, rest = divmod(run.devices, tp * pp * cp)
        if rest or dp == 0 or (stated.fsdp and stated.fsdp > dp * cp and not run.determined):
            continue
        per_replica = max(1, run.global_batch // dp)
        micro_batches = [stated.micro_batch] if stated.micro_batch else divisors(per_replica, 64)
        for ep, virtual_stages, micro_batch, (zero, shards), recompute in product(
            _expert_degrees(run, tp * cp * dp),
            _virtual_stages(run, pp, layers),
            micro_batches,
            _shardings(run, dp * cp, pp),
            [stated.recompute] if stated.recompute is not None and run.determined else [_NONE, _FULL],
        ):
            found += 1
            if found > _MOST_CANDIDATES:
                return
            yield {
                "tp": tp,
                "pp": pp,
                "cp": cp,
                "ep": ep,
                "dp": dp,
                "virtual_stages": virtual_stages,
                "micro_batch": micro_batch,
                "zero_stage": zero,
                "shard_group": shards,
                "recompute": recompute,
                "schedule": SCHEDULES.index("interleaved" if virtual_stages > 1 else "1f1b"),
                "precision": run.precision,
                "global_batch": run.layout.rounds * micro_batch * dp if run.layout.rounds else run.global_batch,
            }


def _expert_degrees(run: TrainingRun, ranks: int) -> list[int]:
    if not run.experts:
        return [1]
    if run.layout.ep:
        return [run.layout.ep]
    return [ep for ep in (1, 4, 8, 16, 32, 64, 128) if ep <= ranks and ranks % ep == 0]


def _virtual_stages(run: TrainingRun, pp: int, layers: int) -> list[int]:
    if pp == 1:
        return [1]
    if run.layout.virtual_stages:
        return [run.layout.virtual_stages]
    return [v for v in (1, 2, 3, 4, 5, 6, 8, 10, 12) if v == 1 or pp * v <= layers]


def _shardings(run: TrainingRun, replicas: int, pp: int) -> list[tuple[int, int]]:
    """(zero stage, devices that share the states)."""
    fsdp = run.layout.fsdp
    if fsdp is not None and fsdp > 1:
        return [(3, min(fsdp, replicas))]
    if fsdp == 0 or run.determined:
        return [(1 if replicas > 1 else 0, replicas)]
    return [(1 if replicas > 1 else 0, replicas)] + ([(3, replicas)] if pp == 1 and replicas > 1 else [])
