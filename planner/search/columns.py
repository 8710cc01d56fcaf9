"""Candidates as columns: one row a candidate, one integer array a choice; never an object a candidate.

Text choices are indices into the tuples below, so that a whole design space is a few small integer arrays that stay in
cache and can be factorised: what depends on few columns is computed once a distinct key and gathered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

IntColumn = NDArray[np.int32]
FloatColumn = NDArray[np.float64]
BoolColumn = NDArray[np.bool_]

PRECISIONS = ("bf16", "fp16", "fp8", "int8", "fp4", "int4")  # of weights and matrix products
KV_PRECISIONS = ("bf16", "fp8", "fp4")
RECOMPUTES = ("none", "selective", "full")
SCHEDULES = ("gpipe", "1f1b", "interleaved")


_CHUNK_ROWS = 32_768


def chunks(rows: int) -> list[slice]:
    """Parts of `rows` rows that are small enough for a chunk's arrays to stay in the cache."""
    return [slice(start, start + _CHUNK_ROWS) for start in range(0, rows, _CHUNK_ROWS)]


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of equal length."""

    platform: IntColumn  # row of `planner.cluster.platform.Platforms`

    def __len__(self) -> int:
        return int(self.platform.shape[0])

    def take(self, rows: NDArray[np.intp] | BoolColumn | slice) -> Self:
        """The candidates at `rows` (indices, a mask or a slice)."""
        return type(self)(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})

    def on(self, platform: int) -> Self:
        """The same candidates on another platform."""
        return replace(self, platform=np.full(len(self), platform, dtype=np.int32))

    @classmethod
    def none(cls) -> Self:
        """No candidates."""
        return cls(**{column.name: np.zeros(0, dtype=np.int32) for column in fields(cls)})

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All rows of `parts`."""
        return cls(**{column.name: np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(cls)})


@dataclass(frozen=True, slots=True)
class TrainingColumns(Columns):
    """devices = tp * pp * cp * dp; expert parallelism lies inside dp * cp * tp."""

    tp: IntColumn
    pp: IntColumn
    virtual_stages: IntColumn
    cp: IntColumn
    ep: IntColumn
    dp: IntColumn
    zero_stage: IntColumn  # 0 plain data parallel, 1 optimizer sharded, 2 and gradients, 3 and weights (FSDP)
    shard_group: IntColumn  # devices that share the states: dp * cp, less with hybrid sharding (HSDP)
    micro_batch: IntColumn  # sequences
    recompute: IntColumn  # index into RECOMPUTES
    schedule: IntColumn  # index into SCHEDULES
    precision: IntColumn  # index into PRECISIONS
    global_batch: IntColumn  # sequences in a step

    @property
    def devices(self) -> IntColumn:
        """Accelerators of the run."""
        return self.tp * self.pp * self.cp * self.dp

    @property
    def micro_batches(self) -> IntColumn:
        """Micro-batches per pipeline and step, m (equation 0)."""
        return self.global_batch // (self.dp * self.micro_batch)


@dataclass(frozen=True, slots=True)
class ServingColumns(Columns):
    """One replica; devices of a replica = tp * pp * attention_dp; experts are spread over ep of them."""

    tp: IntColumn  # tensor parallel degree of attention
    pp: IntColumn
    ep: IntColumn  # experts are sharded ep ways, each expert further tp * attention_dp / ep ways
    attention_dp: IntColumn
    precision: IntColumn  # index into PRECISIONS
    kv_precision: IntColumn  # index into KV_PRECISIONS
    batch: IntColumn  # requests decoded together in the replica

    @property
    def devices(self) -> IntColumn:
        """Accelerators of one replica."""
        return self.tp * self.pp * self.attention_dp


@dataclass(frozen=True, slots=True)
class DeploymentColumns(ServingColumns):
    """Replicas that decode, and beside them replicas that prefill, in the same formats.

    Where `prefill_replicas` is 0 the replicas do both themselves, and the columns of the others repeat theirs.
    """

    prefill_replicas: IntColumn
    prefill_platform: IntColumn
    prefill_tp: IntColumn
    prefill_pp: IntColumn
    prefill_ep: IntColumn
    prefill_attention_dp: IntColumn
    prefill_batch: IntColumn  # prompts in flight in one of them

    @classmethod
    def of(cls, decode: ServingColumns, prefill: ServingColumns | None = None, prefill_replicas: IntColumn | None = None) -> Self:
        """Pairs of rows; without `prefill` replicas that do both."""
        source = prefill or decode
        own = {column.name: getattr(decode, column.name) for column in fields(ServingColumns)}
        beside = {f"prefill_{name}": getattr(source, name) for name in ("platform", "tp", "pp", "ep", "attention_dp", "batch")}
        count = np.zeros_like(decode.platform) if prefill_replicas is None else prefill_replicas
        return cls(**own, **beside, prefill_replicas=count)

    @property
    def disaggregated(self) -> BoolColumn:
        """Rows whose prompts are prefilled by replicas of their own."""
        return np.asarray(self.prefill_replicas > 0)

    @property
    def prefill(self) -> ServingColumns:
        """The replicas that prefill."""
        return ServingColumns(
            platform=self.prefill_platform,
            tp=self.prefill_tp,
            pp=self.prefill_pp,
            ep=self.prefill_ep,
            attention_dp=self.prefill_attention_dp,
            precision=self.precision,
            kv_precision=self.kv_precision,
            batch=self.prefill_batch,
        )
