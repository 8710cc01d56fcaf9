"""Why an accelerator gave no plan, and the smallest change of the request that would let it in."""

from __future__ import annotations

import math

from planner.answer import FrontierPoint, NearestMiss
from planner.outcomes import REASONS
from planner.request import PlanRequest, Serving

_MARGIN = 1.01  # a limit is eased by one per cent more than needed, so that rounding does not undo the change


def nearest_miss(accelerator_id: str, reason: int, excess: float, request: PlanRequest, point: FrontierPoint | None = None) -> NearestMiss:
    """`reason` indexes `REASONS`; `excess` is how far the limit is passed, relative; `point` is the configuration, where it is known."""
    name = REASONS[reason]
    eased = (1.0 + excess) * _MARGIN
    workload, limits, room = request.workload, request.limits, request.room
    change: dict[str, float | str] = {}
    if not math.isfinite(eased):
        return NearestMiss(accelerator_id=accelerator_id, reason=name, over_by=1e9, change={}, point=point)
    match name:
        case "ttft" | "tpot" if isinstance(workload, Serving):
            change = {f"workload.{name}_s": _rounded_up(eased * (workload.ttft_s if name == "ttft" else workload.tpot_s))}
        case "end_to_end" if isinstance(workload, Serving) and workload.end_to_end_s is not None:
            change = {"workload.end_to_end_s": _rounded_up(eased * workload.end_to_end_s)}
        case "deadline" if not isinstance(workload, Serving):
            change = {"workload.deadline_days": _rounded_up(eased * workload.deadline_days)}
        case "devices":
            change = {"limits.max_devices": math.ceil(eased * limits.max_devices)}
        case "budget" if limits.budget_usd is not None:
            change = {"limits.budget_usd": _rounded_up(eased * limits.budget_usd)}
        case "power" if limits.power_w is not None:
            change = {"limits.power_w": _rounded_up(eased * limits.power_w)}
        case "room_racks" if room.racks is not None:
            change = {"room.racks": math.ceil((1.0 + excess) * room.racks - 1e-6)}
        case "room_rack_units" if room.rack_units is not None:
            change = {"room.rack_units": math.ceil((1.0 + excess) * room.rack_units - 1e-6)}
        case "room_rack_power" if room.rack_w is not None:
            change = {"room.rack_w": _rounded_up(eased * room.rack_w)}
        case "room_power":
            feeds_w = {"room.feed_a_w": room.feed_a_w, "room.feed_b_w": room.feed_b_w}
            given = {path: feed_w for path, feed_w in feeds_w.items() if feed_w is not None}
            needed_w = _rounded_up(eased * min(given.values()))
            change = {path: needed_w for path, feed_w in given.items() if feed_w < needed_w}
    return NearestMiss(accelerator_id=accelerator_id, reason=name, over_by=excess, change=change, point=point)


def _rounded_up(value: float) -> float:
    """`value` rounded up to three significant digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.6g}")
