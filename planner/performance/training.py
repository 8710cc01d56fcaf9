"""Step time of training runs: pipelines of micro-batches, exposed communication, optimizer, overheads (equation 3.1).

`training_step` takes candidates as columns. What depends on few of them (the passes of a micro-batch, the exchange of
weights and gradients) is computed once for each distinct key and gathered. The parts of a step add up to its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model_db.architecture import Architecture
from planner.answer import Resource
from planner.cluster.platform import Platforms
from planner.counting.flops import forward_flops_per_sample
from planner.performance.collectives import Network, all_gather_s, all_reduce_s, point_to_point_s
from planner.performance.efficiency import Efficiency
from planner.performance.micro_batch import Method, MicroBatch, Shares, micro_batch, ranks_inside, smooth_maximum
from planner.performance.offload import HostTier, offload_s
from planner.performance.operations import ACTIVATION_BYTES, ExpertProduct, of_kind, operations, pipeline_layers
from planner.request import Training
from planner.search.columns import RECOMPUTES, SCHEDULES, FloatColumn, IntColumn, TrainingColumns
from planner.search.distinct import distinct

_FULL, _SELECTIVE = RECOMPUTES.index("full"), RECOMPUTES.index("selective")
_GPIPE = SCHEDULES.index("gpipe")
_OPTIMIZER_BYTES = {"adamw": 30.0, "adamw8bit": 14.0, "adafactor": 16.0, "sgd": 22.0, "muon": 30.0}  # moved a parameter (section 3.6)
_EXCHANGED_BYTES = 2.0  # of a gradient or weight between replicas

RESOURCES: dict[str, Resource] = {
    "matrix products": "compute",
    "experts": "compute",
    "attention": "compute",
    "state space": "compute",
    "recomputation": "compute",
    "element-wise": "memory",
    "quantisation": "memory",
    "optimizer": "memory",
    "launch": "host",
    "offload": "host",
    "tensor parallel": "network",
    "context parallel": "network",
    "expert parallel": "network",
    "pipeline transfers": "network",
    "data parallel": "network",
    "pipeline bubble": "overhead",
    "step overhead": "overhead",
    "stragglers": "overhead",
}


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """One row a candidate. `parts_s` (by operation) add up to `step_s`; NaN where the platform has no such number format."""

    step_s: FloatColumn
    parts_s: dict[str, FloatColumn]
    passes: FloatColumn  # through the whole model that the fullest stage does in a step: its share of the layers, times micro-batches
    model_flops: FloatColumn  # of a step: three forward passes, recomputation not counted (equation 3.2)
    mfu: FloatColumn
    calibrated: bool

    @property
    def resources_s(self) -> dict[Resource, FloatColumn]:
        """The same time by the resource it is spent on."""
        total: dict[Resource, FloatColumn] = {}
        for part, seconds in self.parts_s.items():
            resource = RESOURCES[part]
            total[resource] = total[resource] + seconds if resource in total else seconds
        return total


def training_step(
    architecture: Architecture,
    training: Training,
    platforms: Platforms,
    columns: TrainingColumns,
    efficiency: Efficiency,
    tier: HostTier | None = None,
) -> TrainingStep:
    """Step time of every candidate (equations 3.1 to 3.6); with a `tier` optimizer states are kept off the device."""
    sequence = np.full(len(columns), float(training.sequence_tokens))
    return step_of_sequences(architecture, training.method, training.optimizer, sequence, platforms, columns, efficiency, tier)


def step_of_sequences(
    architecture: Architecture,
    method: Method,
    optimizer: str,
    sequence_tokens: FloatColumn,
    platforms: Platforms,
    columns: TrainingColumns,
    efficiency: Efficiency,
    tier: HostTier | None = None,
) -> TrainingStep:
    """As `training_step`, with the tokens of a sequence as a column."""
    if len(columns) == 0:
        none = np.zeros(0)
        return TrainingStep(none, dict.fromkeys(RESOURCES, none), none, none, none, efficiency.calibrated)
    pass_, of_pass = _micro_batches(architecture, method, sequence_tokens, platforms, columns, efficiency)
    stage = _stage(architecture, pass_, of_pass, columns)
    rounds = np.maximum(columns.micro_batches, 1)
    passes = stage.scale * rounds
    parts = {name: seconds[of_pass] * passes for name, seconds in pass_.parts_s.items()}
    parts["recomputation"] = stage.recomputation_s * rounds
    one_s = stage.seconds
    busy_s = one_s * rounds
    bubble_s = one_s * ((columns.pp - 1) / columns.virtual_stages)
    parts["pipeline bubble"] = bubble_s
    if np.any(columns.pp > 1):
        parts["pipeline transfers"] = _transfers_s(architecture, sequence_tokens, platforms, columns, rounds, busy_s, efficiency)
    parts["data parallel"] = _data_parallel_s(method, pass_.micro_batch, of_pass, platforms, columns, one_s, busy_s, efficiency)
    owned = _owned_elements(pass_.micro_batch, of_pass, columns)
    trained = np.zeros(len(columns)) if method in ("lora", "qlora") else owned
    if tier is None:
        moved = efficiency.physics.optimizer * _OPTIMIZER_BYTES[optimizer] * trained
        parts["optimizer"] = np.asarray(moved / efficiency.memory_bytes_per_s[columns.platform])
    else:
        away = tier.keeps(
            columns.platform,
            state_bytes=(_OPTIMIZER_BYTES[optimizer] / 2.0 - 3.0) * trained,  # read and written, beside gradients and weights
            updated_bytes=2.0 * trained,
            weight_bytes=np.where(columns.zero_stage >= 3, 2.0 * owned, 0.0),
        )
        repeated = columns.recompute == _FULL
        parts["offload"] = offload_s(away, rounds.astype(np.float64), repeated, busy_s, efficiency.physics.shard_overlap)
    parts["step overhead"] = np.full(len(columns), efficiency.physics.step_ms * 1e-3)
    devices = columns.devices
    parts["stragglers"] = sum(parts.values()) * (efficiency.physics.straggler * np.sqrt(2.0 * np.log(devices)))
    moe = next(of_kind(operations(architecture), ExpertProduct), None) is not None
    software = (efficiency.moe_factor if moe else efficiency.dense_factor)[columns.platform]
    parts = {name: seconds * software for name, seconds in parts.items()}
    step_s = np.asarray(sum(parts.values()))
    model_flops = columns.global_batch * _sample_flops(architecture, method, sequence_tokens)
    mfu = model_flops / (step_s * devices * platforms.peak_flops_per_s[columns.platform, columns.precision])
    return TrainingStep(step_s, parts, passes, model_flops, mfu, efficiency.calibrated)


def _sample_flops(architecture: Architecture, method: Method, sequence_tokens: FloatColumn) -> FloatColumn:
    """Model FLOPs of one trained sequence: forward and twice that backward, once where the base is frozen (equation 1.2)."""
    passes = 2.0 if method in ("lora", "qlora") else 3.0
    lengths, of_length = np.unique(sequence_tokens, return_inverse=True)
    return passes * np.array([forward_flops_per_sample(architecture, float(length)) for length in lengths])[of_length]


@dataclass(frozen=True, slots=True)
class _Passes:
    """Micro-batches through the whole model, one row a distinct share; parts are forward and backward together."""

    micro_batch: MicroBatch
    parts_s: dict[str, FloatColumn]
    total_s: FloatColumn
    ends_s: FloatColumn
    forward_s: FloatColumn  # of the layers alone: what full recomputation repeats
    attention_s: FloatColumn  # forward: what selective recomputation repeats


_PASS_PARTS = {
    "matrix products": "products",
    "experts": "experts",
    "attention": "attention",
    "state space": "scan",
    "element-wise": "elements",
    "quantisation": "quantisation",
    "launch": "launch",
    "tensor parallel": "tensor_parallel",
    "context parallel": "context_parallel",
    "expert parallel": "expert_parallel",
}


def _micro_batches(
    architecture: Architecture,
    method: Method,
    sequence_tokens: FloatColumn,
    platforms: Platforms,
    columns: TrainingColumns,
    efficiency: Efficiency,
) -> tuple[_Passes, NDArray[np.intp]]:
    """Passes of every distinct share, and which of them each candidate runs."""
    whole_tokens = sequence_tokens.astype(np.int64)
    key = (columns.platform, columns.precision, columns.tp, columns.cp, columns.ep, columns.micro_batch, whole_tokens)
    first, inverse = distinct(*key)
    shares = Shares.of(columns.take(first), sequence_tokens[first], platforms)
    run = micro_batch(architecture, method, shares, platforms.network.take(shares.platform), efficiency)
    parts = {name: np.asarray(getattr(run.forward, item) + getattr(run.backward, item)) for name, item in _PASS_PARTS.items()}
    passes = _Passes(
        micro_batch=run,
        parts_s=parts,
        total_s=run.forward.total + run.backward.total,
        ends_s=run.ends_forward_s + run.ends_backward_s,
        forward_s=run.forward.total - run.ends_forward_s,
        attention_s=run.forward.attention,
    )
    return passes, inverse


@dataclass(frozen=True, slots=True)
class _Stage:
    """The slowest stage of each candidate's pipeline, one micro-batch."""

    scale: FloatColumn  # its share of a pass through the whole model
    recomputation_s: FloatColumn
    seconds: FloatColumn  # forward, backward and recomputation


def _stage(architecture: Architecture, passes: _Passes, of_pass: NDArray[np.intp], columns: TrainingColumns) -> _Stage:
    """Layers are dealt out in equal chunks; where some stay free, the last stage has fewer layers and the logits instead."""
    layers = float(pipeline_layers(architecture))
    chunks = columns.pp * columns.virtual_stages
    chunk = np.ceil(layers / chunks)
    fullest = np.minimum(chunk * columns.virtual_stages, layers) / layers
    spare = np.minimum(chunk * chunks - layers, chunk) / layers
    total, ends = passes.total_s[of_pass], passes.ends_s[of_pass]
    body = total - ends
    scale = np.maximum(body * fullest, body * (fullest - spare) + ends) / total
    repeated = np.where(columns.recompute == _FULL, passes.forward_s[of_pass], 0.0)
    repeated = np.where(columns.recompute == _SELECTIVE, passes.attention_s[of_pass], repeated) * fullest
    return _Stage(scale, repeated, total * scale + repeated)


def _transfers_s(
    architecture: Architecture,
    sequence_tokens: FloatColumn,
    platforms: Platforms,
    columns: TrainingColumns,
    rounds: IntColumn,
    busy_s: FloatColumn,
    efficiency: Efficiency,
) -> FloatColumn:
    """Exposed time of activations and their gradients between stages (equation 3.3)."""
    inside = (columns.devices <= platforms.scale_up_domain[columns.platform]).astype(np.int32)
    first, inverse = distinct(columns.platform, columns.micro_batch, columns.tp, columns.cp, inside, sequence_tokens.astype(np.int64))
    tokens = columns.micro_batch[first] * sequence_tokens[first] / (columns.cp[first] * columns.tp[first])
    network = platforms.network.take(columns.platform[first])
    message_s = point_to_point_s(ACTIVATION_BYTES * tokens * architecture.hidden, inside[first], network)[inverse]
    all_s = np.where(columns.pp > 1, 2.0 * rounds * columns.virtual_stages * message_s / efficiency.physics.network, 0.0)
    return smooth_maximum(busy_s, all_s, efficiency.physics.pipeline_overlap) - busy_s


def _data_parallel_s(
    method: Method,
    run: MicroBatch,
    of_pass: NDArray[np.intp],
    platforms: Platforms,
    columns: TrainingColumns,
    one_s: FloatColumn,
    busy_s: FloatColumn,
    efficiency: Efficiency,
) -> FloatColumn:
    """Exposed time of gradients and weights between replicas (equations 3.3 and 3.5).

    Sharded weights (zero 3) travel with every micro-batch; otherwise gradients and weights travel once, beside the last
    micro-batch's backward and the first one's forward pass.
    """
    first, inverse = distinct(columns.platform, columns.tp, columns.pp, columns.cp, columns.ep, columns.dp, columns.shard_group)
    platform = columns.platform[first]
    groups = _Groups(
        shard_group=columns.shard_group[first].astype(np.float64),
        domain=platforms.scale_up_domain[platform].astype(np.float64),
        network=platforms.network.take(platform),
    )
    tp, pp, cp, ep, dp = (column[first].astype(np.float64) for column in (columns.tp, columns.pp, columns.cp, columns.ep, columns.dp))
    held = of_pass[first]
    exchange = groups.exchange(run.dense_elements[held] / pp, dp * cp, tp)
    if np.any(run.expert_elements > 0):
        spread = ep * np.where(ep > 1, 1.0, tp)
        exchange = exchange.plus(groups.exchange(run.expert_elements[held] / pp, np.maximum(tp * dp * cp / spread, 1.0), spread))
    every = columns.zero_stage >= 3
    if method in ("lora", "qlora"):  # only adapters have gradients
        once_s = np.where(every, 2.0, 0.0) * exchange.gather_s[inverse]
    else:
        sharded_s = np.where(every, 3.0, 2.0) * exchange.gather_s[inverse] + exchange.copies_s[inverse]
        once_s = np.where(columns.zero_stage >= 1, sharded_s, exchange.whole_s[inverse])
    beside_s = np.where(every, busy_s, one_s)
    all_s = np.where(every, np.maximum(columns.micro_batches, 1), 1) * once_s / efficiency.physics.network
    norm = np.where(every, efficiency.physics.shard_overlap, efficiency.physics.data_overlap)
    return smooth_maximum(beside_s, all_s, norm) - beside_s


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One exchange of weights or gradients, 16 bit each (equation 3.3)."""

    gather_s: FloatColumn  # weights gathered, or gradients reduce-scattered, within the group that shares the states
    copies_s: FloatColumn  # gradients of a shard summed over the groups
    whole_s: FloatColumn  # all gradients summed over all replicas, where nothing is sharded

    def plus(self, other: Self) -> Self:
        """Both, one after the other."""
        return type(self)(self.gather_s + other.gather_s, self.copies_s + other.copies_s, self.whole_s + other.whole_s)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Replicas that exchange weights and gradients, one row a distinct group."""

    shard_group: FloatColumn
    domain: FloatColumn
    network: Network

    def exchange(self, elements: FloatColumn, replicas: FloatColumn, stride: FloatColumn) -> _Exchange:
        """Of `elements` a device among `replicas` that are `stride` devices apart."""
        size = _EXCHANGED_BYTES * elements
        shards = np.minimum(self.shard_group, replicas)
        copies = replicas / shards
        across_s = np.zeros_like(size)
        if np.any(copies > 1):
            across_s = all_reduce_s(size / shards, copies, ranks_inside(copies, stride * shards, self.domain), self.network)
        return _Exchange(
            gather_s=all_gather_s(size, shards, ranks_inside(shards, stride, self.domain), self.network),
            copies_s=np.where(copies > 1, across_s, 0.0),
            whole_s=all_reduce_s(size, replicas, ranks_inside(replicas, stride, self.domain), self.network),
        )


def _owned_elements(run: MicroBatch, of_pass: NDArray[np.intp], columns: TrainingColumns) -> FloatColumn:
    """Parameters whose states a device holds."""
    replicas = columns.dp * columns.cp
    sharded = columns.zero_stage >= 1
    dense = run.dense_elements[of_pass] / np.where(sharded, np.minimum(columns.shard_group, replicas), 1)
    expert_replicas = np.maximum(columns.tp * replicas / (columns.ep * np.where(columns.ep > 1, 1, columns.tp)), 1)
    experts = run.expert_elements[of_pass] / np.where(sharded, np.minimum(columns.shard_group, expert_replicas), 1)
    return np.asarray((dense + experts) / columns.pp)
