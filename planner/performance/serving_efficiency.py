"""How much of a platform's peak an engine reaches, and what it adds to each step: the fitted part of serving times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

from hardware_db import load_hardware
from measurements.engine_kernels import EngineKernels, engine_kernels
from measurements.kernel_efficiency import Kernels, kernels, kernels_digest
from measurements.serving_fit import Chip, Engine, Format, ServingFit, chip_group, serving_fit, serving_fit_digest
from planner.cluster.platform import Platforms
from planner.performance.relatives import nearest_relative
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
    mixed_passes: float  # share of passes with prompts that decode other requests as well, instead of holding them up
    full_passes: float  # share of passes with prompts that are full where prompts always wait
    kept_waves: float  # share of requests that stay in waves when all answers have the same length
    batched_tokens: float  # prompt tokens of one pass at most
    reserved_output: float  # share of an answer for which cache is set aside when a request starts


@dataclass(frozen=True, slots=True)
class ServingEfficiency:
    """Rates that an engine reaches, and its overheads.

    Shapes: matrix products (platforms, PRECISIONS), attention over the cache (platforms, KV_PRECISIONS), attention of
    prompts (platforms,).
    """

    linear_flops_per_s: FloatColumn
    linear_bytes_per_s: FloatColumn
    linear_s: FloatColumn  # shortest time of one matrix product
    expert_flops_per_s: FloatColumn  # of experts with many tokens each
    expert_bytes_per_s: FloatColumn
    expert_s: FloatColumn  # shortest time of one layer's routed experts
    attention_flops_per_s: FloatColumn
    attention_bytes_per_s: FloatColumn
    attention_s: FloatColumn  # shortest time of one attention core
    all_reduce: float  # factor on the time of an all-reduce
    exchange: float  # factor on the time of an expert exchange
    routing: float  # exponent of a batch's tokens that route independently: 1 uniform, less where tokens choose alike
    expert_half_tokens: float  # tokens of one expert at which its products reach half of that rate
    imbalance: float  # load of the fullest of the ranks that share the experts, over that of random routing
    engine: EngineOverheads
    calibrated: bool

    @classmethod
    def roofline(cls, platforms: Platforms) -> ServingEfficiency:
        """The roofline itself: measured matmul fraction where there is one, else peak; nothing fitted."""
        fraction = np.where(np.isnan(platforms.matmul_fraction), 1.0, platforms.matmul_fraction)
        flops_per_s = usable_peak_flops_per_s(platforms) * fraction
        memory = platforms.memory_bandwidth_bytes_per_s
        every = np.repeat(memory[:, None], len(PRECISIONS), axis=1)
        cache = every[:, : len(KV_BYTES)]
        return cls(
            linear_flops_per_s=flops_per_s,
            linear_bytes_per_s=every,
            linear_s=np.zeros_like(every),
            expert_flops_per_s=flops_per_s,
            expert_bytes_per_s=every,
            expert_s=np.zeros_like(every),
            attention_flops_per_s=flops_per_s[:, BF16],
            attention_bytes_per_s=cache,
            attention_s=np.zeros_like(cache),
            all_reduce=1.0,
            exchange=1.0,
            routing=1.0,
            expert_half_tokens=0.0,
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
                mixed_passes=1.0,
                full_passes=1.0,
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


_HALF = ("bfloat16",)
_FP8 = ("fp8_block", "fp8", *_HALF)
_MATRIX = (_HALF, _HALF, _FP8, ("sq", *_FP8), ("nvfp4", "int4_wo", *_HALF), ("int4_wo", *_HALF))  # kernels by PRECISIONS
_EXPERTS = (
    _HALF,
    _HALF,
    _FP8,
    _FP8,
    ("nvfp4", "w4a16_mxfp4", "int4_wo", *_HALF),
    ("int4_wo", "w4a16_mxfp4", *_HALF),
)
_CACHE = (_HALF, ("fp8", *_HALF), ("fp8", *_HALF))  # by KV_PRECISIONS


@dataclass(frozen=True, slots=True)
class MeasuredRates:
    """Kernels of an engine on some platforms: (flops/s, bytes/s, shortest time) x platforms x format; peak and rate of memory."""

    matrix: FloatColumn  # formats: PRECISIONS
    experts: FloatColumn
    decode: FloatColumn  # formats: KV_PRECISIONS
    prefill_flops_per_s: FloatColumn
    peak_flops_per_s: FloatColumn  # platforms x PRECISIONS
    memory_bytes_per_s: FloatColumn
    widening: FloatColumn  # platforms x PRECISIONS: rate of grouped products of formats the chip lacks over that of 16 bit, else 1

    @classmethod
    def of(cls, measured: EngineKernels, platforms: Platforms, engine: str) -> Self:
        """An accelerator without kernels gets the shares of peak and of bandwidth of its nearest relative."""
        peaks = usable_peak_flops_per_s(platforms)
        rows = [_chip_rates(measured, platforms, row, peaks[row], engine) for row in range(len(peaks))]
        matrix, experts, decode = (np.moveaxis(np.array([chip[part] for chip in rows]), 2, 0) for part in range(3))
        slower = np.minimum(experts[0] / experts[0][:, BF16, None], 1.0)
        widening = np.where(np.isnan(platforms.peak_flops_per_s), slower, 1.0)
        memory = platforms.memory_bandwidth_bytes_per_s
        return cls(matrix, experts, decode, np.array([chip[3] for chip in rows]), peaks, memory, widening)


def _chip_rates(
    measured: EngineKernels, platforms: Platforms, row: int, peak: FloatColumn, engine: str
) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]], list[tuple[float, ...]], float]:
    accelerator, bandwidth = platforms.accelerators[row], float(platforms.memory_bandwidth_bytes_per_s[row])
    references = {key: chip for key, chip in kernels().items() if key in measured.accelerators}
    known = {key: load_hardware().accelerators[key] for key in references}
    relative = accelerator.id if accelerator.id in known else nearest_relative(accelerator, known)
    reference = references[relative]
    half = reference.peak_flops_per_s["bf16"]
    listed = [reference.peak_flops_per_s.get(precision) or half for precision in PRECISIONS]
    speed, memory = np.ones(len(PRECISIONS)), 1.0
    if accelerator.id != relative:
        speed = peak / np.array(listed) * _sustained(measured, platforms, row, reference, relative)
        memory = bandwidth / reference.memory_bytes_per_s

    def rates(operation: str, formats: tuple[str, ...], faster: float) -> tuple[float, ...]:
        kernel = measured.find(relative, operation, formats, engine if operation == "decode" else "")
        return kernel.flops_per_s * faster, kernel.bytes_per_s * memory, kernel.launch_s

    matrix = [rates("matrix", formats, speed[column]) for column, formats in enumerate(_MATRIX)]
    experts = [rates("experts", formats, speed[column]) for column, formats in enumerate(_EXPERTS)]
    decode = [rates("decode", formats, 1.0) for formats in _CACHE]
    return matrix, experts, decode, rates("prefill", _HALF, speed[BF16])[0]


def _sustained(measured: EngineKernels, platforms: Platforms, row: int, reference: Kernels, relative: str) -> FloatColumn:
    """Best measured product of a chip over its peak, relative to that of the chip whose kernels it borrows; 1 where nobody measured."""
    own = platforms.matmul_fraction[row]
    own = np.where(np.isnan(own), own[BF16], own)
    borrowed = measured.find(relative, "matrix", _HALF).flops_per_s / reference.peak_flops_per_s["bf16"]
    return np.asarray(np.nan_to_num(own / borrowed, nan=1.0))


@dataclass(frozen=True, slots=True)
class ServingEfficiencyTable:
    """Measured kernels joined with the factors fitted to measured runs, for all accelerators and engines that have any."""

    kernels: EngineKernels
    fit: ServingFit
    digest: str
    calibrated: bool = True

    def on(self, platforms: Platforms, engine: str = "generic") -> ServingEfficiency:
        """Rates of `platforms` under `engine`."""
        return self.joined(MeasuredRates.of(self.kernels, platforms, engine), platforms.accelerator_id, engine)

    def joined(self, measured: MeasuredRates, accelerators: tuple[str, ...], engine: str) -> ServingEfficiency:
        """Measured kernels times the fitted factors; nothing computes or reads faster than its data sheet says."""

        def read_bytes_per_s(share: FloatColumn, kernels_bytes_per_s: FloatColumn) -> FloatColumn:
            return np.minimum(share * kernels_bytes_per_s, measured.memory_bytes_per_s[:, None])

        fit, software = self.fit, self.fit.engine(engine)
        physics, compute = fit.physics, software.compute
        chips = [self._chip(name) for name in accelerators]
        launch, memory, speed = np.array([(chip.launch, chip.memory, chip.compute) for chip in chips]).T[:, :, None]
        prompts = np.array([chip.compute * chip.prompt_attention for chip in chips])
        formats = [fit.formats.get(precision, Format()) for precision in PRECISIONS]
        format_memory, format_speed, expert_memory, expert_speed = np.array(
            [(own.memory, own.compute, own.expert_memory, own.expert_compute) for own in formats]
        ).T
        linear_flops_per_s = physics.linear_compute * compute * speed * format_speed * measured.matrix[0]
        return ServingEfficiency(
            linear_flops_per_s=np.fmin(linear_flops_per_s, measured.peak_flops_per_s),
            linear_bytes_per_s=read_bytes_per_s(physics.linear_bandwidth * memory * format_memory, measured.matrix[1]),
            linear_s=physics.linear_launch * launch * measured.matrix[2],
            expert_flops_per_s=np.fmin(
                physics.expert_compute * expert_speed * measured.widening * linear_flops_per_s, measured.peak_flops_per_s
            ),
            expert_bytes_per_s=read_bytes_per_s(physics.expert_bandwidth * memory * format_memory * expert_memory, measured.experts[1]),
            expert_s=physics.expert_launch * launch * measured.experts[2],
            attention_flops_per_s=physics.attention_compute * compute * prompts * measured.prefill_flops_per_s,
            attention_bytes_per_s=read_bytes_per_s(physics.attention_bandwidth * memory, measured.decode[1]),
            attention_s=physics.attention_launch * launch * measured.decode[2],
            all_reduce=physics.all_reduce,
            exchange=software.exchange,
            routing=physics.routing,
            expert_half_tokens=physics.expert_half_tokens,
            imbalance=physics.imbalance,
            engine=_overheads(software, fit),
            calibrated=self.calibrated,
        )

    def _chip(self, name: str) -> Chip:
        """Fitted factors of a chip; one without kernels has its group's besides, or the mean of all groups if that has none."""
        own = self.fit.accelerators.get(name, Chip())
        if name in self.kernels.accelerators:
            return own
        groups = self.fit.groups
        found = [groups[chip_group(name)]] if chip_group(name) in groups else list(groups.values()) or [Chip()]
        factors = [own.model_dump(), *(Chip.model_validate(group).model_dump() for group in found)]
        typical = {name: float(np.exp(np.mean(np.log([group[name] for group in factors[1:]])))) for name in factors[0]}
        return Chip(**{name: factors[0][name] * value for name, value in typical.items()})


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
        mixed_passes=software.mixed_passes,
        full_passes=software.full_passes,
        kept_waves=software.kept_waves,
        batched_tokens=software.batched_tokens,
        reserved_output=software.reserved_output,
    )


@cache
def load_serving_efficiency() -> ServingEfficiencyTable:
    """The packaged kernels and fit."""
    measured = engine_kernels()
    return ServingEfficiencyTable(measured, serving_fit(), f"{measured.digest} {kernels_digest()} {serving_fit_digest()}")
