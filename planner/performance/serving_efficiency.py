"""How much of a platform's peak an engine reaches, and what it adds to each step: the fitted part of serving times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from measurements.kernel_efficiency import Kernels, ProductKernel, kernels, kernels_digest
from measurements.serving_fit import Chip, Engine, Format, Pair, ServingFit, serving_fit, serving_fit_digest
from planner.cluster.platform import Platforms
from planner.performance.efficiency import nearest_relative
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


_PRODUCTS = (("bfloat16",), ("bfloat16",), ("fp8_block",), ("sq", "fp8_block"), ("nvfp4",), ("int4_wo",))  # kernels by PRECISIONS
_EXPERTS = (("bfloat16",), ("bfloat16",), ("fp8_block",), ("fp8_block",), ("nvfp4", "w4a16_mxfp4"), ("int4_wo", "w4a16_mxfp4"))


@dataclass(frozen=True, slots=True)
class ServingEfficiencyTable:
    """Measured kernels joined with the factors fitted to measured runs, for all accelerators and engines that have any."""

    kernels: Mapping[str, Kernels]
    fit: ServingFit
    digest: str
    calibrated: bool = True

    def on(self, platforms: Platforms, engine: str = "generic") -> ServingEfficiency:
        """Rates of `platforms` under `engine`. An accelerator without kernels borrows the shares of peak of its nearest relative."""
        fit, software = self.fit, self.fit.engine(engine)
        physics, compute = fit.physics, software.compute
        names = platforms.accelerator_id
        chips = [fit.accelerators.get(name, Chip()) for name in names]
        memory, speed, expert_memory, expert_speed = np.moveaxis(np.array([self._factors(name) for name in names]), 2, 0)
        launch = np.array([chip.launch for chip in chips])
        linear = np.array([self._curves(platforms, row, experts=False) for row in range(len(names))])
        expert = np.array([self._curves(platforms, row, experts=True) for row in range(len(names))])
        attention = np.array([self._attention(platforms, row) for row in range(len(names))])
        chip_memory, chip_compute = np.array([chip.memory for chip in chips]), np.array([chip.compute for chip in chips])
        return ServingEfficiency(
            linear_flops_per_s=physics.linear_compute * compute * speed * linear[:, 0],
            linear_bytes_per_s=physics.linear_bandwidth * memory * linear[:, 1],
            linear_s=physics.linear_launch * launch[:, None] * linear[:, 2],
            expert_flops_per_s=physics.expert_compute * compute * expert_speed * expert[:, 0],
            expert_bytes_per_s=physics.expert_bandwidth * expert_memory * expert[:, 1],
            expert_s=physics.expert_launch * launch[:, None] * expert[:, 2],
            attention_flops_per_s=physics.attention_compute * compute * chip_compute * attention[:, 0],
            attention_bytes_per_s=physics.attention_bandwidth * chip_memory * attention[:, 1],
            attention_s=physics.attention_launch * launch * attention[:, 2],
            all_reduce=physics.all_reduce,
            exchange=physics.exchange,
            routing=physics.routing,
            imbalance=physics.imbalance,
            engine=_overheads(software, fit),
            calibrated=self.calibrated,
        )

    def _factors(self, name: str) -> list[tuple[float, float, float, float]]:
        """Fitted factors of a chip by format: memory and compute rate of dense and of expert products."""
        chip = self.fit.accelerators.get(name, Chip())
        rows = []
        for precision in PRECISIONS:
            own, pair = self.fit.formats.get(precision, Format()), self.fit.pairs.get(f"{name} {precision}", Pair())
            memory, compute = chip.memory * own.memory * pair.memory, chip.compute * own.compute * pair.compute
            rows.append((memory, compute, memory * own.expert_memory, compute * own.expert_compute))
        return rows

    def _relative(self, platforms: Platforms, row: int) -> Kernels:
        name = platforms.accelerator_id[row]
        known = {key: (chip.peak_flops_per_s["bf16"], chip.memory_bytes_per_s) for key, chip in self.kernels.items()}
        here = float(usable_peak_flops_per_s(platforms)[row, BF16]), float(platforms.memory_bandwidth_bytes_per_s[row])
        return self.kernels[name if name in known else nearest_relative(name, here, known)]

    def _curves(self, platforms: Platforms, row: int, *, experts: bool) -> list[list[float]]:
        """Rates and shortest time of (expert) matrix products, three rows by format."""
        chip = self._relative(platforms, row)
        bandwidth = float(platforms.memory_bandwidth_bytes_per_s[row]) / chip.memory_bytes_per_s
        peaks = usable_peak_flops_per_s(platforms)[row]
        found = [_kernel(chip, index, experts=experts) for index in range(len(PRECISIONS))]
        flops = [kernel.flops_per_s / kernel.peak_flops_per_s * peak for kernel, peak in zip(found, peaks, strict=True)]
        return [flops, [kernel.bytes_per_s * bandwidth for kernel in found], [kernel.launch_s for kernel in found]]

    def _attention(self, platforms: Platforms, row: int) -> tuple[float, float, float]:
        """FLOP/s of prefill, bytes/s and shortest time of decode attention."""
        chip = self._relative(platforms, row)
        decode = chip.decode.get("kv_fp8") or chip.decode["kv_bfloat16"]
        share = chip.prefill["bfloat16_kv_bfloat16"].flops_per_s / chip.peak_flops_per_s["bf16"]
        bandwidth = decode.bytes_per_s / chip.memory_bytes_per_s * float(platforms.memory_bandwidth_bytes_per_s[row])
        return share * float(usable_peak_flops_per_s(platforms)[row, BF16]), bandwidth, decode.launch_s


def _kernel(chip: Kernels, precision: int, *, experts: bool) -> ProductKernel:
    """The first kernel of the format that was measured on the chip, or else the 16-bit one."""
    table = chip.experts if experts else chip.products
    names = [f"{name}_balanced" for name in _EXPERTS[precision]] if experts else list(_PRODUCTS[precision])
    fallback = "bfloat16_balanced" if experts else "bfloat16"
    return table[next((name for name in names if name in table), fallback)]


def _overheads(software: Engine, fit: ServingFit) -> EngineOverheads:
    micro, milli = 1e-6, 1e-3
    return EngineOverheads(
        layer_s=software.layer_us * micro,
        feed_forward_s=software.feed_forward_us * micro,
        expert_layer_s=software.expert_layer_us * micro,
        mla_layer_s=fit.physics.mla_layer_us * micro,
        state_layer_s=fit.physics.state_layer_us * micro,
        step_s=software.step_us * micro,
        sequence_s=software.sequence_us * micro,
        prefill_layer_s=software.prefill_layer_us * micro,
        request_s=software.request_ms * milli,
        handover_s=software.handover_ms * milli,
        steps_waited=software.steps_waited,
        interference=software.interference,
        queue=software.queue,
        kept_waves=software.kept_waves,
        batched_tokens=software.batched_tokens,
        reserved_output=software.reserved_output,
    )


@cache
def load_serving_efficiency() -> ServingEfficiencyTable:
    """The packaged kernels and fit."""
    return ServingEfficiencyTable(kernels(), serving_fit(), f"{kernels_digest()} {serving_fit_digest()}")
