"""What the asker did not say: the fields of the request that stand at their default, with what the default rests on."""

from __future__ import annotations

from functools import reduce

from pydantic import BaseModel

from planner.answer import Assumption
from planner.defaults import RequestField, field_table
from planner.request import PlanRequest


def assumptions(request: PlanRequest) -> tuple[Assumption, ...]:
    """Every field of this task at its default, in the order of the table; choices without a figure are no assumptions."""
    return tuple(
        Assumption(field=path, value=row.default, unit=row.unit, meaning=row.meaning, basis=row.basis, source=row.source)
        for path, row in field_table(request.version).fields.items()
        if _has(request, path) and _value(request, path) == row.default and _is_figure(row)
    )


def _is_figure(row: RequestField) -> bool:
    return row.default not in (None, (), [])


def _has(request: PlanRequest, path: str) -> bool:
    head, _, leaf = path.rpartition(".")
    owner: object = getattr(request, head) if head else request
    return isinstance(owner, BaseModel) and leaf in type(owner).model_fields


def _value(request: PlanRequest, path: str) -> object:
    return reduce(getattr, path.split("."), request)
