"""What limits a plan: the resource and the operation that take the longest, and their share of the time."""

from __future__ import annotations

from collections.abc import Mapping

from planner.answer import Bottleneck, Resource
from planner.search.columns import FloatColumn

_RESOURCES: tuple[Resource, ...] = ("compute", "memory", "network", "storage", "host", "overhead")


def bottleneck(
    operations_s: Mapping[str, FloatColumn], resources_s: Mapping[Resource, FloatColumn] | Mapping[str, FloatColumn], row: int
) -> Bottleneck:
    """Attribution of one candidate's time; both splits add up to the same whole."""
    by_operation = {name: float(seconds[row]) for name, seconds in operations_s.items() if seconds[row] > 0}
    seconds = {str(name): column for name, column in resources_s.items()}
    by_resource: dict[Resource, float] = {name: float(seconds[name][row]) for name in _RESOURCES if name in seconds}
    total = sum(by_resource.values())
    resource = max(by_resource, key=lambda name: by_resource[name])
    return Bottleneck(
        resource=resource,
        operation=max(by_operation, key=lambda name: by_operation[name]),
        share=by_resource[resource] / total if total else 0.0,
        time_parts_s=by_operation,
        resources_s=by_resource,
    )
