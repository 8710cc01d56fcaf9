"""Time of one pass of a language model on one replica: a decode step, or the prefill of a prompt (equation 4.2).

Both are the same operations with different counts. Each operation takes sqrt(compute^2 + memory^2), a smooth maximum of
its two roofline times, so that its time splits into a compute and a memory share that add up to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from planner.cluster.platform import Platforms
from planner.performance.serving_demand import AttentionDemand, ExpertDemand, ServingDemand
from planner.performance.serving_efficiency import KV_BYTES, WEIGHT_BYTES, ServingEfficiency
from planner.search.columns import PRECISIONS, FloatColumn, ServingColumns

OPERATIONS = ("linear", "experts", "attention", "state", "head", "all_reduce", "all_to_all", "launch", "engine")
ACTIVATION_BYTES = 2.0
_BF16 = PRECISIONS.index("bf16")
_FOUR_BIT = [PRECISIONS.index("fp4"), PRECISIONS.index("int4")]


class Device(NamedTuple):
    """One device of each candidate: peak times efficiency, gathered to rows."""

    linear_flops_per_s: FloatColumn
    linear_bytes_per_s: FloatColumn
    mixer_flops_per_s: FloatColumn
    mixer_bytes_per_s: FloatColumn
    expert_flops_per_s: FloatColumn
    expert_bytes_per_s: FloatColumn
    half_flops_per_s: FloatColumn  # 16-bit matrix products
    half_bytes_per_s: FloatColumn
    attention_flops_per_s: FloatColumn
    attention_bytes_per_s: FloatColumn
    memory_bytes_per_s: FloatColumn
    weight_bytes: FloatColumn  # an element of feed-forward and expert matrices
    mixer_weight_bytes: FloatColumn
    kv_bytes: FloatColumn


@dataclass(frozen=True, slots=True)
class PassTimes:
    """Seconds of one pass by operation (columns of OPERATIONS) and by resource; both add up to `total_s`."""

    total_s: FloatColumn
    operations_s: dict[str, FloatColumn]
    resources_s: dict[str, FloatColumn]


@dataclass(frozen=True, slots=True)
class ServingSteps:
    """What the queueing side needs of each candidate."""

    decode: PassTimes  # one step of `batch` requests
    prefill: PassTimes  # one prompt, alone, through all pipeline stages
    prefill_work_s: FloatColumn  # time the replica is busy with one prompt when prompts keep all stages and ranks busy


def serving_steps(
    demand: ServingDemand,
    platforms: Platforms,
    columns: ServingColumns,
    *,
    input_tokens: float | FloatColumn,
    context_tokens: float | FloatColumn,
    efficiency: ServingEfficiency,
    batch: FloatColumn | None = None,
    cached_tokens: float | FloatColumn = 0.0,
    chunk_tokens: float = 8192.0,
) -> ServingSteps:
    """Times of a decode step at mean context `context_tokens` and of the prefill of a prompt of `input_tokens`.

    `batch` (default: the columns' own) is the number of requests that decode together in the replica, spread over its
    attention ranks and pipeline stages. `cached_tokens` of the prompt are found in the prefix cache.
    """
    device = _device(demand, platforms, columns, efficiency)
    running = np.asarray(columns.batch, np.float64) if batch is None else batch
    rows = len(columns)
    ranks = columns.attention_dp * columns.pp
    sequences = np.maximum(running / ranks, 1.0)
    context = np.broadcast_to(np.asarray(context_tokens, np.float64), rows)
    decode = _pass(demand, platforms, columns, device, efficiency, sequences, sequences, context, None)
    prompt = np.broadcast_to(np.maximum(np.asarray(input_tokens, np.float64) - cached_tokens, 1.0), rows)
    cached = np.broadcast_to(np.asarray(cached_tokens, np.float64), rows)
    chunks = np.ceil(prompt / chunk_tokens)
    one = np.ones(rows)
    prefill = _pass(demand, platforms, columns, device, efficiency, prompt / chunks, one, cached + prompt, chunks)
    return ServingSteps(decode, prefill, prefill.total_s / ranks)


def _device(demand: ServingDemand, platforms: Platforms, columns: ServingColumns, efficiency: ServingEfficiency) -> Device:
    """Rates of one device of each candidate. A format the chip has no units for computes in 16 bit."""
    row, precision = columns.platform, columns.precision
    peak = usable_peak_flops_per_s(platforms)
    # Published 4-bit checkpoints of expert models quantise the experts alone (model cards of gpt-oss, DeepSeek-R1-FP4).
    mixer_precision = np.where(np.isin(precision, _FOUR_BIT), _BF16, precision) if demand.experts else precision
    weight_bytes = np.array([WEIGHT_BYTES[name] for name in PRECISIONS])
    memory = platforms.memory_bandwidth_bytes_per_s
    linear_memory = efficiency.linear_bandwidth * memory[:, None]
    linear_compute = efficiency.linear_compute * peak
    return Device(
        linear_flops_per_s=linear_compute[row, precision],
        linear_bytes_per_s=linear_memory[row, precision],
        mixer_flops_per_s=linear_compute[row, mixer_precision],
        mixer_bytes_per_s=linear_memory[row, mixer_precision],
        expert_flops_per_s=(efficiency.expert_compute * peak)[row, precision],
        expert_bytes_per_s=(efficiency.expert_bandwidth * memory[:, None])[row, precision],
        half_flops_per_s=linear_compute[row, _BF16],
        half_bytes_per_s=linear_memory[row, _BF16],
        attention_flops_per_s=(efficiency.attention_compute * peak[:, _BF16])[row],
        attention_bytes_per_s=(efficiency.attention_bandwidth * memory)[row],
        memory_bytes_per_s=memory[row],
        weight_bytes=weight_bytes[precision],
        mixer_weight_bytes=weight_bytes[mixer_precision],
        kv_bytes=np.array(KV_BYTES)[columns.kv_precision],
    )


def usable_peak_flops_per_s(platforms: Platforms) -> FloatColumn:
    """Peak of each format, that of 16 bit where the chip lacks the format: weights are then widened on the way in."""
    peak = platforms.peak_flops_per_s
    half = np.fmax(peak[:, _BF16], peak[:, PRECISIONS.index("fp16")])
    return np.where(np.isnan(peak), half[:, None], peak)


def _pass(
    demand: ServingDemand,
    platforms: Platforms,
    columns: ServingColumns,
    device: Device,
    efficiency: ServingEfficiency,
    tokens: FloatColumn,
    sequences: FloatColumn,
    context: FloatColumn,
    chunks: FloatColumn | None,
) -> PassTimes:
    """One pass of `tokens` per attention rank through the whole model; `chunks` (prefill) repeats it to cover the prompt."""
    prefill = chunks is not None
    tp = columns.tp.astype(np.float64)
    operations: dict[str, FloatColumn] = {}
    compute: list[FloatColumn] = []
    memory: list[FloatColumn] = []

    def add(name: str, flops_s: FloatColumn, bytes_s: FloatColumn) -> None:
        total = np.sqrt(flops_s * flops_s + bytes_s * bytes_s)
        operations[name] = operations[name] + total if name in operations else total
        share = flops_s * flops_s / np.maximum(total, 1e-30)
        compute.append(share)
        memory.append(total - share)

    mixer = demand.mixer_elements / tp + demand.copied_elements
    add("linear", 2.0 * tokens * mixer / device.mixer_flops_per_s, mixer * device.mixer_weight_bytes / device.mixer_bytes_per_s)
    if demand.feed_forward_elements:
        dense = demand.feed_forward_elements / tp
        add("linear", 2.0 * tokens * dense / device.linear_flops_per_s, dense * device.weight_bytes / device.linear_bytes_per_s)
    for group in demand.experts:
        flops, touched = _expert_demand(group, columns, tokens, efficiency.routing)
        add("experts", flops / device.expert_flops_per_s, touched * device.weight_bytes / device.expert_bytes_per_s)
    for layers in demand.attention:
        flops, read = _attention_demand(layers, tp, tokens, sequences, context, prefill=prefill)
        add("attention", flops / device.attention_flops_per_s, read * device.kv_bytes / device.attention_bytes_per_s)
    if demand.state_bytes:
        state_s = 2.0 * sequences * demand.state_bytes / tp / device.attention_bytes_per_s
        add("state", tokens * demand.state_flops / tp / device.attention_flops_per_s, state_s)
    head = demand.head_elements / tp
    add("head", 2.0 * sequences * head / device.half_flops_per_s, 2.0 * head / device.half_bytes_per_s)

    operations["all_reduce"], operations["all_to_all"] = _collectives_s(demand, platforms, columns, efficiency, tokens)
    engine = efficiency.engine
    launch = (
        demand.mixers * engine.layer_s
        + (demand.feed_forwards - demand.expert_layers) * engine.feed_forward_s
        + demand.expert_layers * engine.expert_layer_s
        + demand.mla_layers * engine.mla_layer_s
        + demand.state_layers * engine.state_layer_s
        + (demand.mixers * engine.prefill_layer_s if prefill else 0.0)
    )
    operations["launch"] = launch * efficiency.launch[columns.platform]
    operations["engine"] = engine.step_s + engine.sequence_s * sequences
    if chunks is not None:
        operations = {name: seconds * chunks for name, seconds in operations.items()}
        compute = [seconds * chunks for seconds in compute]
        memory = [seconds * chunks for seconds in memory]
    total: FloatColumn = sum(operations.values(), np.zeros(len(columns)))
    resources = {
        "compute": sum(compute, np.zeros(len(columns))),
        "memory": sum(memory, np.zeros(len(columns))),
        "network": operations["all_reduce"] + operations["all_to_all"],
        "overhead": operations["launch"] + operations["engine"],
    }
    return PassTimes(total, operations, resources)


def _attention_demand(
    group: AttentionDemand, tp: FloatColumn, tokens: FloatColumn, sequences: FloatColumn, context: FloatColumn, *, prefill: bool
) -> tuple[FloatColumn, FloatColumn]:
    """FLOP and cache elements read of one device (equations 1.2, 4.1)."""
    reach = np.minimum(context, group.reach)
    if prefill:
        # Mean positions a prompt token attends: those cached before it, and half of its own prompt, within reach.
        attended = np.minimum(context - tokens + _causal_mean(tokens, group.reach), group.reach)
        flops_per_pair = group.prefill_flops_per_pair
        index_flops = group.index_flops_per_pair * (context - 0.5 * tokens)
    else:
        attended, flops_per_pair, index_flops = reach, group.decode_flops_per_pair, group.index_flops_per_pair * context
    flops = group.layers * tokens * (flops_per_pair * attended / tp + index_flops)
    read = (
        group.layers
        * sequences
        * (reach * group.cache_elements / np.minimum(tp, group.cache_shards) + 0.5 * group.index_elements * context)
    )
    return flops, read


def _causal_mean(tokens: FloatColumn, window: float) -> FloatColumn:
    """Mean attended positions over a causal sequence with a sliding window (table of equation 1.2)."""
    if math.isinf(window):
        return (tokens + 1.0) / 2.0
    return np.where(tokens > window, window - window * (window - 1.0) / (2.0 * tokens), (tokens + 1.0) / 2.0)


def _expert_demand(group: ExpertDemand, columns: ServingColumns, tokens: FloatColumn, routing: float) -> tuple[FloatColumn, FloatColumn]:
    """FLOP and weight elements touched on the fullest device (equation 4.2: E_hit counts the tokens of all ranks)."""
    devices = (columns.tp * columns.attention_dp).astype(np.float64)
    ep = np.minimum(columns.ep, devices)
    every = tokens * columns.attention_dp
    hit = group.experts * -np.expm1(every**routing * math.log1p(-group.top_k / group.experts))
    hit_rank = hit / ep
    spread = np.sqrt(2.0 * np.log(ep) * hit_rank * (1.0 - hit / group.experts))
    fullest_hit = np.minimum(hit_rank + spread, group.experts / ep)
    assigned = every * group.top_k / ep
    fullest_assigned = assigned + np.sqrt(2.0 * np.log(ep) * assigned)
    shards = devices / ep  # each expert is split further over the devices that are left
    return group.layers * 2.0 * fullest_assigned * group.elements / shards, group.layers * fullest_hit * group.elements / shards


def _collectives_s(
    demand: ServingDemand, platforms: Platforms, columns: ServingColumns, efficiency: ServingEfficiency, tokens: FloatColumn
) -> tuple[FloatColumn, FloatColumn]:
    """All-reduces of tensor parallelism (two a layer), all-to-alls of experts across attention ranks (two a layer)."""
    row = columns.platform
    tp = columns.tp.astype(np.float64)
    devices = tp * columns.attention_dp
    domain = platforms.scale_up_domain[row]

    def rate(group: FloatColumn) -> tuple[FloatColumn, FloatColumn]:
        outside = group > domain
        latency = np.where(outside, platforms.scale_out_latency_s[row], platforms.scale_up_latency_s[row])
        speed = np.where(outside, platforms.scale_out_bytes_per_s[row], platforms.scale_up_bytes_per_s[row])
        return latency + efficiency.collective_s[row], speed * efficiency.collective_bandwidth[row]

    message = tokens * demand.hidden * ACTIVATION_BYTES
    latency, speed = rate(tp)
    reduces = demand.mixers + np.where(columns.attention_dp > 1, demand.feed_forwards - demand.expert_layers, demand.feed_forwards)
    reduce_s = np.where(tp > 1, reduces * (latency + 2.0 * (tp - 1.0) / tp * message / speed), 0.0)
    exchange_s = np.zeros(len(columns))
    for group in demand.experts:
        latency, speed = rate(devices)
        sent = tokens * min(group.top_k, 8) * group.width * ACTIVATION_BYTES / tp * (devices - 1.0) / devices
        exchange_s = exchange_s + np.where(columns.attention_dp > 1, 2.0 * group.layers * (latency + sent / speed), 0.0)
    hops = (columns.pp - 1.0) * (platforms.scale_up_latency_s[row] + message / platforms.scale_up_bytes_per_s[row])
    return reduce_s + np.where(columns.pp > 1, hops, 0.0), exchange_s
