"""Efficiency of training as fitted to measured runs: `fitted/training.yaml`, written by `rackwright calibrate`.

A rate is the kernel tables' rate times the factors that apply: of the physics (all chips), of the number format, of the
accelerator, of the pair of both. A step's time is multiplied by the factors of the software stack and its release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from types import MappingProxyType

from facts.cache import digest_of
from facts.yaml_files import Yaml, parse_yaml

_FILE = "fitted/training.yaml"


@dataclass(frozen=True, slots=True)
class TrainingPhysics:
    """What holds on every accelerator. Rates are relative to the kernel tables, overlaps are exponents of a p-norm."""

    products: float  # matrix products
    attention: float  # attention cores
    older_attention: float  # attention kernels on chips whose matrix units they do not use, relative to others
    attention_dim: float  # head dimension at which softmax costs as much as the products
    memory: float  # achieved share of memory bandwidth
    traffic: float  # bytes of element-wise work over those of the fully fused operations
    quantisation: float  # bytes of casting inputs and gradients to 8 or 4 bit, over one read and two writes
    accumulation: float  # bytes of adding weight gradients up, over one read and write in 32 bit
    experts: float  # grouped products of routed experts relative to dense ones
    permutation: float  # bytes of sorting tokens by expert and back, over one copy each way
    scan: float  # FLOP rate of state-space scans over the 16-bit peak
    exchange: float  # rate of all-to-all exchanges, likewise
    power: float  # exponent of a power limit over the rating, on all rates
    network: float  # rate of collectives beside computation, over their rate alone
    tensor_overlap: float  # 1: communication adds to computation; infinite: the longer hides the shorter
    expert_overlap: float
    context_overlap: float
    data_overlap: float
    shard_overlap: float  # of weights that travel with every micro-batch
    pipeline_overlap: float
    launch_us: float  # host time to launch one operation
    expert_layer_us: float  # synchronisation and index work of one expert layer and pass
    expert_us: float  # the same, of one local expert and product
    graphed: float  # host time that is left where whole steps are launched as one graph
    fused: float  # bytes of casts and gates of experts that are left where the products contain them
    step_ms: float  # fixed, a step
    straggler: float  # spread of a device's step time over its mean
    optimizer: float  # bytes of the optimizer step over one fused read and write


@dataclass(frozen=True, slots=True)
class Software:
    """Factors on the step time of one software stack; releases in the order they came out."""

    dense: float = 1.0
    moe: float = 1.0
    traffic: float = 1.0  # on the bytes of element-wise work: how little the stack fuses
    attention: float = 1.0  # on the rate of attention cores: which kernels the stack has
    score_bytes: float = 0.0  # moved a score where attention is not fused
    fused_experts: str = ""  # first release whose products of gated experts contain gate and casts, in steps launched as one graph
    fused_recipes: frozenset[str] = frozenset()  # of narrow formats, for which that holds
    older_attention: frozenset[str] = frozenset()  # generations of chips whose matrix units its attention kernels do not use
    releases: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # release -> (dense, moe)

    def attention_on(self, generation: str, physics: TrainingPhysics) -> float:
        """Factor on the rate of attention cores on a generation of chips, as far as kernels and matrix units fit each other."""
        return physics.older_attention if generation in self.older_attention else 1.0

    def fuses_experts(self, release: str, recipe: str) -> bool:
        """Whether gated experts run in fused products."""
        return bool(self.fused_experts) and release >= self.fused_experts and recipe in self.fused_recipes

    def factors(self, release: str) -> tuple[float, float]:
        """(dense, moe) of a release; an unknown one counts as the latest that is not newer, or else the latest. "" is neutral."""
        known = self.releases.get(release)
        if known is None and release and self.releases:
            older = [name for name in self.releases if name <= release]
            known = self.releases[max(older) if older else max(self.releases)]
        dense, moe = known or (1.0, 1.0)
        return self.dense * dense, self.moe * moe


NEUTRAL = Software()


@dataclass(frozen=True, slots=True)
class FittedAccelerator:
    """Factor on all rates of an accelerator, and the peaks it refers to, by which relatives find it."""

    rate: float
    attention: float  # further, on attention cores
    peak_flops_per_s: float  # 16 bit, dense
    memory_bytes_per_s: float


UNFITTED = FittedAccelerator(1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class TrainingEfficiency:
    """Everything fitted for training."""

    physics: TrainingPhysics
    accelerators: Mapping[str, FittedAccelerator]
    formats: Mapping[str, float]
    experts: Mapping[str, float]  # by number format: grouped products over dense ones, beside the physics
    pairs: Mapping[tuple[str, str], float]
    recipes: Mapping[str, float]  # of narrow formats, on the bytes of casting
    software: Mapping[str, Software]
    ratios: Mapping[tuple[str, str], tuple[float, float]]  # (what was left out, "dense" or "moe"): measured over predicted step time
    calibrated: bool
    digest: str

    def step_time_interval(self, *, experts: bool, borrowed: bool) -> tuple[float, float]:
        """Low and high end, as factors on a predicted step time, that four of five unseen measured runs fell between.

        `borrowed`: the accelerator has no runs of its own. (0, infinity) before calibration.
        """
        key = ("accelerator" if borrowed else "family", "moe" if experts else "dense")
        return self.ratios.get(key, (0.0, float("inf")))


@cache
def training_efficiency() -> TrainingEfficiency:
    """The packaged fit."""
    content = resources.files("measurements").joinpath(_FILE).read_bytes()
    return parse_training_efficiency(parse_yaml(content, "training.yaml"), digest_of([(_FILE, content)]))


def parse_training_efficiency(raw: Yaml, digest: str = "") -> TrainingEfficiency:
    """A fit from plain data, as `fitted/training.yaml` holds it."""
    top = _mapping(raw)
    physics = _mapping(top["physics"])
    return TrainingEfficiency(
        physics=TrainingPhysics(**{item.name: _value(physics[item.name]) for item in fields(TrainingPhysics)}),
        accelerators=MappingProxyType({key: _accelerator(_mapping(row)) for key, row in _mapping(top["accelerators"]).items()}),
        formats=MappingProxyType({key: _value(value) for key, value in _mapping(top["formats"]).items()}),
        experts=MappingProxyType({key: _value(value) for key, value in _mapping(top.get("experts")).items()}),
        pairs=MappingProxyType(
            {(key, name): _value(value) for key, row in _mapping(top["pairs"]).items() for name, value in _mapping(row).items()}
        ),
        recipes=MappingProxyType({key: _value(value) for key, value in _mapping(top.get("recipes")).items()}),
        software=MappingProxyType({key: parse_software(_mapping(row)) for key, row in _mapping(top["software"]).items()}),
        ratios=MappingProxyType(
            {
                (left_out, kind): _ends(ends)
                for left_out, row in _mapping(top.get("step_time_ratios")).items()
                for kind, ends in _mapping(row).items()
            }
        ),
        calibrated=top.get("calibrated") is True,
        digest=digest,
    )


def _accelerator(raw: Mapping[str, Yaml]) -> FittedAccelerator:
    rate, attention, peak_tflops, memory_gb_per_s = (_value(raw[name]) for name in ("rate", "attention", "peak_tflops", "memory_gb_per_s"))
    return FittedAccelerator(rate, attention, peak_tflops * 1e12, memory_gb_per_s * 1e9)


def parse_software(raw: Mapping[str, Yaml]) -> Software:
    """One stack from plain data; what is not stated is neutral."""

    def factor(row: Mapping[str, Yaml], name: str) -> float:
        return _value(row.get(name, 1.0))

    rows = {key: _mapping(row) for key, row in _mapping(raw.get("releases")).items()}
    releases = {key: (factor(row, "dense"), factor(row, "moe")) for key, row in rows.items()}
    dense, moe, traffic, attention = (factor(raw, name) for name in ("dense", "moe", "traffic", "attention"))
    return Software(
        dense,
        moe,
        traffic,
        attention,
        _value(raw.get("score_bytes", 0.0)),
        str(raw.get("fused_experts", "")),
        _names(raw.get("fused_recipes")),
        _names(raw.get("older_attention")),
        MappingProxyType(releases),
    )


def _names(raw: Yaml) -> frozenset[str]:
    return frozenset(str(name) for name in raw) if isinstance(raw, list) else frozenset()


def _ends(raw: Yaml) -> tuple[float, float]:
    low, high = (float(item) for item in (raw if isinstance(raw, list) else []) if isinstance(item, int | float))
    return low, high


def _mapping(value: Yaml) -> Mapping[str, Yaml]:
    return value if isinstance(value, dict) else {}


def _value(raw: Yaml) -> float:
    """A number, or the `value` of a mapping that also says its prior and error."""
    number = raw.get("value") if isinstance(raw, dict) else raw
    return float(number) if isinstance(number, int | float) else 1.0
