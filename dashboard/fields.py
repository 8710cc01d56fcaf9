"""How each field of a request is asked for: label with its unit, step, choices, and where it stands in the form.

Meaning, bounds, default and source come from the request's field table; only what concerns the eye is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from texts.translations import mark

Group = Literal["workload", "limits", "site", "room", "advanced"]
Choice = str | bool


@dataclass(frozen=True, slots=True)
class FormField:
    """One control. `scale` is the request's unit in units of the label (1e9 for "billion tokens")."""

    path: str
    label: str
    group: Group
    main: bool = False  # stands open, before any "more"
    scale: float = 1.0
    integer: bool = False
    step: float | None = None
    empty: str = ""  # what an optional number says when it is not given
    choices: Mapping[Choice, str] = field(default_factory=dict)
    many: bool = False


_GROUPED = (
    # training
    FormField(
        "workload.method",
        mark("Training method"),
        "workload",
        main=True,
        choices={
            "pretrain": mark("Pre-train from scratch"),
            "finetune": mark("Fine-tune all weights"),
            "lora": mark("LoRA adapters"),
            "qlora": mark("QLoRA adapters (4-bit base)"),
        },
    ),
    FormField("workload.tokens", mark("Training data (billion tokens)"), "workload", main=True, scale=1e9, step=1.0),
    FormField("workload.deadline_days", mark("Deadline (days)"), "workload", main=True, step=1.0),
    FormField("workload.devices", mark("Exact size (accelerators)"), "workload", integer=True, empty=mark("As few as meet the deadline")),
    FormField("workload.sequence_tokens", mark("Sequence length (tokens)"), "workload", integer=True, step=1024),
    FormField("workload.global_batch_tokens", mark("Global batch (million tokens)"), "workload", scale=1e6, step=1.0),
    # serving
    FormField("workload.requests_per_s", mark("Mean traffic (requests/s)"), "workload", main=True, step=1.0),
    FormField("workload.input_tokens", mark("Prompt length (tokens)"), "workload", main=True, integer=True, step=64),
    FormField("workload.output_tokens", mark("Answer length (tokens)"), "workload", main=True, integer=True, step=64),
    FormField("workload.peak_to_mean", mark("Peak over mean traffic (×)"), "workload", step=0.1),
    FormField("workload.ttft_s", mark("Time to first token, at most (ms)"), "limits", scale=1e-3, step=50.0),
    FormField("workload.tpot_s", mark("Time per output token, at most (ms)"), "limits", scale=1e-3, step=5.0),
    FormField("workload.end_to_end_s", mark("Whole answer, at most (s)"), "limits", step=1.0, empty=mark("No limit")),
    # both
    FormField(
        "objective",
        mark("Prefer"),
        "workload",
        main=True,
        choices={
            "cost": mark("Lowest cost"),
            "time": mark("Shortest time"),
            "throughput": mark("Highest throughput"),
            "power": mark("Least power"),
            "carbon": mark("Least carbon"),
            "per_dollar": mark("Most work per dollar"),
            "per_watt": mark("Most work per watt"),
        },
    ),
    FormField("limits.accelerators", mark("Accelerators to consider"), "limits", many=True, empty=mark("All accelerators")),
    FormField("limits.vendors", mark("Vendors to consider"), "limits", many=True, empty=mark("All vendors")),
    FormField(
        "limits.statuses",
        mark("Market status"),
        "limits",
        many=True,
        choices={"available": mark("Available"), "announced": mark("Announced"), "legacy": mark("Legacy")},
        empty=mark("Any status"),
    ),
    FormField(
        "precisions",
        mark("Number formats"),
        "limits",
        many=True,
        choices={"bf16": "BF16", "fp16": "FP16", "fp8": "FP8", "int8": "INT8", "fp4": "FP4", "int4": "INT4"},
        empty=mark("The usual ones"),
    ),
    FormField("limits.max_devices", mark("Accelerators, at most"), "limits", integer=True, step=8),
    FormField("limits.budget_usd", mark("Budget over the period (thousand USD)"), "limits", scale=1e3, step=100.0, empty=mark("No limit")),
    FormField("limits.power_w", mark("Facility power, at most (kW)"), "limits", scale=1e3, step=10.0, empty=mark("No limit")),
    FormField(
        "site.acquisition",
        mark("Buy or rent"),
        "site",
        choices={"best": mark("Whichever is cheaper"), "buy": mark("Buy"), "rent": mark("Rent in a cloud")},
    ),
    FormField("site.electricity_usd_per_kwh", mark("Electricity (USD/kWh)"), "site", step=0.01),
    FormField("site.carbon_g_per_kwh", mark("Grid carbon (g CO₂e/kWh)"), "site", step=10.0),
    FormField("site.pue", mark("PUE (facility power over IT power)"), "site", step=0.05),
    FormField("site.years", mark("Period of use (years)"), "site", step=0.5),
    FormField("site.utilisation", mark("Use of owned training hardware (share)"), "site", step=0.05),
    FormField("site.residual_share", mark("Resale value at the end (share of price)"), "site", step=0.05),
    FormField("site.maintenance_share", mark("Maintenance a year (share of price)"), "site", step=0.01),
    FormField(
        "site.cloud_term",
        mark("Cloud price list"),
        "site",
        choices={
            "on_demand": mark("On demand"),
            "spot": mark("Spot"),
            "reserved_1y": mark("Reserved for 1 year"),
            "reserved_3y": mark("Reserved for 3 years"),
        },
    ),
    FormField(
        "workload.optimizer",
        mark("Optimizer"),
        "advanced",
        choices={
            "adamw": mark("AdamW (32-bit states)"),
            "adamw8bit": mark("AdamW (8-bit states)"),
            "adafactor": "Adafactor",
            "sgd": mark("SGD with momentum"),
            "muon": "Muon",
        },
    ),
    FormField(
        "workload.recompute",
        mark("Activation recomputation"),
        "advanced",
        choices={"auto": mark("Try all"), "none": mark("No recomputation"), "selective": mark("Selective"), "full": mark("Full")},
    ),
    FormField(
        "workload.offload",
        mark("Kept off the device"),
        "advanced",
        choices={"none": mark("Nothing"), "optimizer": mark("Optimizer states"), "states": mark("Optimizer states and weights (ZeRO-3)")},
    ),
    FormField(
        "workload.offload_to",
        mark("Kept off the device in"),
        "advanced",
        choices={"host": mark("Host memory"), "nvme": mark("Local drives")},
    ),
    FormField("workload.lora_rank", mark("Adapter rank"), "advanced", integer=True, step=8),
    FormField("workload.goodput", mark("Useful share of wall-clock time"), "advanced", step=0.01),
    FormField("workload.start_up_minutes", mark("Start-up before the first step (min)"), "advanced", step=1.0),
    FormField("workload.prefix_hit_rate", mark("Prompt tokens found in the prefix cache (share)"), "advanced", step=0.05),
    FormField("workload.utilisation_limit", mark("Planned load of a replica, at most (share)"), "advanced", step=0.05),
    FormField(
        "workload.engine",
        mark("Serving software"),
        "advanced",
        choices={"vllm": "vLLM", "sglang": "SGLang", "trtllm": "TensorRT-LLM", "generic": mark("Any")},
    ),
    FormField(
        "workload.kv_precision",
        mark("KV cache format"),
        "advanced",
        choices={"auto": mark("Try all"), "bf16": "BF16", "fp8": "FP8"},
    ),
    FormField(
        "workload.deployment",
        mark("Prefill and decode"),
        "workload",
        choices={"auto": mark("Try both"), "aggregated": mark("On the same replicas"), "disaggregated": mark("On replicas of their own")},
    ),
    FormField(
        "workload.kv_offload",
        mark("Past prompts are kept in"),
        "advanced",
        choices={"none": mark("Device memory"), "host": mark("Host memory"), "nvme": mark("Local flash (NVMe)")},
    ),
    FormField("workload.cached_sessions", mark("Sessions kept for reuse"), "advanced", integer=True, step=100),
    FormField(
        "workload.speculation",
        mark("Speculative decoding"),
        "advanced",
        choices={"none": mark("None"), "mtp": mark("Prediction layers of the model (MTP)"), "draft": mark("Draft model")},
    ),
    FormField("workload.draft_model", mark("Draft model"), "advanced", empty=mark("Not chosen")),
    FormField("workload.drafted_tokens", mark("Drafted at a time (tokens)"), "advanced", integer=True, step=1),
    FormField("workload.draft_acceptance", mark("Drafted tokens accepted (share)"), "advanced", step=0.05),
    FormField("assumptions.memory_reserve", mark("Device memory kept free (share)"), "advanced", step=0.01),
    FormField("assumptions.power_share", mark("Mean power over rated power (share)"), "advanced", step=0.05),
    FormField(
        "fabric.technology",
        mark("Network between accelerators"),
        "room",
        choices={
            "auto": mark("As the servers' cards have it"),
            "infiniband": "InfiniBand",
            "roce": mark("Ethernet (RoCE)"),
            "spectrum-x": mark("Ethernet (Spectrum-X)"),
        },
    ),
    FormField("fabric.oversubscription", mark("Oversubscription of leaf switches (to 1)"), "room", step=0.5),
    FormField("fabric.planes", mark("Separate network planes"), "room", integer=True, step=1),
    FormField("fabric.rail_optimised", mark("Rail-optimised wiring"), "room", choices={True: mark("Yes"), False: mark("No")}),
    FormField("room.racks", mark("Free racks"), "room", integer=True, empty=mark("No limit")),
    FormField("room.rack_units", mark("Free height of a rack (U)"), "room", integer=True, empty=mark("No limit")),
    FormField("room.rack_w", mark("Power of a rack, at most (kW)"), "room", scale=1e3, step=1.0, empty=mark("No limit")),
    FormField("room.feed_a_w", mark("Power of feed A (kW of IT)"), "room", scale=1e3, step=10.0, empty=mark("No limit")),
    FormField("room.feed_b_w", mark("Power of feed B (kW of IT)"), "room", scale=1e3, step=10.0, empty=mark("No limit")),
    FormField("room.liquid", mark("Liquid cooling"), "room", choices={True: mark("Yes"), False: mark("No")}, empty=mark("Not said")),
)
FIELDS = {row.path: row for row in _GROUPED}
