"""What comes out: a `Plan` of ranked recommendations, each with its parts, and the account of the search.

Plain frozen data that goes to JSON as it is: same request, same library, same version give the same bytes. It holds no
time stamp and no duration. Money is USD over the plan's period, power is W at the facility unless the name says IT.
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict

from planner.request import PlanRequest

Resource = Literal["compute", "memory", "network", "storage", "host", "overhead"]


class Frozen(BaseModel):
    """Immutable output record."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Strategy(Frozen):
    """How the model is spread over one replica (serving) or the whole run (training)."""

    tp: int = 1
    pp: int = 1
    virtual_stages: int = 1
    cp: int = 1
    ep: int = 1
    dp: int = 1
    zero_stage: int = 0
    micro_batch: int = 1
    schedule: str = ""
    recompute: str = ""
    precision: str = ""  # of weights and matrix products
    kv_precision: str = ""
    batch: float | None = None  # serving: requests decoded together in one replica


class Interval(Frozen):
    """Low and high end that the figure falls into with `coverage` probability; None while uncalibrated."""

    low: float
    high: float
    coverage: float


class BillLine(Frozen):
    """One line of the bill of materials. Prices None: quote needed."""

    part: str
    catalog_id: str
    quantity: float
    unit_power_w: float | None
    unit_low_usd: float | None
    unit_typical_usd: float | None
    unit_high_usd: float | None
    price_date: str
    price_basis: str
    source: str
    subtotal_usd: float | None


class Cost(Frozen):
    """Money over the plan's period. `parts` add up to `total_usd`; `at_least` when a price in it is unknown."""

    acquisition: Literal["buy", "rent"]
    period_days: float
    parts: dict[str, float]
    total_usd: float
    capital_usd: float  # purchase price of everything bought, before depreciation and residual value
    usd_per_device_hour: float
    usd_per_million_tokens: float
    usd_per_million_input_tokens: float | None = None  # serving: the whole split by what prompts and answers take
    usd_per_million_output_tokens: float | None = None
    at_least: bool
    unpriced: tuple[str, ...] = ()
    price_date: str = ""


class Power(Frozen):
    """`it_parts_w` (accelerators, hosts, network, storage) times PUE is `facility_w`; None where a rating is unknown."""

    it_parts_w: dict[str, float]  # only what is known
    it_w: float | None
    cooling_w: float | None
    facility_w: float | None
    rated_facility_w: float | None  # with every part at its rated maximum: what feeds and limits are sized for
    energy_kwh: float | None  # over the period
    joules_per_token: float | None = None  # trained, or read and written
    joules_per_input_token: float | None = None  # serving: split as the cost is
    joules_per_output_token: float | None = None
    carbon_kgco2e: float | None  # operational, over the period


class MemoryUse(Frozen):
    """Bytes on the fullest device by part; `capacity_bytes` is what the driver leaves to use. What training keeps off the
    device takes `host_bytes` of host memory and `nvme_bytes` of drives for each device.
    """

    parts: dict[str, float]
    used_bytes: float
    capacity_bytes: float
    reserve_bytes: float
    host_bytes: float = 0.0
    nvme_bytes: float = 0.0


class Bottleneck(Frozen):
    """What limits: the resource and operation with the longest time, and its share of the step."""

    resource: Resource
    operation: str
    share: float
    time_parts_s: dict[str, float]  # by operation; add up to the step (training) or to one decode step (serving)
    resources_s: dict[Resource, float]  # the same time by resource


class RooflinePoint(Frozen):
    """What one device does in one phase of the work. Serving: a prompt that arrives alone, a decode step; training: a step."""

    phase: Literal["prefill", "decode", "step"]
    operation: str  # a part of `Bottleneck.time_parts_s`; empty: all of the phase, with what it waits for
    flops: float
    moved_bytes: float  # to and from device memory
    time_s: float


class Roofline(Frozen):
    """Roofs of the accelerator by its data sheet, and where the operations of the plan stand below them."""

    peak_flops_per_s: dict[str, float]  # dense, by number format
    memory_bytes_per_s: float
    points: tuple[RooflinePoint, ...]


class Performance(Frozen):
    """Training fills step and run time, serving fills latencies and rates; the rest is None."""

    tokens_per_s: float  # training: trained tokens; serving: generated tokens at the planned rate
    tokens_per_s_per_device: float
    step_s: float | None = None
    mfu: float | None = None
    run_s: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    end_to_end_s: float | None = None
    capacity_requests_per_s: float | None = None  # of all replicas within the limits
    limited_by: str = ""  # serving, what keeps a replica from doing more, by its code: ttft, tpot, memory, rate
    calibrated: bool = False
    interval: Interval | None = None  # of tokens_per_s, where that is predicted: in training
    ttft_interval: Interval | None = None
    tpot_interval: Interval | None = None
    basis: str = ""


class LeftAfter(Frozen):
    """Shares that are left of a network after one part of it fails: of the bisection, and of the worst hit endpoint's rate."""

    bisection: float
    endpoint_rate: float
    cut_off: int  # endpoints without any path


class FabricNetwork(Frozen):
    """One network as built; counts are of all planes."""

    name: Literal["compute", "storage", "front_end"]
    switch_id: str
    planes: int
    tiers: int
    leaves: int
    spines: int
    cores: int
    links: tuple[int, int, int]  # endpoint to leaf, leaf to spine, spine to core
    endpoints: int  # ports of servers, on one plane
    endpoint_bytes_per_s: float  # of such a port, one direction
    oversubscription: float
    bisection_bytes_per_s: float
    hops: int  # switches on the longest path
    latency_s: float  # one way over the longest path: switches, fibre, NIC and software
    free_ports: int  # of the leaves: room to grow without a further switch
    most_endpoints: int  # on one plane, with further switches and the same tiers
    after_failure: dict[Literal["link", "leaf", "spine", "core", "plane"], LeftAfter]  # of the parts that it has


class FabricRacks(Frozen):
    """Racks that everything stands in, at rated power."""

    racks: int
    server_racks: int  # of these, with servers
    servers_per_rack: int
    rack_units: float  # of one rack
    fullest_rack_w: float
    rack_limit_w: float  # by its class of cooling and the room
    cooling_class: str  # code: air_standard, air_high_density, direct_liquid, liquid_future
    liquid_w: float  # heat that liquid takes away
    it_w: float


class FabricHost(Frozen):
    """What one server needs and is given beside its accelerators. None: not known; ids empty where nothing is added."""

    memory_needed_bytes: float
    memory_included_bytes: float | None
    memory_module_id: str
    memory_modules: int
    memory_added_bytes: float
    memory_bytes_per_s: float | None  # of all channels, where modules are added
    drives_needed_bytes: float
    drives_included_bytes: float | None
    drive_id: str
    drives: int
    drives_added_bytes: float


class Fabric(Frozen):
    """The machine room around the accelerators of a bought cluster."""

    networks: tuple[FabricNetwork, ...]  # none around a single server
    racks: FabricRacks
    host: FabricHost


class Support(Frozen):
    """What is known of a serving engine with the model and the number format on the accelerator; read on a date in the sources."""

    engine: str
    release: str
    read: str
    precision: Literal["native", "weights", "runs", "unknown"]  # in units of the chip, widened on the way in, source does not say which
    model: Literal["listed", "unknown"]
    transfer: Literal["known", "unknown"]  # of caches, from replicas that prefill to others
    sources: tuple[str, ...]


class Refusal(Frozen):
    """A number format that the serving engine is known not to run on an accelerator, for this model."""

    accelerator_id: str
    precision: str
    engine: str
    release: str
    read: str
    sources: tuple[str, ...]


class PromptCache(Frozen):
    """Caches of past prompts outside of device memory."""

    tier: Literal["host", "nvme"]
    session_bytes: float  # what one session's next prompt reuses
    server_bytes: float  # of all sessions, in each server with replicas that prefill
    load_s: float  # to load a session's, part of the time to the first token


class PrefillPart(Frozen):
    """Replicas that only prefill: their share of the devices, servers and the bill of the whole."""

    accelerator_id: str
    accelerator_name: str
    vendor: str
    devices: int
    server_id: str
    server_name: str
    servers: int  # of their own; 0: they stand in those of the replicas that decode
    replicas: int
    strategy: Strategy
    memory: MemoryUse
    fabric: Fabric | None = None  # of a bought cluster of their own


class Recommendation(Frozen):
    """One whole cluster configuration. With a part that prefills, `accelerator_id`, `replicas`, `strategy`, `memory` and `fabric` are of
    what decodes, and `devices`, `servers`, `cost`, `power` and `bill` of the whole.
    """

    rank: int
    accelerator_id: str
    accelerator_name: str
    vendor: str
    devices: int
    server_id: str
    server_name: str
    servers: int
    replicas: int
    strategy: Strategy
    performance: Performance
    memory: MemoryUse
    cost: Cost
    power: Power
    bottleneck: Bottleneck
    roofline: Roofline | None = None  # None: the bandwidth of the accelerator's memory is unknown
    headroom: dict[str, float]  # share left to each limit that was given, by its code: deadline, ttft, budget, power, room_racks, ...
    bill: tuple[BillLine, ...]
    fabric: Fabric | None = None  # None: rented
    prefill: PrefillPart | None = None  # None: replicas prefill and decode
    support: Support | None = None  # None: training, or no engine in particular
    prompt_cache: PromptCache | None = None  # None: in device memory, or not worth loading
    why_not_first: str = ""  # code: "", dearer, slower, more_power, ...
    notes: tuple[str, ...] = ()


class FrontierPoint(Frozen):
    """One configuration as charts and tables show it, its cost in closed form."""

    accelerator_id: str
    devices: int
    precision: str
    cost_usd: float
    facility_w: float | None
    tokens_per_s: float
    time_s: float  # run time, or end-to-end latency
    carbon_kgco2e: float | None
    at_least: bool
    pareto: bool
    prefill_accelerator_id: str = ""  # where others prefill


class NearestMiss(Frozen):
    """Why an accelerator gave no plan, and the smallest change that would."""

    accelerator_id: str
    reason: str  # code: memory, deadline, ttft, tpot, devices, budget, power, no_peak, no_price, ...
    over_by: float  # relative: 0.1 = 10 % too much or too slow
    change: dict[str, float | str]  # request fields and values that would make it fit
    point: FrontierPoint | None = None  # the configuration, where it was evaluated


class SearchCounts(Frozen):
    """Account of the search: nothing is dropped in silence."""

    evaluated: int
    pruned: int
    feasible: int
    rejected: dict[str, int]
    accelerators: int
    refused: tuple[Refusal, ...] = ()  # by the serving engine
    nearest: tuple[NearestMiss, ...] = ()


class Assumption(Frozen):
    """A field the asker left at its default."""

    field: str
    value: float | int | str | bool | tuple[str, ...] | None
    unit: str
    meaning: str
    basis: str
    source: str


class Plan(Frozen):
    """The answer."""

    request: PlanRequest
    model_name: str
    library_digest: str
    catalog_release: str
    version: str
    search: SearchCounts
    recommendations: tuple[Recommendation, ...]
    frontier: tuple[FrontierPoint, ...]
    assumptions: tuple[Assumption, ...]
    sources: dict[str, tuple[str, ...]]  # catalog entry -> where its figures were read

    def canonical_json(self) -> str:
        """The plan as JSON with sorted keys, the same bytes each time."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=2, ensure_ascii=False)
