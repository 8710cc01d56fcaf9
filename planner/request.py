"""What is asked: a frozen, versioned `PlanRequest`, the same thing in YAML, JSON, a link, a form and Python.

Every field has its meaning, unit, bounds and default in `planner.defaults`; what the asker leaves out is an assumption
that the plan lists. Unknown keys are refused, numbers are finite and bounded, lists are short: a request may come from
anyone.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from facts.errors import Fault, RackwrightError, shown
from model_db.architecture import Architecture
from planner.defaults import VERSION, request_field

Id = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
Ids = Annotated[tuple[Id, ...], Field(max_length=200)]
Precision = Literal["bf16", "fp16", "fp8", "int8", "fp4", "int4"]
Objective = Literal["cost", "time", "throughput", "power", "carbon", "per_dollar", "per_watt"]


class Frozen(BaseModel):
    """Closed and immutable; numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


MOST_LAYERS, MOST_FORMS = 2_000, 64  # of a model of the asker's own: ten times the deepest published one, twice the most varied


class OwnModel(Frozen):
    """A model that the asker brings: its name and whole architecture."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    architecture: Architecture
    native_weight_format: str | None = None

    def oversizes(self) -> Iterator[Fault]:
        """What takes longer to plan for than a server can wait: too many layers, or too many that differ."""
        blocks = [block for stack in self.architecture.stacks for block in stack.blocks]
        found = {"layers": sum(block.repeat for block in blocks), "different layers": len({block.layers for block in blocks})}
        for (what, count), most in zip(found.items(), (MOST_LAYERS, MOST_FORMS), strict=True):
            if count > most:
                yield Fault("out_of_range", field="model.architecture", value=f"{count} {what}", allowed=f"1 to {most}")


class Training(Frozen):
    """Train or fine-tune on so many tokens, by a deadline or on a given number of accelerators."""

    kind: Literal["training"] = "training"
    method: Literal["pretrain", "finetune", "lora", "qlora"] = request_field("workload.method")
    tokens: float = request_field("workload.tokens")
    sequence_tokens: int = request_field("workload.sequence_tokens")
    global_batch_tokens: float = request_field("workload.global_batch_tokens")
    deadline_days: float = request_field("workload.deadline_days")
    devices: int | None = request_field("workload.devices")
    lora_rank: int = request_field("workload.lora_rank")
    optimizer: Literal["adamw", "adamw8bit", "adafactor", "sgd", "muon"] = request_field("workload.optimizer")
    recompute: Literal["auto", "none", "selective", "full"] = request_field("workload.recompute")
    offload: Literal["none", "optimizer", "states"] = request_field("workload.offload")
    offload_to: Literal["host", "nvme"] = request_field("workload.offload_to")
    goodput: float = request_field("workload.goodput")
    start_up_minutes: float = request_field("workload.start_up_minutes")


class Serving(Frozen):
    """Answer so many requests a second within limits on latency."""

    kind: Literal["serving"] = "serving"
    requests_per_s: float = request_field("workload.requests_per_s")
    input_tokens: int = request_field("workload.input_tokens")
    output_tokens: int = request_field("workload.output_tokens")
    ttft_s: float = request_field("workload.ttft_s")
    tpot_s: float = request_field("workload.tpot_s")
    end_to_end_s: float | None = request_field("workload.end_to_end_s")
    peak_to_mean: float = request_field("workload.peak_to_mean")
    prefix_hit_rate: float = request_field("workload.prefix_hit_rate")
    utilisation_limit: float = request_field("workload.utilisation_limit")
    engine: Literal["vllm", "sglang", "trtllm", "generic"] = request_field("workload.engine")
    kv_precision: Literal["auto", "bf16", "fp8"] = request_field("workload.kv_precision")
    deployment: Literal["auto", "aggregated", "disaggregated"] = request_field("workload.deployment")
    kv_offload: Literal["none", "host", "nvme"] = request_field("workload.kv_offload")
    cached_sessions: int = request_field("workload.cached_sessions")
    speculation: Literal["none", "mtp", "draft"] = request_field("workload.speculation")
    draft_model: Id | None = request_field("workload.draft_model")
    drafted_tokens: int = request_field("workload.drafted_tokens")
    draft_acceptance: float = request_field("workload.draft_acceptance")


class Limits(Frozen):
    """What a plan may use and cost. Empty lists mean no restriction."""

    accelerators: Ids = request_field("limits.accelerators")
    vendors: Annotated[tuple[Annotated[str, StringConstraints(max_length=40)], ...], Field(max_length=40)] = request_field("limits.vendors")
    statuses: tuple[Literal["available", "announced", "legacy"], ...] = request_field("limits.statuses")
    max_devices: int = request_field("limits.max_devices")
    budget_usd: float | None = request_field("limits.budget_usd")
    power_w: float | None = request_field("limits.power_w")


class Site(Frozen):
    """Where and how the hardware is had: bought or rented, power, carbon, period."""

    acquisition: Literal["best", "buy", "rent"] = request_field("site.acquisition")
    years: float = request_field("site.years")
    pue: float = request_field("site.pue")
    electricity_usd_per_kwh: float = request_field("site.electricity_usd_per_kwh")
    carbon_g_per_kwh: float = request_field("site.carbon_g_per_kwh")
    maintenance_share: float = request_field("site.maintenance_share")
    residual_share: float = request_field("site.residual_share")
    utilisation: float = request_field("site.utilisation")
    cloud_term: Literal["on_demand", "spot", "reserved_1y", "reserved_3y"] = request_field("site.cloud_term")


class Assumptions(Frozen):
    """Figures of the method that an expert may overrule."""

    memory_reserve: float = request_field("assumptions.memory_reserve")
    power_share: float = request_field("assumptions.power_share")


class OwnPrice(Frozen):
    """The asker's own price of a catalog part: USD for one unit bought, or per accelerator and hour rented."""

    id: Id
    buy_usd: Annotated[float, Field(ge=0, le=1e9)] | None = None
    rent_usd_per_h: Annotated[float, Field(ge=0, le=1e5)] | None = None


class Owned(Frozen):
    """Pieces of a catalog part that the asker has already: used first, not bought again."""

    id: Id
    quantity: Annotated[int, Field(ge=1, le=10_000_000)]


class RoomLimits(Frozen):
    """An existing room that what is bought has to stand in. None: no limit. With two feeds either must carry all of the load."""

    racks: int | None = request_field("room.racks")
    rack_units: int | None = request_field("room.rack_units")
    rack_w: float | None = request_field("room.rack_w")
    feed_a_w: float | None = request_field("room.feed_a_w")
    feed_b_w: float | None = request_field("room.feed_b_w")
    liquid: bool | None = request_field("room.liquid")


class FabricChoice(Frozen):
    """How the network between accelerators is built."""

    technology: Literal["auto", "infiniband", "roce", "spectrum-x"] = request_field("fabric.technology")
    oversubscription: float = request_field("fabric.oversubscription")
    planes: int = request_field("fabric.planes")
    rail_optimised: bool = request_field("fabric.rail_optimised")


class PlanRequest(Frozen):
    """The whole question. `model` is an id of the model library or a model of the asker's own."""

    version: Literal[1] = 1
    model: Id | OwnModel
    workload: Annotated[Training | Serving, Field(discriminator="kind")]
    precisions: Annotated[tuple[Precision, ...], Field(max_length=6)] = request_field("precisions")
    objective: Objective = request_field("objective")
    limits: Limits = Limits()
    site: Site = Site()
    fabric: FabricChoice = FabricChoice()
    room: RoomLimits = RoomLimits()
    assumptions: Assumptions = Assumptions()
    prices: Annotated[tuple[OwnPrice, ...], Field(max_length=200)] = ()
    stock: Annotated[tuple[Owned, ...], Field(max_length=200)] = ()

    @classmethod
    def parse(cls, raw: object, where: str = "request") -> Self:
        """A request from untrusted plain data. Raises `RackwrightError` with every fault found."""
        if not isinstance(raw, Mapping):
            raise RackwrightError(Fault("not_a_mapping", where, value=shown(raw)))
        version = raw.get("version", VERSION)
        if isinstance(version, int) and version > VERSION:
            raise RackwrightError(Fault("newer_version", where, "version", shown(version), str(VERSION)))
        try:
            request = cls.model_validate(raw)
        except ValidationError as error:
            raise RackwrightError(*_faults(error, where)) from None
        if isinstance(request.model, OwnModel) and (oversizes := tuple(request.model.oversizes())):
            raise RackwrightError(*(replace(fault, where=where) for fault in oversizes))
        return request

    def canonical_json(self) -> str:
        """The request as JSON with sorted keys: equal requests give equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def digest(self) -> str:
        """Content digest, part of a plan's cache key."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()[:16]


_UNION_MARKS = {"training", "serving", "constrained-str", "OwnModel"}  # pydantic names the branch of a union in the path


def _faults(error: ValidationError, where: str) -> Iterator[Fault]:
    for item in error.errors(include_url=False):
        path = ".".join(str(part) for part in item["loc"] if part not in _UNION_MARKS and "[" not in str(part))
        context: Mapping[str, Any] = item.get("ctx", {})
        match item["type"]:
            case "missing":
                yield Fault("missing_field", where, path)
            case "extra_forbidden":
                near = difflib.get_close_matches(path.rsplit(".", 1)[-1], _all_field_names(), n=1)
                yield Fault("unknown_field", where, path, hint=near[0] if near else "")
            case "literal_error" | "union_tag_invalid":
                yield Fault(
                    "not_allowed", where, path, shown(item["input"]), str(context.get("expected", context.get("expected_tags", "")))
                )
            case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
                yield Fault("out_of_range", where, path, shown(item["input"]), _bounds(path, context))
            case _:
                yield Fault("wrong_form", where, path, shown(item["input"]), item["msg"])


def _bounds(path: str, context: Mapping[str, Any]) -> str:
    from planner.defaults import field_table  # noqa: PLC0415

    row = field_table().fields.get(path)
    if row is None:
        return ", ".join(f"{key} {value}" for key, value in context.items())
    return f"{row.minimum:g} to {row.maximum:g} {row.unit}".strip() if row.maximum is not None and row.minimum is not None else ""


def _all_field_names() -> list[str]:
    given: tuple[type[BaseModel], ...] = (Limits, Site, FabricChoice, RoomLimits, Assumptions, OwnPrice, Owned)
    models: tuple[type[BaseModel], ...] = (PlanRequest, Training, Serving, *given)
    return sorted({name for model in models for name in model.model_fields})
