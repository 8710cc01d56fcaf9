"""How much of a platform's peak an engine reaches, and what it adds to each step: the fitted part of serving times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.cluster.platform import Platforms
from planner.search.columns import PRECISIONS, FloatColumn

BF16 = PRECISIONS.index("bf16")
FOUR_BIT = (PRECISIONS.index("fp4"), PRECISIONS.index("int4"))
WEIGHT_BYTES = (2.0, 2.0, 1.0002, 1.0, 0.5625, 0.5156)  # an element, by PRECISIONS, scales included (section 8.1)
KV_BYTES = (2.0, 1.0, 0.5625)  # an element, by KV_PRECISIONS (section 8.1)


@dataclass(frozen=True, slots=True)
class EngineOverheads:
    """What the serving software adds, whatever the chip computes (equation 4.2, closed loop)."""

    layer_s: float  # small kernels and gaps between kernels, an attention or state layer and pass
    feed_forward_s: float  # the same, a dense feed-forward layer
    expert_layer_s: float  # the same, an expert layer: routing, permutation, grouping
    mla_layer_s: float  # further, a layer of latent attention
    state_layer_s: float  # further, a recurrent layer
    step_s: float  # scheduling and sampling, a step
    sequence_s: float  # the same, a running sequence and step
    prefill_layer_s: float  # eager launch of a layer in a pass with prompt tokens
    request_s: float  # from arrival to the first pass and from the first token to the client
    handover_s: float  # further, from a prefill replica to a decode replica, beside the transfer itself
    steps_waited: float  # decode steps in flight before a prompt's first pass
    interference: float  # share of other requests' prefill time that running requests lose
    queue: float  # queue of a first wave that arrives at once, over the prefills of half of it
    kept_waves: float  # share of requests that stay in waves when all answers have the same length
    batched_tokens: float  # prompt tokens of one pass at most
    reserved_output: float  # share of an answer for which cache is set aside when a request starts


@dataclass(frozen=True, slots=True)
class ServingEfficiency:
    """Rates that an engine reaches: shape (platforms, len(PRECISIONS)), attention (platforms,), and its overheads."""

    linear_flops_per_s: FloatColumn
    linear_bytes_per_s: FloatColumn
    linear_s: FloatColumn  # shortest time of one matrix product
    expert_flops_per_s: FloatColumn
    expert_bytes_per_s: FloatColumn
    expert_s: FloatColumn  # shortest time of one layer's routed experts
    attention_flops_per_s: FloatColumn
    attention_bytes_per_s: FloatColumn
    attention_s: FloatColumn  # shortest time of one attention core
    all_reduce: float  # factor on the time of an all-reduce
    exchange: float  # factor on the time of an expert exchange
    routing: float  # exponent of a batch's tokens that route independently: 1 uniform, less where tokens choose alike
    imbalance: float  # load of the fullest of the ranks that share the experts, over that of random routing
    engine: EngineOverheads
    calibrated: bool

    @classmethod
    def roofline(cls, platforms: Platforms) -> ServingEfficiency:
        """The roofline itself: measured matmul fraction where there is one, else peak; nothing fitted."""
        fraction = np.where(np.isnan(platforms.matmul_fraction), 1.0, platforms.matmul_fraction)
        flops_per_s = usable_peak_flops_per_s(platforms) * fraction
        memory = platforms.memory_bandwidth_bytes_per_s
        every = np.repeat(memory[:, None], flops_per_s.shape[1], axis=1)
        none = np.zeros_like(memory)
        return cls(
            linear_flops_per_s=flops_per_s,
            linear_bytes_per_s=every,
            linear_s=np.zeros_like(every),
            expert_flops_per_s=flops_per_s,
            expert_bytes_per_s=every,
            expert_s=np.zeros_like(every),
            attention_flops_per_s=flops_per_s[:, BF16],
            attention_bytes_per_s=memory,
            attention_s=none,
            all_reduce=1.0,
            exchange=1.0,
            routing=1.0,
            imbalance=1.0,
            engine=EngineOverheads(
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                steps_waited=1.0,
                interference=1.0,
                queue=1.0,
                kept_waves=0.0,
                batched_tokens=8192.0,
                reserved_output=0.5,
            ),
            calibrated=False,
        )


def usable_peak_flops_per_s(platforms: Platforms) -> FloatColumn:
    """Peak of each format, that of 16 bit where the chip lacks the format: weights are then widened on the way in."""
    peak = platforms.peak_flops_per_s
    half = np.fmax(peak[:, BF16], peak[:, PRECISIONS.index("fp16")])
    return np.where(np.isnan(peak), half[:, None], peak)
