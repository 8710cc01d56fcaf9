"""Requests: closed, bounded, and every fault named at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.errors import RackwrightError
from planner.defaults import field_table
from planner.request import MOST_FORMS, MOST_LAYERS, Assumptions, FabricChoice, Limits, PlanRequest, RoomLimits, Serving, Site, Training

MINIMAL = {"model": "some-model", "workload": {"kind": "serving"}}


def faults(raw):
    with pytest.raises(RackwrightError) as caught:
        PlanRequest.parse(raw)
    return {(fault.code, fault.field) for fault in caught.value.faults}


def test_all_faults_are_found_at_once():
    raw = {"model": "m", "workload": {"kind": "serving", "requests_per_s": -1, "inputtokens": 3, "engine": "magic"}, "site": {"pue": 0.5}}
    assert faults(raw) == {
        ("out_of_range", "workload.requests_per_s"),
        ("unknown_field", "workload.inputtokens"),
        ("not_allowed", "workload.engine"),
        ("out_of_range", "site.pue"),
    }


def test_an_unknown_field_names_the_nearest_one():
    with pytest.raises(RackwrightError) as caught:
        PlanRequest.parse({"model": "m", "workload": {"kind": "serving", "request_per_s": 1}})
    assert caught.value.faults[0].hint == "requests_per_s"


@pytest.mark.parametrize("raw", [None, 3, "text", ["list"], {}])
def test_what_is_no_request_is_refused(raw):
    assert faults(raw)


def test_a_newer_version_says_so():
    assert faults(MINIMAL | {"version": 2}) == {("newer_version", "version")}


def test_every_field_stands_in_the_table_and_every_row_is_a_field():
    owners = {
        "workload": (Training, Serving),
        "limits": (Limits,),
        "site": (Site,),
        "fabric": (FabricChoice,),
        "room": (RoomLimits,),
        "assumptions": (Assumptions,),
    }
    fields = {f"{group}.{name}" for group, models in owners.items() for model in models for name in model.model_fields if name != "kind"}
    assert fields | {"precisions", "objective"} == set(field_table().fields)


def test_every_default_lies_within_its_bounds_and_every_figure_has_a_source():
    for path, row in field_table().fields.items():
        if isinstance(row.default, (int, float)) and not isinstance(row.default, bool):
            assert row.minimum is not None, path
            assert row.maximum is not None, path
            assert row.minimum <= row.default <= row.maximum, path
        assert row.basis == "choice" or row.source, path


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=9),
        lambda kids: st.lists(kids, max_size=3) | st.dictionaries(st.text(max_size=9), kids, max_size=3),
    )
)
def test_any_data_gives_a_request_or_faults(raw):
    try:
        PlanRequest.parse(raw)
    except RackwrightError as error:
        assert error.faults


def test_equal_requests_have_equal_digests_whatever_the_order():
    first = PlanRequest.parse({"workload": {"kind": "serving", "requests_per_s": 5, "engine": "vllm"}, "model": "m"})
    second = PlanRequest.parse({"model": "m", "workload": {"engine": "vllm", "requests_per_s": 5.0, "kind": "serving"}})
    assert first.digest() == second.digest()
    assert first.digest() != PlanRequest.parse(MINIMAL).digest()


def own_model(repeats: list[int]) -> dict[str, object]:
    """A model whose blocks differ, each repeated so often."""
    linear = {"type": "linear", "in_features": 64, "name": "any"}
    blocks = [
        {"name": str(number), "layers": [linear | {"out_features": 64 + number}], "repeat": repeat} for number, repeat in enumerate(repeats)
    ]
    return {"name": "mine", "architecture": {"stacks": [{"name": "text", "blocks": blocks}], "vocab": 100, "hidden": 64}}


@pytest.mark.parametrize(
    ("repeats", "said"),
    [
        ([MOST_LAYERS], ""),
        ([1] * MOST_FORMS, ""),
        ([MOST_LAYERS, 1], f"{MOST_LAYERS + 1} layers"),
        ([10**9], "1000000000 layers"),
        ([1] * (MOST_FORMS + 1), f"{MOST_FORMS + 1} different layers"),
    ],
)
def test_an_own_model_has_no_more_layers_than_a_server_can_plan_for(repeats, said):
    raw = {"model": own_model(repeats), "workload": {"kind": "training"}}
    if not said:
        assert PlanRequest.parse(raw).model.name == "mine"
        return
    with pytest.raises(RackwrightError) as refused:
        PlanRequest.parse(raw, "body")
    (fault,) = refused.value.faults
    assert (fault.code, fault.where, fault.field, fault.value) == ("out_of_range", "body", "model.architecture", said)
