"""Links: what goes in comes out; what comes from strangers is bounded and refused in words."""

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.errors import RackwrightError
from planner.links import _DICTIONARY, MAX_LINK_CHARACTERS, decode_link, encode_link
from planner.request import PlanRequest

words = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True)


def packed(text: bytes) -> str:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=_DICTIONARY)
    return base64.urlsafe_b64encode(packer.compress(text) + packer.flush()).rstrip(b"=").decode()


def codes(link: object) -> list[str]:
    with pytest.raises(RackwrightError) as caught:
        decode_link(link)  # type: ignore[arg-type]
    return [fault.code for fault in caught.value.faults]


@given(
    model=words,
    rate=st.floats(1e-6, 1e6),
    tokens=st.integers(1, 10_000_000),
    budget=st.none() | st.floats(1, 1e12),
    accelerators=st.lists(words, max_size=4, unique=True),
    pue=st.floats(1, 3),
    precisions=st.lists(st.sampled_from(["bf16", "fp8", "fp4"]), unique=True),
)
def test_a_serving_request_survives_its_link(model, rate, tokens, budget, accelerators, pue, precisions):
    request = PlanRequest.parse(
        {
            "model": model,
            "workload": {"kind": "serving", "requests_per_s": rate, "input_tokens": tokens},
            "limits": {"budget_usd": budget, "accelerators": accelerators},
            "site": {"pue": pue},
            "precisions": precisions,
        }
    )
    assert decode_link(encode_link(request)).request == request


@given(tokens=st.floats(1e6, 1e15), days=st.floats(0.01, 3650), goodput=st.floats(0.1, 1), devices=st.none() | st.integers(1, 100_000))
def test_a_training_request_survives_its_link(tokens, days, goodput, devices):
    workload = {"kind": "training", "tokens": tokens, "deadline_days": days, "goodput": goodput, "devices": devices}
    request = PlanRequest.parse({"model": "some-model", "workload": workload})
    assert decode_link(encode_link(request, "https://planner.example/")).request == request


def test_common_fields_are_readable_and_defaults_are_left_out():
    request = PlanRequest.parse({"model": "some-model", "workload": {"kind": "serving", "requests_per_s": 25}})
    assert encode_link(request) == "v=1&model=some-model&task=serving&rate=25"


def test_own_prices_stay_at_home_unless_asked_for():
    request = PlanRequest.parse({"model": "m", "workload": {"kind": "serving"}, "prices": [{"id": "some-card", "buy_usd": 12_345}]})
    assert decode_link(encode_link(request)).request.prices == ()
    assert decode_link(encode_link(request, with_prices=True)).request == request


def test_a_model_of_ones_own_travels_in_the_link():
    architecture = {
        "stacks": [{"name": "text", "blocks": [{"name": "layer", "layers": [{"type": "linear", "in_features": 8, "out_features": 4}]}]}]
    }
    request = PlanRequest.parse({"model": {"name": "mine", "architecture": architecture}, "workload": {"kind": "serving"}})
    assert decode_link(encode_link(request)).request == request


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("v=2&model=m&task=serving", "newer_version"),
        ("v=0&model=m", "link_damaged"),
        ("v=x&model=m", "link_damaged"),
        ("task=serving", "missing_field"),
        ("model=m&task=serving&rate=inf", "not_a_number"),
        ("model=m&task=serving&rate=nan", "not_a_number"),
        ("model=m&task=serving&rate=1e999", "wrong_form"),
        ("model=m&task=serving&in=" + "9" * 5_000, "not_a_number"),
        ("model=m&task=serving&rate=-1", "out_of_range"),
        ("model=m&task=serving&rate=1&rate=2", "link_key_repeated"),
        ("model=m&task=nothing", "not_allowed"),
        ("model=m&task=serving&c=AAAA", "link_damaged"),
        ("model=m&task=serving&c=!!", "link_damaged"),
        ("model=m&task=serving&c=" + packed(b"[1]"), "link_damaged"),
        ("model=m&task=serving&c=" + packed(b'{"workload":1}'), "link_damaged"),
        ("model=m&task=serving&c=" + packed(b'{"site":3}') + "&get=buy", "link_damaged"),
        ("model=m&task=serving&c=" + packed(b'{"nothing":1}'), "unknown_field"),
        ("model=m&task=serving&c=" + packed(b"{" + b'"a":{' * 500 + b"}" * 501), "link_damaged"),
        ("model=m&task=serving&c=" + packed(b'{"site":' + b" " * 80_000 + b"{}}"), "link_damaged"),
        ("x" * 1_000_000, "link_too_long"),
        ("&".join(f"k{i}=1" for i in range(100)), "link_damaged"),
    ],
)
def test_a_bad_link_is_refused_by_code(link, code):
    assert codes(link) == [code]


def test_a_payload_cut_short_anywhere_is_refused():
    request = PlanRequest.parse({"model": "m", "workload": {"kind": "serving", "engine": "sglang"}, "site": {"pue": 1.2}})
    head, _, payload = encode_link(request).partition("&c=")
    for length in range(1, len(payload)):
        assert codes(f"{head}&c={payload[:length]}")


def test_a_bomb_costs_little():
    bomb = packed(b'{"workload":{"engine":"' + b"a" * 4_000_000 + b'"}}')
    assert len(bomb) < MAX_LINK_CHARACTERS
    assert codes({"model": "m", "c": bomb}) == ["link_damaged"]


def test_settings_that_are_not_ours_are_named():
    notices = decode_link("model=m&task=serving&utm_source=mail").notices
    assert [(fault.code, fault.field) for fault in notices] == [("link_key_unknown", "utm_source")]


def test_the_first_released_link_still_opens():
    link = "v=1&model=llama-3.1-70b&task=serving&rate=25&acc=first-card,second-card&prec=fp8&c=qyYp3YAiHx6fyJEHjiAd3DFkoGdgrgOLEiOCQY7hbQOgploA"
    request = decode_link(link).request
    assert request.workload.engine == "sglang"
    assert request.workload.prefix_hit_rate == 0.2
    assert (request.site.pue, request.site.electricity_usd_per_kwh, request.site.cloud_term) == (1.2, 0.07, "spot")
    assert request.limits.statuses == ("available", "announced")


@given(
    st.text(max_size=300)
    | st.binary(max_size=300).map(lambda raw: "model=m&task=serving&c=" + base64.urlsafe_b64encode(raw).decode().rstrip("="))
)
def test_any_text_gives_a_request_or_faults(text):
    try:
        decode_link(text)
    except RackwrightError as error:
        assert all(fault.code for fault in error.faults)


@given(st.dictionaries(st.sampled_from(["v", "model", "task", "c", "was", "rate", "in", "acc", "x"]), st.text(max_size=40), max_size=9))
def test_any_parameters_give_a_request_or_faults(query):
    try:
        decode_link(query)
    except RackwrightError as error:
        assert all(fault.code for fault in error.faults)
