"""Time of one pass of a language model on one replica: a decode step, or the prefill of a prompt (equation 4.2).

Both are the same operations with different counts. Each operation takes sqrt(compute^2 + memory^2), a smooth maximum of
its two roofline times, so that its time splits into a compute and a memory share that add up to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from planner.cluster.platform import Platforms
from planner.counting.flops import mean_causal_context
from planner.performance.collectives import Network, all_reduce_s, expert_exchange_s, point_to_point_s
from planner.performance.serving_demand import AttentionDemand, ExpertDemand, ServingDemand
from planner.performance.serving_efficiency import BF16, FOUR_BIT, KV_BYTES, WEIGHT_BYTES, ServingEfficiency
from planner.search.columns import FloatColumn, IntColumn, ServingColumns

OPERATIONS = ("linear", "experts", "attention", "state", "head", "all_reduce", "all_to_all", "launch", "engine")
ACTIVATION_BYTES = 2.0
_WEIGHTED = ("linear", "experts", "head")  # operations that read weights; the others read caches and states


class Device(NamedTuple):
    """One device of each candidate, gathered to rows; `mixer` is the format of attention and state matrices."""

    linear_flops_per_s: FloatColumn
    linear_bytes_per_s: FloatColumn
    linear_s: FloatColumn
    mixer_flops_per_s: FloatColumn
    mixer_bytes_per_s: FloatColumn
    mixer_s: FloatColumn
    expert_flops_per_s: FloatColumn
    expert_bytes_per_s: FloatColumn
    expert_s: FloatColumn
    half_flops_per_s: FloatColumn  # 16-bit matrix products
    half_bytes_per_s: FloatColumn
    attention_flops_per_s: FloatColumn
    attention_bytes_per_s: FloatColumn
    attention_s: FloatColumn
    weight_bytes: FloatColumn  # an element of feed-forward and expert matrices
    mixer_weight_bytes: FloatColumn
    kv_bytes: FloatColumn
    domain: IntColumn
    network: Network


class Tokens(NamedTuple):
    """What one pass works on, per attention rank; `chunks` passes cover it."""

    tokens: FloatColumn
    sequences: FloatColumn  # whose caches are read and which get a token
    every: FloatColumn  # tokens of all attention ranks, which the experts see
    context: FloatColumn  # positions up to and with the last token of each sequence
    chunks: FloatColumn | None  # None: decode


class Work(NamedTuple):
    """One operation on one device in one pass, and the rates that it reaches of arithmetic and of memory."""

    operation: str  # key of OPERATIONS
    flops: FloatColumn
    moved_bytes: FloatColumn
    flops_per_s: FloatColumn
    bytes_per_s: FloatColumn


@dataclass(frozen=True, slots=True)
class PassTimes:
    """Seconds of one pass by operation (keys of OPERATIONS) and by resource; both add up to `total_s`.

    `weights_s`: of the memory's seconds, those in which weights are read.
    """

    total_s: FloatColumn
    operations_s: dict[str, FloatColumn]
    resources_s: dict[str, FloatColumn]
    weights_s: FloatColumn


@dataclass(frozen=True, slots=True)
class Prefill:
    """Work of prompts."""

    alone: PassTimes  # one prompt that arrives alone
    alone_work_s: FloatColumn  # time the replica loses to it: the other attention ranks wait in lockstep
    work_s: FloatColumn  # time it loses to one of many prompts that wait together: all ranks, stages and passes are full


@dataclass(frozen=True, slots=True)
class ServingSteps:
    """What the queueing side needs of each candidate."""

    decode: PassTimes  # one step of `batch` requests
    prefill: Prefill


@dataclass(frozen=True, slots=True)
class Replica:
    """Candidate replicas of one model with the rates of their devices at hand."""

    demand: ServingDemand
    columns: ServingColumns
    device: Device
    efficiency: ServingEfficiency

    @classmethod
    def on(cls, demand: ServingDemand, platforms: Platforms, columns: ServingColumns, efficiency: ServingEfficiency) -> Self:
        """The replicas of `columns` on their platforms."""
        return cls(demand, columns, _device(demand, platforms, columns, efficiency), efficiency)

    def _column(self, value: float | FloatColumn) -> FloatColumn:
        return np.broadcast_to(np.asarray(value, np.float64), len(self.columns))

    def decode(self, batch: FloatColumn, context_tokens: float | FloatColumn, step_tokens: float = 1.0) -> PassTimes:
        """One step of `batch` requests, spread over attention ranks and pipeline stages, at mean context `context_tokens`.

        `step_tokens` of each sequence pass in a step: 1, or one more than is drafted when speculating.
        """
        return _pass(self.demand, self.columns, self.device, self.efficiency, self._decoded(batch, context_tokens, step_tokens))

    def decode_work(self, batch: FloatColumn, context_tokens: float | FloatColumn) -> tuple[Work, ...]:
        """What one device does in such a step."""
        return tuple(_work(self.demand, self.columns, self.device, self.efficiency, self._decoded(batch, context_tokens, 1.0)))

    def _decoded(self, batch: FloatColumn, context_tokens: float | FloatColumn, step_tokens: float) -> Tokens:
        dp = self.columns.attention_dp.astype(np.float64)
        sequences = np.maximum(batch / (dp * self.columns.pp), 1.0)
        tokens = sequences * step_tokens
        every = np.maximum(batch / self.columns.pp, 1.0) * step_tokens
        return Tokens(tokens, sequences, every, self._column(context_tokens), None)

    def prefill(
        self, input_tokens: float | FloatColumn, cached_tokens: float | FloatColumn = 0.0, pass_tokens: float | FloatColumn = 0.0
    ) -> Prefill:
        """Prompts of `input_tokens`, of which `cached_tokens` are found in the prefix cache, at most `pass_tokens` in a pass.

        Passes of 0 tokens: the engine's own default; of 1: one whole prompt.
        """
        dp, alone = self.columns.attention_dp.astype(np.float64), self._prompt(input_tokens, cached_tokens, pass_tokens)
        chunks = np.asarray(alone.chunks)
        prompt = alone.tokens * chunks
        together = np.maximum(np.floor(self._pass_tokens(prompt, pass_tokens) / prompt), 1.0)  # prompts that wait together share passes
        tokens = together * prompt / chunks
        packed = Tokens(tokens, together, tokens * dp, alone.context, chunks)
        first, full = (_pass(self.demand, self.columns, self.device, self.efficiency, work) for work in (alone, packed))
        return Prefill(first, first.total_s / self.columns.pp, full.total_s / (together * dp * self.columns.pp))

    def prefill_work(self, input_tokens: float | FloatColumn, cached_tokens: float | FloatColumn = 0.0) -> tuple[Work, ...]:
        """What one device does for such a prompt that arrives alone."""
        alone = self._prompt(input_tokens, cached_tokens)
        chunks = np.asarray(alone.chunks)
        once = _work(self.demand, self.columns, self.device, self.efficiency, alone)
        return tuple(one._replace(flops=one.flops * chunks, moved_bytes=one.moved_bytes * chunks) for one in once)

    def _prompt(
        self, input_tokens: float | FloatColumn, cached_tokens: float | FloatColumn, pass_tokens: float | FloatColumn = 0.0
    ) -> Tokens:
        """One of the passes over a prompt that arrives alone."""
        cached = self._column(cached_tokens)
        prompt = np.maximum(self._column(input_tokens) - cached, 1.0)
        chunks = np.ceil(prompt / self._pass_tokens(prompt, pass_tokens))
        return Tokens(prompt / chunks, np.ones_like(prompt), prompt / chunks, cached + prompt, chunks)

    def _pass_tokens(self, prompt: FloatColumn, stated: float | FloatColumn) -> FloatColumn:
        """Prompt tokens of one pass at most."""
        limit = np.asarray(stated)
        return np.where(limit == 0, self.efficiency.engine.batched_tokens, np.where(limit == 1, prompt, limit))


def _device(demand: ServingDemand, platforms: Platforms, columns: ServingColumns, efficiency: ServingEfficiency) -> Device:
    """Rates of one device of each candidate."""
    row, precision = columns.platform, columns.precision
    # Published 4-bit checkpoints of expert models quantise the experts alone (model cards of gpt-oss, DeepSeek-R1-FP4).
    mixer = np.where(np.isin(precision, FOUR_BIT), BF16, precision) if demand.experts else precision
    weight_bytes = np.array(WEIGHT_BYTES)
    return Device(
        linear_flops_per_s=efficiency.linear_flops_per_s[row, precision],
        linear_bytes_per_s=efficiency.linear_bytes_per_s[row, precision],
        linear_s=efficiency.linear_s[row, precision],
        mixer_flops_per_s=efficiency.linear_flops_per_s[row, mixer],
        mixer_bytes_per_s=efficiency.linear_bytes_per_s[row, mixer],
        mixer_s=efficiency.linear_s[row, mixer],
        expert_flops_per_s=efficiency.expert_flops_per_s[row, precision],
        expert_bytes_per_s=efficiency.expert_bytes_per_s[row, precision],
        expert_s=efficiency.expert_s[row, precision],
        half_flops_per_s=efficiency.linear_flops_per_s[row, BF16],
        half_bytes_per_s=efficiency.linear_bytes_per_s[row, BF16],
        attention_flops_per_s=efficiency.attention_flops_per_s[row],
        attention_bytes_per_s=efficiency.attention_bytes_per_s[row, columns.kv_precision],
        attention_s=efficiency.attention_s[row, columns.kv_precision],
        weight_bytes=weight_bytes[precision],
        mixer_weight_bytes=weight_bytes[mixer],
        kv_bytes=np.array(KV_BYTES)[columns.kv_precision],
        domain=platforms.scale_up_domain[row],
        network=platforms.network.take(row),
    )


class _Sum:
    """Adds operations up, each with its compute and memory time, to `PassTimes`."""

    def __init__(self, rows: int) -> None:
        self.operations: dict[str, FloatColumn] = {}
        self.compute = np.zeros(rows)
        self.memory = np.zeros(rows)
        self.weights = np.zeros(rows)

    def add(self, name: str, compute_s: FloatColumn, memory_s: FloatColumn) -> None:
        """One operation: a smooth maximum of its two times."""
        compute_squared = compute_s * compute_s
        total = np.sqrt(compute_squared + memory_s * memory_s)
        share = compute_squared / np.maximum(total, 1e-30)
        self.operations[name] = self.operations[name] + total if name in self.operations else total
        self.compute += share
        self.memory += total - share
        if name in _WEIGHTED:
            self.weights += total - share


def _work(demand: ServingDemand, columns: ServingColumns, device: Device, efficiency: ServingEfficiency, work: Tokens) -> Iterator[Work]:
    """What one device does in one pass through the whole model, operation by operation."""
    tokens, tp = work.tokens, columns.tp.astype(np.float64)
    mixer = demand.mixer_elements / tp + demand.copied_elements
    yield Work("linear", 2.0 * tokens * mixer, mixer * device.mixer_weight_bytes, device.mixer_flops_per_s, device.mixer_bytes_per_s)
    if demand.feed_forward_elements:
        dense = demand.feed_forward_elements / tp
        yield Work("linear", 2.0 * tokens * dense, dense * device.weight_bytes, device.linear_flops_per_s, device.linear_bytes_per_s)
    for group in demand.experts:
        flops, touched = _expert_demand(group, columns, work.every, efficiency)
        yield Work("experts", flops, touched * device.weight_bytes, device.expert_flops_per_s, device.expert_bytes_per_s)
    for layers in demand.attention:
        flops, read = _attention_demand(layers, tp, work)
        yield Work("attention", flops, read * device.kv_bytes, device.attention_flops_per_s, device.attention_bytes_per_s)
    if demand.state_layers:
        moved = 2.0 * work.sequences * demand.state_bytes / tp
        yield Work("state", tokens * demand.state_flops / tp, moved, device.attention_flops_per_s, device.attention_bytes_per_s)
    head = demand.head_elements / tp
    sampled = tokens if work.chunks is None else work.sequences
    yield Work("head", 2.0 * sampled * head, 2.0 * head, device.half_flops_per_s, device.half_bytes_per_s)


def _pass(demand: ServingDemand, columns: ServingColumns, device: Device, efficiency: ServingEfficiency, work: Tokens) -> PassTimes:
    """One pass through the whole model (all pipeline stages), repeated for each chunk of a prompt."""
    parts = _Sum(len(columns))
    for one in _work(demand, columns, device, efficiency, work):
        parts.add(one.operation, one.flops / one.flops_per_s, one.moved_bytes / one.bytes_per_s)
    operations, resources = parts.operations, {"compute": parts.compute, "memory": parts.memory}
    operations["all_reduce"], operations["all_to_all"] = _collectives_s(demand, columns, device, efficiency, work.tokens)
    resources["network"] = operations["all_reduce"] + operations["all_to_all"]
    operations["launch"] = _launch_s(demand, device, efficiency, prefill=work.chunks is not None)
    operations["engine"] = efficiency.engine.step_s + efficiency.engine.sequence_s * work.sequences
    resources["overhead"] = operations["launch"] + operations["engine"]
    if work.chunks is not None:
        operations = {name: seconds * work.chunks for name, seconds in operations.items()}
        resources = {name: seconds * work.chunks for name, seconds in resources.items()}
        parts.weights *= work.chunks
    total: FloatColumn = sum(resources.values(), np.zeros(len(columns)))
    return PassTimes(total, operations, resources, parts.weights)


def _launch_s(demand: ServingDemand, device: Device, efficiency: ServingEfficiency, *, prefill: bool) -> FloatColumn:
    """What kernels take however little they do, and the gaps between them (equation 4.2: launch and host overhead)."""
    engine = efficiency.engine
    dense_layers = demand.feed_forwards - demand.expert_layers
    software = (
        demand.mixers * engine.layer_s
        + dense_layers * engine.feed_forward_s
        + demand.expert_layers * engine.expert_layer_s
        + (demand.mla_layers + demand.index_layers) * engine.mla_layer_s
        + demand.state_layers * engine.state_layer_s
        + (demand.prefill_launches * engine.prefill_layer_s if prefill else 0.0)
    )
    return np.asarray(
        software
        + (2.0 * demand.mixers + 3.0 * demand.mla_layers) * device.mixer_s  # products of a mixer: in and out; latent: three more
        + (demand.mixers - demand.state_layers) * device.attention_s
        + 2.0 * dense_layers * device.linear_s
        + demand.expert_layers * device.expert_s
    )


def _attention_demand(group: AttentionDemand, tp: FloatColumn, work: Tokens) -> tuple[FloatColumn, FloatColumn]:
    """FLOP and cache elements read of one device (equations 1.2, 4.1)."""
    reach = np.minimum(work.context, group.reach)
    if work.chunks is not None:
        # A prompt attends what was cached before it and half of itself, within reach.
        prompt = work.tokens * work.chunks / work.sequences
        attended = np.minimum(
            work.context - prompt + mean_causal_context(prompt, group.reach if math.isfinite(group.reach) else None), group.reach
        )
        flops_per_pair = group.prefill_flops_per_pair
        index_flops = group.index_flops_per_pair * (work.context - 0.5 * prompt)
    else:
        attended, flops_per_pair, index_flops = reach, group.decode_flops_per_pair, group.index_flops_per_pair * work.context
    flops = group.layers * work.tokens * (flops_per_pair * attended + index_flops) / tp
    elements = reach * group.cache_elements / np.minimum(tp, group.cache_shards) + 0.5 * group.index_elements * work.context
    return flops, group.layers * work.sequences * elements


def _expert_demand(
    group: ExpertDemand, columns: ServingColumns, every: FloatColumn, efficiency: ServingEfficiency
) -> tuple[FloatColumn, FloatColumn]:
    """FLOP and weight elements touched on the fullest device (equation 4.2: E_hit counts the tokens of all ranks)."""
    devices = (columns.tp * columns.attention_dp).astype(np.float64)
    ep = np.minimum(columns.ep, devices)
    hit = group.experts * -np.expm1(every**efficiency.routing * math.log1p(-group.top_k / group.experts))
    # Expected maximum of `ep` equal Gaussians in deviations, within 0.05 from two ranks to a hundred.
    ranks = efficiency.imbalance * np.maximum(np.sqrt(2.0 * np.log(ep)) - 0.6, 0.0)
    hit_rank, assigned = hit / ep, every * group.top_k / ep
    fullest_hit = np.minimum(hit_rank + ranks * np.sqrt(hit_rank * (1.0 - hit / group.experts)), group.experts / ep)
    fullest_assigned = assigned + ranks * np.sqrt(assigned)
    elements = group.layers * group.elements * ep / devices  # each expert is split over the devices that are left
    # Few tokens an expert leave the units of a matrix product idle: m / (m + m_half) of the rate.
    padded = fullest_assigned + efficiency.expert_half_tokens * fullest_hit
    return 2.0 * padded * elements, fullest_hit * elements


def _collectives_s(
    demand: ServingDemand, columns: ServingColumns, device: Device, efficiency: ServingEfficiency, tokens: FloatColumn
) -> tuple[FloatColumn, FloatColumn]:
    """All-reduces of tensor parallelism and hops of pipeline stages; exchange of experts across attention ranks."""
    tp, dp = columns.tp, columns.attention_dp
    message = tokens * demand.hidden * ACTIVATION_BYTES
    none = np.zeros(len(columns))
    reduce_s = exchange_s = none
    if (tp > 1).any():
        within = np.minimum(tp, device.domain)
        # Expert layers across attention ranks exchange tokens instead of reducing them.
        reduces = demand.mixers + demand.feed_forwards - np.where(dp > 1, demand.expert_layers, 0)
        reduce_s = np.where(tp > 1, reduces * efficiency.all_reduce * all_reduce_s(message, tp, within, device.network), 0.0)
    if (columns.pp > 1).any():
        inside = tp * dp * columns.pp <= device.domain
        hops_s = (columns.pp - 1.0) * point_to_point_s(message / tp, inside, device.network)
        reduce_s = reduce_s + np.where(columns.pp > 1, hops_s, 0.0)  # a single stage has no link, whose rate may not be known
    if demand.experts and (dp > 1).any():
        devices = tp * dp
        within = np.minimum(devices, device.domain)
        for group in demand.experts:
            one_way = expert_exchange_s(tokens / tp, group.width * ACTIVATION_BYTES, group.top_k, devices, within, device.network)
            exchange_s = exchange_s + np.where(dp > 1, 2.0 * group.layers * efficiency.exchange * one_way, 0.0)
    return reduce_s, exchange_s
