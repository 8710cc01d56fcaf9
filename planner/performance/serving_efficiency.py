"""How much of a platform's peak an engine reaches, and what it adds to each step: the fitted part of serving times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.cluster.platform import Platforms
from planner.search.columns import PRECISIONS, FloatColumn

WEIGHT_BYTES = dict(zip(PRECISIONS, (2.0, 2.0, 1.0002, 1.0, 0.5625, 0.5156), strict=True))  # scales included (section 8.1)
KV_BYTES = (2.0, 1.0, 0.5625)  # an element, by KV_PRECISIONS (section 8.1)


@dataclass(frozen=True, slots=True)
class EngineOverheads:
    """What the serving software adds, whatever the chip computes (equation 4.2, closed loop)."""

    layer_s: float  # launch and small kernels, an attention or state layer and pass
    feed_forward_s: float  # the same, a dense feed-forward layer
    expert_layer_s: float  # the same, an expert layer: routing, permutation, grouping
    mla_layer_s: float  # further, a layer of latent attention
    state_layer_s: float  # further, a recurrent layer
    step_s: float  # scheduling and sampling, a step
    sequence_s: float  # the same, a running sequence and step
    prefill_layer_s: float  # eager launch of a layer in a pass with prompt tokens
    request_s: float  # from arrival to the first pass and from the first token to the client
    steps_waited: float  # decode steps in flight before its first pass
    interference: float  # share of other requests' prefill time that running requests lose


@dataclass(frozen=True, slots=True)
class ServingEfficiency:
    """Fractions of peak, shape (platforms, len(PRECISIONS)) or (platforms,), and the engine's overheads."""

    linear_bandwidth: FloatColumn
    linear_compute: FloatColumn
    expert_bandwidth: FloatColumn
    expert_compute: FloatColumn
    attention_bandwidth: FloatColumn
    attention_compute: FloatColumn
    collective_bandwidth: FloatColumn
    collective_s: FloatColumn  # launch of one collective
    launch: FloatColumn  # factor on the engine's launch times: slower hosts and shorter kernels
    routing: float  # exponent of a batch's tokens that route independently: 1 uniform, less where tokens choose alike
    engine: EngineOverheads
    calibrated: bool

    @classmethod
    def roofline(cls, platforms: Platforms) -> ServingEfficiency:
        """The roofline itself: measured matmul fraction where there is one, else peak; nothing fitted."""
        shape = platforms.peak_flops_per_s.shape
        ones = np.ones(shape[0])
        compute = np.where(np.isnan(platforms.matmul_fraction), 1.0, platforms.matmul_fraction)
        engine = EngineOverheads(0, 0, 0, 0, 0, 0, 0, 0, 0, steps_waited=1.0, interference=1.0)
        return cls(
            np.ones(shape), compute, np.ones(shape), compute, ones, ones, ones, np.zeros(shape[0]), ones, 1.0, engine, calibrated=False
        )
