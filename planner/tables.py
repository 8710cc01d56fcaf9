"""A plan as rows: the columns that both front doors show and write to CSV.

A column's `name` heads it in files, unit included, in every language; its `label` is the message that heads it on a page.
`digits` is decimals for people, None for text; files get the full number. A value of None is `missing`: the column says
whether that means "n/a" or "unknown".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

from planner.answer import BillLine, FrontierPoint, PrefillPart, Recommendation

if TYPE_CHECKING:
    from planner.reverse import Runs

Value: TypeAlias = str | int | float | None
Row = TypeVar("Row")

_GIB = 2.0**30
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class PlanColumn(Generic[Row]):
    """One column over rows of one kind."""

    name: str
    label: str
    digits: int | None
    value: Callable[[Row], Value]
    missing: Literal["n/a", "unknown"] = "n/a"


def _of_prefill(value: Callable[[PrefillPart], Value]) -> Callable[[Recommendation], Value]:
    """A figure of the replicas that only prefill; None where there are none."""
    return lambda row: value(row.prefill) if row.prefill else None


RECOMMENDATION_COLUMNS: tuple[PlanColumn[Recommendation], ...] = (
    PlanColumn("rank", "Rank", 0, lambda row: row.rank),
    PlanColumn("accelerator_id", "Accelerator id", None, lambda row: row.accelerator_id),
    PlanColumn("accelerator", "Accelerator", None, lambda row: row.accelerator_name),
    PlanColumn("vendor", "Vendor", None, lambda row: row.vendor),
    PlanColumn("accelerators", "Accelerators", 0, lambda row: row.devices),
    PlanColumn("server_id", "Server id", None, lambda row: row.server_id),
    PlanColumn("server", "Server", None, lambda row: row.server_name),
    PlanColumn("servers", "Servers", 0, lambda row: row.servers),
    PlanColumn("replicas", "Replicas", 0, lambda row: row.replicas),
    PlanColumn("precision", "Precision", None, lambda row: row.strategy.precision or None),
    PlanColumn("kv_precision", "KV cache precision", None, lambda row: row.strategy.kv_precision or None),
    PlanColumn("tp", "Tensor parallel", 0, lambda row: row.strategy.tp),
    PlanColumn("pp", "Pipeline parallel", 0, lambda row: row.strategy.pp),
    PlanColumn("virtual_stages", "Virtual stages", 0, lambda row: row.strategy.virtual_stages),
    PlanColumn("cp", "Context parallel", 0, lambda row: row.strategy.cp),
    PlanColumn("ep", "Expert parallel", 0, lambda row: row.strategy.ep),
    PlanColumn("dp", "Data parallel", 0, lambda row: row.strategy.dp),
    PlanColumn("zero_stage", "ZeRO stage", 0, lambda row: row.strategy.zero_stage),
    PlanColumn("micro_batch_sequences", "Micro-batch (sequences)", 0, lambda row: row.strategy.micro_batch),
    PlanColumn("schedule", "Schedule", None, lambda row: row.strategy.schedule or None),
    PlanColumn("recompute", "Recomputation", None, lambda row: row.strategy.recompute or None),
    PlanColumn("batch_requests", "Batch (requests)", 1, lambda row: row.strategy.batch),
    PlanColumn("prefill_accelerator_id", "Prefill accelerator id", None, _of_prefill(lambda part: part.accelerator_id)),
    PlanColumn("prefill_accelerator", "Prefill accelerator", None, _of_prefill(lambda part: part.accelerator_name)),
    PlanColumn("prefill_accelerators", "Prefill accelerators", 0, _of_prefill(lambda part: part.devices)),
    PlanColumn("prefill_replicas", "Prefill replicas", 0, _of_prefill(lambda part: part.replicas)),
    PlanColumn("prefill_tp", "Prefill tensor parallel", 0, _of_prefill(lambda part: part.strategy.tp)),
    PlanColumn("prefill_pp", "Prefill pipeline parallel", 0, _of_prefill(lambda part: part.strategy.pp)),
    PlanColumn("prefill_ep", "Prefill expert parallel", 0, _of_prefill(lambda part: part.strategy.ep)),
    PlanColumn("prefill_dp", "Prefill data parallel", 0, _of_prefill(lambda part: part.strategy.dp)),
    PlanColumn("tokens_per_s", "Tokens/s", 0, lambda row: row.performance.tokens_per_s),
    PlanColumn(
        "tokens_per_s_low", "Tokens/s, low", 0, lambda row: row.performance.interval.low if row.performance.interval else None, "unknown"
    ),
    PlanColumn(
        "tokens_per_s_high", "Tokens/s, high", 0, lambda row: row.performance.interval.high if row.performance.interval else None, "unknown"
    ),
    PlanColumn("tokens_per_s_per_accelerator", "Tokens/s per accelerator", 1, lambda row: row.performance.tokens_per_s_per_device),
    PlanColumn("step_s", "Step (s)", 3, lambda row: row.performance.step_s),
    PlanColumn("mfu", "MFU", 3, lambda row: row.performance.mfu),
    PlanColumn("run_days", "Run (days)", 1, lambda row: row.performance.run_s and row.performance.run_s / _DAY_S),
    PlanColumn("ttft_s", "Time to first token (s)", 3, lambda row: row.performance.ttft_s),
    PlanColumn("tpot_s", "Time per output token (s)", 4, lambda row: row.performance.tpot_s),
    PlanColumn("end_to_end_s", "End to end (s)", 2, lambda row: row.performance.end_to_end_s),
    PlanColumn("capacity_requests_per_s", "Capacity (requests/s)", 2, lambda row: row.performance.capacity_requests_per_s),
    PlanColumn("limited_by", "Replica limited by", None, lambda row: row.performance.limited_by or None),
    PlanColumn("memory_used_gib", "Memory used (GiB)", 1, lambda row: row.memory.used_bytes / _GIB),
    PlanColumn("memory_usable_gib", "Memory usable (GiB)", 1, lambda row: row.memory.capacity_bytes / _GIB),
    PlanColumn("acquisition", "Bought or rented", None, lambda row: row.cost.acquisition),
    PlanColumn("period_days", "Period (days)", 1, lambda row: row.cost.period_days),
    PlanColumn("total_usd", "Cost (USD)", 0, lambda row: row.cost.total_usd),
    PlanColumn("total_is", "Cost is", None, lambda row: "at least" if row.cost.at_least else "complete"),
    PlanColumn("capital_usd", "Purchase (USD)", 0, lambda row: row.cost.capital_usd),
    PlanColumn("usd_per_accelerator_hour", "USD per accelerator-hour", 2, lambda row: row.cost.usd_per_device_hour),
    PlanColumn("usd_per_million_tokens", "USD per million tokens", 3, lambda row: row.cost.usd_per_million_tokens),
    PlanColumn("usd_per_million_input_tokens", "USD per million tokens read", 3, lambda row: row.cost.usd_per_million_input_tokens),
    PlanColumn("usd_per_million_output_tokens", "USD per million tokens written", 3, lambda row: row.cost.usd_per_million_output_tokens),
    PlanColumn("price_date", "Prices of", None, lambda row: row.cost.price_date or None, "unknown"),
    PlanColumn("it_w", "IT power (W)", 0, lambda row: row.power.it_w, "unknown"),
    PlanColumn("facility_w", "Facility power (W)", 0, lambda row: row.power.facility_w, "unknown"),
    PlanColumn("rated_facility_w", "Rated facility power (W)", 0, lambda row: row.power.rated_facility_w, "unknown"),
    PlanColumn("energy_kwh", "Energy (kWh)", 0, lambda row: row.power.energy_kwh, "unknown"),
    PlanColumn("carbon_kgco2e", "Carbon (kg CO₂e)", 0, lambda row: row.power.carbon_kgco2e, "unknown"),
    PlanColumn("joules_per_token", "Energy per token (J)", 3, lambda row: row.power.joules_per_token, "unknown"),
    PlanColumn("joules_per_input_token", "Energy per token read (J)", 3, lambda row: row.power.joules_per_input_token),
    PlanColumn("joules_per_output_token", "Energy per token written (J)", 3, lambda row: row.power.joules_per_output_token),
    PlanColumn("bottleneck", "Bottleneck", None, lambda row: row.bottleneck.resource),
    PlanColumn("bottleneck_operation", "Longest operation", None, lambda row: row.bottleneck.operation),
    PlanColumn("bottleneck_share", "Share of the step", 3, lambda row: row.bottleneck.share),
    PlanColumn("calibrated", "Calibrated", None, lambda row: "yes" if row.performance.calibrated else "no"),
)

BILL_COLUMNS: tuple[PlanColumn[BillLine], ...] = (
    PlanColumn("part", "Part", None, lambda line: line.part),
    PlanColumn("catalog_id", "Catalog id", None, lambda line: line.catalog_id),
    PlanColumn("quantity", "Quantity", 0, lambda line: line.quantity),
    PlanColumn("unit_power_w", "Power each (W)", 0, lambda line: line.unit_power_w, "unknown"),
    PlanColumn("unit_low_usd", "Price each, low (USD)", 0, lambda line: line.unit_low_usd, "unknown"),
    PlanColumn("unit_typical_usd", "Price each (USD)", 0, lambda line: line.unit_typical_usd, "unknown"),
    PlanColumn("unit_high_usd", "Price each, high (USD)", 0, lambda line: line.unit_high_usd, "unknown"),
    PlanColumn("subtotal_usd", "Subtotal (USD)", 0, lambda line: line.subtotal_usd, "unknown"),
    PlanColumn("price_date", "Price of", None, lambda line: line.price_date or None, "unknown"),
    PlanColumn("price_basis", "Price rests on", None, lambda line: line.price_basis or None, "unknown"),
    PlanColumn("source", "Source", None, lambda line: line.source or None, "unknown"),
)

FRONTIER_COLUMNS: tuple[PlanColumn[FrontierPoint], ...] = (
    PlanColumn("accelerator_id", "Accelerator id", None, lambda point: point.accelerator_id),
    PlanColumn("prefill_accelerator_id", "Prefill accelerator id", None, lambda point: point.prefill_accelerator_id or None),
    PlanColumn("accelerators", "Accelerators", 0, lambda point: point.devices),
    PlanColumn("precision", "Precision", None, lambda point: point.precision),
    PlanColumn("total_usd", "Cost (USD)", 0, lambda point: point.cost_usd),
    PlanColumn("total_is", "Cost is", None, lambda point: "at least" if point.at_least else "complete"),
    PlanColumn("facility_w", "Facility power (W)", 0, lambda point: point.facility_w, "unknown"),
    PlanColumn("tokens_per_s", "Tokens/s", 0, lambda point: point.tokens_per_s),
    PlanColumn("time_s", "Time (s)", 3, lambda point: point.time_s),
    PlanColumn("carbon_kgco2e", "Carbon (kg CO₂e)", 0, lambda point: point.carbon_kgco2e, "unknown"),
    PlanColumn("pareto", "On the frontier", None, lambda point: "yes" if point.pareto else "no"),
)

RUNS_COLUMNS: tuple[PlanColumn[Runs], ...] = (
    PlanColumn("model_id", "Model id", None, lambda row: row.model_id),
    PlanColumn("model", "Model", None, lambda row: row.model_name),
    PlanColumn("parameters_1e9", "Parameters (billion)", 1, lambda row: row.parameters / 1e9),
    PlanColumn("precision", "Precision", None, lambda row: row.precision),
    PlanColumn("kv_precision", "KV cache precision", None, lambda row: row.kv_precision),
    PlanColumn("accelerators_per_replica", "Accelerators a replica", 0, lambda row: row.devices_per_replica),
    PlanColumn("replicas", "Replicas", 0, lambda row: row.replicas),
    PlanColumn("concurrency_requests", "Requests in flight", 0, lambda row: row.concurrency),
    PlanColumn("requests_per_s", "Requests/s", 2, lambda row: row.requests_per_s),
    PlanColumn("output_tokens_per_s", "Tokens/s", 0, lambda row: row.output_tokens_per_s),
    PlanColumn("ttft_s", "Time to first token (s)", 3, lambda row: row.ttft_s),
    PlanColumn("tpot_s", "Time per output token (s)", 4, lambda row: row.tpot_s),
    PlanColumn("longest_context_tokens", "Longest context (tokens)", 0, lambda row: row.longest_context_tokens),
)
