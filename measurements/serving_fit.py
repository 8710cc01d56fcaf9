"""Parameters of serving times: what is believed beforehand and what was fitted to measured runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict

from facts.cache import digest_of
from facts.yaml_files import parse_yaml

_FITTED = "fitted/serving.yaml"
_PRIORS = "fitted/serving_priors.yaml"


class Frozen(BaseModel):
    """Closed and immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Physics(Frozen):
    """Factors on measured kernels, whatever the engine and the chip (comments in serving_priors.yaml)."""

    linear_bandwidth: float
    linear_compute: float
    linear_launch: float
    expert_bandwidth: float
    expert_compute: float
    expert_launch: float
    attention_bandwidth: float
    attention_compute: float
    attention_launch: float
    all_reduce: float
    expert_half_tokens: float
    routing: float
    imbalance: float
    mla_layer_us: float
    state_layer_us: float


class Engine(Frozen):
    """Serving software (see `planner.performance.serving_efficiency.EngineOverheads`)."""

    compute: float
    exchange: float
    layer_us: float
    feed_forward_us: float
    expert_layer_us: float
    step_us: float
    sequence_us: float
    prefill_layer_us: float
    request_ms: float
    handover_ms: float
    steps_waited: float
    interference: float
    queue: float
    mixed_passes: float
    full_passes: float
    kept_waves: float
    batched_tokens: float
    reserved_output: float


class Chip(Frozen):
    """Factors on the rates and launch times of one accelerator."""

    memory: float = 1.0
    compute: float = 1.0
    launch: float = 1.0
    prompt_attention: float = 1.0  # further, on the attention of prompts: not every vendor has a fused kernel for it


class Format(Frozen):
    """Factors on the rates of one number format."""

    memory: float = 1.0
    compute: float = 1.0
    expert_memory: float = 1.0
    expert_compute: float = 1.0


class Client(Frozen):
    """Load generator of a benchmark."""

    client_ms: float = 0.0
    stream_us: float = 0.0


class Errors(Frozen):
    """Relative errors on families the parameters were not fitted to; `low` and `high`: 5 and 95 % of bootstrapped families."""

    rows: int
    families: int
    median: float
    median_low: float
    median_high: float
    p90: float


class Interval80(Frozen):
    """Measured over predicted on left-out families: four of five runs lie between."""

    low: float
    high: float


class ServingFit(Frozen):
    """The whole of `serving.yaml`."""

    physics: Physics
    engines: Mapping[str, Engine]
    groups: Mapping[str, Chip]  # of accelerators without measured kernels: a vendor's, or CPUs
    accelerators: Mapping[str, Chip]
    formats: Mapping[str, Format]
    loads: Mapping[str, Client]
    errors: Mapping[str, Errors] = {}
    intervals: Mapping[str, Interval80] = {}  # by quantity and "dense" or "moe"
    inputs: str = ""  # digest of the rows, priors and kernels that it was fitted to

    def interval(self, quantity: str, *, experts: bool) -> Interval80 | None:
        """Measured over predicted between which four of five runs of unknown families lie; None where none were measured."""
        return self.intervals.get(f"{quantity} {'moe' if experts else 'dense'}")

    def engine(self, name: str) -> Engine:
        """The engine, or what is believed of any."""
        return self.engines.get(name) or self.engines["generic"]


class ServingPriors(Frozen):
    """The whole of `serving_priors.yaml`: (central value, spread of its logarithm)."""

    physics: Mapping[str, tuple[float, float]]
    engine: Mapping[str, tuple[float, float]]
    engines: Mapping[str, Mapping[str, tuple[float, float]]]
    accelerator: Mapping[str, tuple[float, float]]
    group: Mapping[str, tuple[float, float]]
    group_of: Mapping[str, str]
    format: Mapping[str, tuple[float, float]]
    load: Mapping[str, tuple[float, float]]


def serving_priors_digest() -> str:
    """Digest of the beliefs."""
    return digest_of([(_PRIORS, _content(_PRIORS))])


def serving_fit_digest() -> str:
    """Digest of the fitted file."""
    return digest_of([(_FITTED, _content(_FITTED))])


@cache
def serving_fit() -> ServingFit:
    """The packaged parameters, read once."""
    return ServingFit.model_validate(parse_yaml(_content(_FITTED), _FITTED))


def chip_group(accelerator_id: str) -> str:
    """What an accelerator without measured kernels shares its factors with."""
    listed = (group for start, group in serving_priors().group_of.items() if accelerator_id.startswith(start))
    return next(listed, accelerator_id.split("-", 1)[0])


@cache
def serving_priors() -> ServingPriors:
    """The packaged beliefs."""
    return ServingPriors.model_validate(parse_yaml(_content(_PRIORS), _PRIORS))


def _content(name: str) -> bytes:
    return resources.files("measurements").joinpath(name).read_bytes()
