"""The question while it is being edited: one flat value per request field, in the request's own units.

Both workloads keep their values side by side, so that changing one input, the task or the page never resets another.
"""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.presets import presets
from planner.defaults import RequestField, field_table
from planner.request import PlanRequest, Serving, Training

Value = str | int | float | list[object] | dict[str, object] | None
Draft = dict[str, Value]

WHOLE = ("model", "prices", "stock")  # values without a row in the field table, kept as they are
WORKLOAD_FIELDS = {"training": frozenset(Training.model_fields), "serving": frozenset(Serving.model_fields)}


def example_draft() -> Draft:
    """The first preset; every other field at its default."""
    draft: Draft = {"prices": [], "stock": []}
    for path, row in field_table().fields.items():
        draft[path] = _default(row)
    return draft_of(presets()[0].request, draft)


def draft_of(request: PlanRequest, before: Draft) -> Draft:
    """The draft that asks `request`; the other workload keeps its values of `before`."""
    return before | dict(_leaves(request))


def request_of(draft: Draft) -> PlanRequest:
    """The request that the draft asks. Raises `RackwrightError` with a fault for every field that is wrong."""
    kind = str(draft["workload.kind"])
    raw: dict[str, object] = {name: draft[name] for name in WHOLE}
    groups: dict[str, dict[str, Value]] = {"workload": {"kind": kind}}
    for path, row in field_table().fields.items():
        if draft[path] == _default(row) or not asked(path, kind):
            continue
        group, _, leaf = path.rpartition(".")
        if group:
            groups.setdefault(group, {})[leaf] = draft[path]
        else:
            raw[leaf] = draft[path]
    return PlanRequest.parse(raw | groups)


def asked(path: str, kind: str) -> bool:
    """Whether a request of workload `kind` has the field at `path`."""
    group, _, leaf = path.rpartition(".")
    return group != "workload" or leaf in WORKLOAD_FIELDS[kind]


def _default(row: RequestField) -> Value:
    return list(row.default) if isinstance(row.default, tuple) else row.default


def _leaves(request: PlanRequest) -> Iterator[tuple[str, Value]]:
    for name, value in request.model_dump(mode="json", exclude={"version"}).items():
        if isinstance(value, dict) and name not in WHOLE:
            yield from ((f"{name}.{leaf}", part) for leaf, part in value.items())
        else:
            yield name, value
