"""The draft asks exactly what the form says, for every field that a request has."""

from hypothesis import given
from hypothesis import strategies as st

from dashboard.draft import asked, draft_of, example_draft, request_of
from dashboard.fields import FIELDS
from dashboard.presets import presets
from model_db import load_models
from planner.defaults import field_table
from planner.request import PlanRequest


def test_every_field_of_a_request_has_one_control() -> None:
    assert set(FIELDS) == set(field_table().fields)


def test_the_choices_of_a_control_are_those_the_request_takes() -> None:
    for path, row in FIELDS.items():
        for choice in row.choices:
            value = [choice] if row.many else choice
            draft = example_draft() | {path: value}
            draft["workload.kind"] = "serving" if asked(path, "serving") else "training"
            request_of(draft)


def test_the_label_of_a_field_with_a_unit_names_it() -> None:
    units = {
        "tokens",
        "days",
        "requests/s",
        "s",
        "USD",
        "W",
        "accelerators",
        "years",
        "minutes",
        "bytes",
        "USD/kWh",
        "g CO2e/kWh",
        "USD/kW",
    }
    for path, row in field_table().fields.items():
        if row.unit in units and not FIELDS[path].choices:
            assert "(" in FIELDS[path].label or "accelerators" in FIELDS[path].label.lower(), path


def test_presets_are_ten_known_models_and_go_through_the_draft() -> None:
    assert len(presets()) == 10
    for preset in presets():
        assert preset.request.model in load_models()
        assert request_of(draft_of(preset.request, example_draft())) == preset.request


def test_the_other_workload_keeps_its_values() -> None:
    draft = example_draft() | {"workload.requests_per_s": 77.0}
    training = draft_of(PlanRequest.parse({"model": "x", "workload": {"kind": "training", "tokens": 5e9}}), draft)
    assert request_of(training).workload.kind == "training"
    assert request_of(training | {"workload.kind": "serving"}).workload.requests_per_s == 77.0


@given(rate=st.floats(1e-6, 1e6), tokens=st.integers(1, 10_000_000), budget=st.none() | st.floats(1, 1e12))
def test_what_is_set_is_asked(rate: float, tokens: int, budget: float | None) -> None:
    draft = example_draft() | {"workload.requests_per_s": rate, "workload.input_tokens": tokens, "limits.budget_usd": budget}
    request = request_of(draft)
    assert (request.workload.requests_per_s, request.workload.input_tokens, request.limits.budget_usd) == (rate, tokens, budget)
    assert draft_of(request, example_draft()) == draft
