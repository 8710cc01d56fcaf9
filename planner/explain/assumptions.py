"""What the asker did not say: the fields of the request that stand at their default, with what the default rests on."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from pydantic import BaseModel

from planner.answer import Assumption, Recommendation
from planner.defaults import RequestField, field_table
from planner.request import PlanRequest


def assumptions(request: PlanRequest) -> tuple[Assumption, ...]:
    """Every field of this task at its default, in the order of the table; choices without a figure are no assumptions."""
    return tuple(
        Assumption(field=path, value=row.default, unit=row.unit, meaning=row.meaning, basis=row.basis, source=row.source)
        for path, row in field_table(request.version).fields.items()
        if _has(request, path) and _value(request, path) == row.default and _is_figure(row)
    )


def engine_assumptions(recommendations: Iterable[Recommendation], model: str) -> tuple[Assumption, ...]:
    """That the serving engine runs what no source says it does."""
    unknown: dict[str, dict[str, None]] = {}
    for option in recommendations:
        about = option.support
        if about and about.model == "unknown":
            unknown.setdefault(f"the models that {about.engine} {about.release} names do not include {model}", {})
        if about and option.prefill and about.transfer == "unknown":
            said = f"no source says whether {about.engine} {about.release} moves caches between replicas of"
            unknown.setdefault(said, {})[option.accelerator_name] = None
        if about and about.precision == "unknown":
            said = f"no source says whether {about.engine} {about.release} runs {option.strategy.precision} on"
            unknown.setdefault(said, {})[option.accelerator_name] = None
    row = field_table().fields["workload.engine"]
    return tuple(
        Assumption(
            field="workload.engine",
            value="unknown",
            unit="",
            meaning=row.meaning,
            basis="estimate",
            source=f"{said} {', '.join(names)}".strip(),
        )
        for said, names in unknown.items()
    )


def joining_assumptions(recommendations: Iterable[Recommendation]) -> tuple[Assumption, ...]:
    """That two clusters reach each other, where other accelerators prefill than decode."""
    apart = [option for option in recommendations if option.prefill and option.prefill.servers and option.bill]
    names = dict.fromkeys(f"{option.prefill.accelerator_name} and {option.accelerator_name}" for option in apart if option.prefill)
    row = field_table().fields["workload.deployment"]
    if not names:
        return ()
    source = f"the links that join the networks of {'; '.join(names)} are not in the bill"
    return (Assumption(field="workload.deployment", value="disaggregated", unit="", meaning=row.meaning, basis="estimate", source=source),)


def _is_figure(row: RequestField) -> bool:
    return row.default not in (None, (), [])


def _has(request: PlanRequest, path: str) -> bool:
    head, _, leaf = path.rpartition(".")
    owner: object = getattr(request, head) if head else request
    return isinstance(owner, BaseModel) and leaf in type(owner).model_fields


def _value(request: PlanRequest, path: str) -> object:
    return reduce(getattr, path.split("."), request)
