"""Time of one micro-batch through the whole model on one device's share of it, forward and backward, by kind of work.

`Shares` are the distinct ways a micro-batch is divided; everything here is a column over them. A pipeline divides the result
among its stages (`planner.performance.training`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, Self

import numpy as np

from model_db.architecture import Architecture, Embedding
from planner.cluster.platform import Platforms
from planner.counting.layers import layers_with_counts
from planner.performance.collectives import Network, all_gather_s, all_to_all_s, reduce_scatter_s
from planner.performance.efficiency import Efficiency, attention_s, gemm_s, memory_bound_s, moe_s
from planner.performance.operations import (
    ACTIVATION_BYTES,
    AttentionCore,
    ExpertProduct,
    MatrixProduct,
    MemoryPass,
    Operation,
    Scan,
    Share,
    attention_flops,
    expert_product,
    matrix_product,
    memory_bytes,
    of_kind,
    operations,
    places_reached,
)
from planner.search.columns import PRECISIONS, FloatColumn, IntColumn, TrainingColumns

Method = Literal["pretrain", "finetune", "lora", "qlora"]

ATTENTION_BACKWARD = 2.5  # FlashAttention-2 computes the scores again in the backward pass (section 3.9)
_NARROW = np.array([precision not in ("bf16", "fp16") for precision in PRECISIONS])
_ENDS = ("logits", "embedding")  # parts that stand on the first and last stage of a pipeline
_HOST_NORM = 4.0  # host launches hide behind computation unless they take about as long
_ACCUMULATION_BYTES = 8.0  # a weight's gradient in 32 bit is read and written
_CAST_BYTES = ACTIVATION_BYTES + 2.0  # one read, and a narrow copy for each direction of the product
_GATHERED_BYTES = 1.0  # inputs of narrow products are cast before they are gathered
_FOUR_BIT = 0.516  # bytes a parameter of an NF4 base (section 8.1)


@dataclass(frozen=True, slots=True)
class Shares:
    """Distinct shares of the work, one row each: where, in which format, and how divided."""

    platform: IntColumn
    precision: IntColumn
    micro_batch: FloatColumn
    sequence_tokens: FloatColumn
    tp: FloatColumn
    cp: FloatColumn
    ep: FloatColumn
    domain: FloatColumn  # devices of the scale-up domain

    @classmethod
    def of(cls, columns: TrainingColumns, sequence_tokens: FloatColumn, platforms: Platforms) -> Self:
        """The share of each candidate."""
        return cls(
            platform=columns.platform,
            precision=columns.precision,
            micro_batch=columns.micro_batch.astype(np.float64),
            sequence_tokens=sequence_tokens,
            tp=columns.tp.astype(np.float64),
            cp=columns.cp.astype(np.float64),
            ep=columns.ep.astype(np.float64),
            domain=platforms.scale_up_domain[columns.platform].astype(np.float64),
        )

    @property
    def share(self) -> Share:
        """The tokens and divisors that operations need."""
        tokens = self.micro_batch * self.sequence_tokens / self.cp
        expert_tp = np.where(self.ep > 1, 1.0, self.tp)
        return Share(tokens, self.micro_batch / self.cp, self.sequence_tokens, self.tp, self.ep, expert_tp)


@dataclass(frozen=True, slots=True)
class Pass:
    """Seconds of one pass over one micro-batch, by what is done; columns over shares."""

    products: FloatColumn
    experts: FloatColumn
    attention: FloatColumn
    scan: FloatColumn
    elements: FloatColumn
    quantisation: FloatColumn
    launch: FloatColumn  # beyond what computation hides
    tensor_parallel: FloatColumn  # exposed
    context_parallel: FloatColumn
    expert_parallel: FloatColumn

    @property
    def total(self) -> FloatColumn:
        """All of it."""
        return np.asarray(
            self.products
            + self.experts
            + self.attention
            + self.scan
            + self.elements
            + self.quantisation
            + self.launch
            + self.tensor_parallel
            + self.context_parallel
            + self.expert_parallel
        )


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Forward and backward pass of the layers, of what stands at the ends (embedding, logits), and the weights held."""

    forward: Pass
    backward: Pass
    ends_forward_s: FloatColumn  # logits and embedding, contained in the passes
    ends_backward_s: FloatColumn
    dense_elements: FloatColumn  # weights of one device, without experts, whole pipeline
    expert_elements: FloatColumn


def micro_batch(architecture: Architecture, method: Method, shares: Shares, network: Network, efficiency: Efficiency) -> MicroBatch:
    """Times of one micro-batch of every share (equations 3.1, 3.3 to 3.5; section 3.9). `network` has a row a share."""
    counted = operations(architecture)
    ends = [(operation, count) for operation, count in counted if operation.part in _ENDS]
    layers = [(operation, count) for operation, count in counted if operation.part not in _ENDS]
    ends_forward, ends_backward = _compute(ends, method, shares, efficiency)
    body_forward, body_backward = _compute(layers, method, shares, efficiency)
    messages = _communication(layers, architecture.hidden, shares, network)
    share = shares.share
    dense = [count * matrix_product(operation, share).weight_elements for operation, count in of_kind(counted, MatrixProduct)]
    experts = [
        count * (operation.experts / shares.ep / share.expert_tp) * operation.n * operation.k
        for operation, count in of_kind(counted, ExpertProduct)
    ]
    tables = sum(layer.rows * layer.dim * count for _, layer, count in layers_with_counts(architecture) if isinstance(layer, Embedding))
    return MicroBatch(
        forward=_with_communication(_add(body_forward, ends_forward), messages, efficiency),
        backward=_with_communication(_add(body_backward, ends_backward), messages, efficiency),
        ends_forward_s=ends_forward.total,
        ends_backward_s=ends_backward.total,
        dense_elements=np.asarray(sum(dense, tables / shares.tp)),
        expert_elements=np.asarray(sum(experts, np.zeros_like(shares.tp))),
    )


def _compute(counted: Sequence[tuple[Operation, int]], method: Method, shares: Shares, efficiency: Efficiency) -> tuple[Pass, Pass]:
    """Computation and memory traffic of a forward and a backward pass, without communication."""
    work = _Work.none(len(shares.platform))
    frozen = method in ("lora", "qlora")
    for product, times in of_kind(counted, MatrixProduct):
        work.add_product(product, times, shares, efficiency, adapted=frozen and product.part == "projections")
    for experts, times in of_kind(counted, ExpertProduct):
        work.add_experts(experts, times, shares, efficiency)
    for core, times in of_kind(counted, AttentionCore):
        work.add_attention(core, times, shares, efficiency)
    for scan, times in of_kind(counted, Scan):
        work.add_scan(scan, times, shares, efficiency)
    for memory, times in of_kind(counted, MemoryPass):
        work.add_memory(memory, times, shares, efficiency)
    if method == "qlora":  # the 4-bit base is widened for every product, forward and backward
        work.forward_bytes += (ACTIVATION_BYTES + _FOUR_BIT) * work.weights
        work.backward_bytes += (ACTIVATION_BYTES + _FOUR_BIT) * work.weights
    accumulated = 0.0 if frozen else efficiency.physics.accumulation * _ACCUMULATION_BYTES * work.weights
    forward = work.timed(1.0, 1.0, work.forward_bytes, work.forward_cast, 0.0, shares, efficiency)
    backward = work.timed(
        backward_products(method), ATTENTION_BACKWARD, work.backward_bytes, work.backward_cast, accumulated, shares, efficiency
    )
    return forward, backward


def backward_products(method: Method) -> float:
    """Matrix products of a backward pass over those of the forward one: gradients of inputs alone, or of weights too."""
    return 1.0 if method in ("lora", "qlora") else 2.0


@dataclass(slots=True)
class _Work:
    """Sums over the operations of one pass: forward seconds by kind, bytes and elements forward and backward."""

    products_s: FloatColumn
    experts_s: FloatColumn
    attention_s: FloatColumn
    scan_s: FloatColumn
    score_bytes: FloatColumn
    forward_bytes: FloatColumn
    backward_bytes: FloatColumn
    forward_cast: FloatColumn  # elements that narrow formats are made of
    backward_cast: FloatColumn
    weights: FloatColumn  # elements that gradients are added up for
    blocking_s: FloatColumn  # host waits for the device
    launches: FloatColumn
    host: FloatColumn  # host time that the software saves, over all of it

    @classmethod
    def none(cls, rows: int) -> Self:
        """Nothing yet."""
        return cls(*(np.zeros(rows) for _ in fields(cls)))

    def add_product(self, operation: MatrixProduct, times: int, shares: Shares, efficiency: Efficiency, *, adapted: bool) -> None:
        """Dense products; adapters read the input and add to the output, in three products of low rank."""
        product = matrix_product(operation, shares.share)
        self.products_s += times * gemm_s(product, shares.platform, shares.precision, efficiency)
        self.launches += times
        if operation.part not in ("logits", "router"):  # those stay in 16 bit
            self.forward_cast += times * product.m * product.k
            self.backward_cast += times * product.m * product.n
            self.weights += times * product.weight_elements
        if adapted:
            self.forward_bytes += ACTIVATION_BYTES * times * product.m * (product.k + 3.0 * product.n)
            self.backward_bytes += ACTIVATION_BYTES * times * product.m * (3.0 * product.k + 2.0 * product.n)
            self.launches += 3 * times

    def add_experts(self, operation: ExpertProduct, times: int, shares: Shares, efficiency: Efficiency) -> None:
        """Grouped products; the host reads token counts back, then handles each local expert."""
        product, physics = expert_product(operation, shares.share), efficiency.physics
        fused = operation.gated & efficiency.fuses_experts[shares.platform]
        self.experts_s += times * moe_s(product, shares.platform, shares.precision, efficiency)
        cast = times * np.where(fused, physics.fused, 1.0)
        self.forward_cast += cast * product.m * product.k * product.groups
        self.backward_cast += cast * product.m * product.n * product.groups
        self.host = np.where(fused, 1.0 - physics.graphed, self.host)
        self.weights += times * product.weight_elements
        self.launches += 4 * times
        self.blocking_s += times * 1e-6 * (physics.expert_layer_us / 2.0 + physics.expert_us * product.groups)

    def add_attention(self, operation: AttentionCore, times: int, shares: Shares, efficiency: Efficiency) -> None:
        """Attention cores; without fusion all scores pass through memory, masked or not."""
        flops = attention_flops(operation, shares.share)
        self.attention_s += times * attention_s(flops, operation.qk_dim, shares.platform, efficiency)
        scores = flops / (2.0 * (operation.qk_dim + operation.v_dim)) * (2.0 if operation.causal else 1.0)
        self.score_bytes += times * efficiency.score_bytes[shares.platform] * scores
        self.launches += times

    def add_scan(self, operation: Scan, times: int, shares: Shares, efficiency: Efficiency) -> None:
        """State-space cores and the elements they read and write."""
        tokens = shares.share.tokens / shares.tp
        self.scan_s += times * tokens * operation.flops / efficiency.scan_flops_per_s[shares.platform]
        self.forward_bytes += ACTIVATION_BYTES * times * tokens * operation.elements
        self.backward_bytes += 2.0 * ACTIVATION_BYTES * times * tokens * operation.elements
        self.launches += 4 * times

    def add_memory(self, operation: MemoryPass, times: int, shares: Shares, efficiency: Efficiency) -> None:
        """Element-wise passes."""
        physics = efficiency.physics
        weight = times * np.ones_like(shares.tp)
        if operation.part == "permutation":
            weight *= physics.permutation
        elif operation.part == "gates":
            weight *= np.where(efficiency.fuses_experts[shares.platform], physics.fused, 1.0)
        self.forward_bytes += weight * memory_bytes(operation, shares.share)
        self.backward_bytes += weight * memory_bytes(operation, shares.share, backward=True)
        self.launches += times

    def timed(
        self,
        product_times: float,
        attention_times: float,
        moved: FloatColumn,
        cast: FloatColumn,
        kept: FloatColumn | float,
        shares: Shares,
        efficiency: Efficiency,
    ) -> Pass:
        """Seconds of one pass; what the host takes longer than the device is exposed."""
        zero = np.zeros_like(moved)
        narrow = np.where(_NARROW[shares.precision], efficiency.quantisation[shares.platform] * _CAST_BYTES, 0.0)
        moved = efficiency.traffic[shares.platform] * moved + kept
        unfused_s = memory_bound_s(product_times * self.score_bytes, shares.platform, efficiency)
        computed = Pass(
            products=product_times * self.products_s,
            experts=product_times * self.experts_s,
            attention=attention_times * self.attention_s + unfused_s,
            scan=product_times * self.scan_s,
            elements=memory_bound_s(moved, shares.platform, efficiency),
            quantisation=memory_bound_s(narrow * cast, shares.platform, efficiency),
            launch=zero,
            tensor_parallel=zero,
            context_parallel=zero,
            expert_parallel=zero,
        )
        host_s = product_times * self.launches * efficiency.physics.launch_us * 1e-6
        busy_s = computed.total
        exposed_s = smooth_maximum(busy_s, host_s, _HOST_NORM) - busy_s + self.blocking_s
        return replace(computed, launch=(1.0 - self.host) * exposed_s)


@dataclass(frozen=True, slots=True)
class Messages:
    """Seconds of collectives of one pass if nothing hid them."""

    tensor: FloatColumn
    context: FloatColumn
    expert: FloatColumn


def _communication(counted: Sequence[tuple[Operation, int]], hidden: int, shares: Shares, network: Network) -> Messages:
    """Collectives of a forward pass; the backward pass has the same (equations 3.3 and 3.4)."""
    share, zero = shares.share, np.zeros_like(shares.tp)
    tensor, context, expert = zero, zero, zero
    if np.any(shares.tp > 1):  # one all-gather before and one reduce-scatter after each pair of column and row products
        pairs = sum(count for operation, count in of_kind(counted, MatrixProduct) if operation.split == "row")
        elements = share.tokens * hidden
        inside = ranks_inside(shares.tp, np.ones_like(shares.tp), shares.domain)
        gathered = np.where(_NARROW[shares.precision], _GATHERED_BYTES, ACTIVATION_BYTES) * elements
        each_s = all_gather_s(gathered, shares.tp, inside, network) + reduce_scatter_s(
            ACTIVATION_BYTES * elements, shares.tp, inside, network
        )
        tensor = np.where(shares.tp > 1, pairs * each_s, 0.0)
    if np.any(shares.cp > 1):  # keys and values travel round the ring
        inside = ranks_inside(shares.cp, shares.tp, shares.domain)
        for core, count in of_kind(counted, AttentionCore):
            held = core.kv_heads * (core.qk_dim + core.v_dim) / shares.tp
            whole = ACTIVATION_BYTES * held * share.tokens * shares.cp
            context = context + np.where(shares.cp > 1, count * all_gather_s(whole, shares.cp, inside, network), 0.0)
    if np.any(shares.ep > 1):  # dispatch and combine; a token is sent once to each device, and once to each domain, that it needs
        inside = ranks_inside(shares.ep, np.ones_like(shares.ep), shares.domain)
        domains = shares.ep / inside
        for operation, count in of_kind(counted, ExpertProduct):
            copies = places_reached(operation, np.where(domains > 1, domains, shares.ep))
            width = operation.k if operation.split == "column" else operation.n
            sent = ACTIVATION_BYTES * share.tokens / shares.tp * width * copies
            expert = expert + np.where(shares.ep > 1, count * all_to_all_s(sent, shares.ep, inside, network), 0.0)
    return Messages(np.asarray(tensor), np.asarray(context), np.asarray(expert))


def _with_communication(computed: Pass, messages: Messages, efficiency: Efficiency) -> Pass:
    """The pass with what communication adds beyond what it overlaps with (equation 3.5, as a smooth maximum)."""
    physics = efficiency.physics
    slower = 1.0 / physics.network
    beside = computed.products + computed.experts
    busy = computed.total
    return replace(
        computed,
        tensor_parallel=smooth_maximum(beside, slower * messages.tensor, physics.tensor_overlap) - beside,
        context_parallel=smooth_maximum(computed.attention, slower * messages.context, physics.context_overlap) - computed.attention,
        expert_parallel=smooth_maximum(busy, messages.expert / physics.exchange, physics.expert_overlap) - busy,
    )


def ranks_inside(ranks: FloatColumn, stride: FloatColumn, domain: FloatColumn) -> FloatColumn:
    """Of a group of `ranks`, `stride` devices apart, how many share a scale-up domain, on average over the domains it spans."""
    fit = np.clip(np.floor(domain / stride), 1.0, ranks)
    return np.asarray(ranks / np.ceil(ranks / fit))


def smooth_maximum(a: FloatColumn, b: FloatColumn | float, norm: FloatColumn | float) -> FloatColumn:
    """p-norm: a + b for norm 1, the larger of the two for a large norm (equation 3.5)."""
    return np.asarray((a**norm + b**norm) ** (1.0 / norm))


def _add(a: Pass, b: Pass) -> Pass:
    return Pass(**{item.name: getattr(a, item.name) + getattr(b, item.name) for item in fields(Pass)})
