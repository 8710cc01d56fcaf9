"""The programs' interface on the real server: every route, what it refuses, and that the pages stand beside it."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path

import pytest

from cli.main import main
from cli.requests import read_requests
from dashboard import api, engine
from dashboard.api import BODY_BYTES, Desk, RefusedError
from dashboard.openapi import document
from facts.version import VERSION
from planner.answer import Plan
from planner.request import PlanRequest
from tests.dashboard import sample

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "finetune-8b.yaml"
SLOW = {"model": "llama3.1-405b", "workload": {"kind": "training", "deadline_days": 60}}
SLOWEST = {  # seconds, so that a caller is seen to leave before it is answered
    "model": "kimi-k2",
    "workload": {"kind": "training", "deadline_days": 60, "sequence_tokens": 131_072, "global_batch_tokens": 1e8},
    "limits": {"max_devices": 100_000},
    "precisions": ["bf16", "fp8", "fp4"],
    "objective": "time",
}
REQUEST = {"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 3}}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """A server as `rackwright serve` starts it, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("api") / "log.txt"
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port), "--headless"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=output, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                    if json.load(answer)["ready"]:
                        break
            except OSError:
                pass
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def sent(address: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of the answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        named.setdefault("Content-Type", "application/json")
    try:
        request = urllib.request.Request(address, body, named)  # noqa: S310 our own address
        with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310 the same
            return answer.status, lowered(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, lowered(error.headers), error.read().decode()


def lowered(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def faults(text: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(text)["faults"]
    return found


def test_health_says_what_answers(server):
    status, headers, text = sent(f"{server}/healthz")
    assert (status, json.loads(text)) == (200, {"status": "ok", "version": VERSION, "ready": True})
    assert headers["cache-control"] == "no-store"


def test_the_pages_stand_on_the_same_port(server):
    assert sent(f"{server}/_stcore/health")[2] == "ok"
    assert "<html" in sent(server)[2]


def test_a_plan_is_the_one_that_the_command_line_prints(server, capsys):
    (named,) = read_requests([str(EXAMPLE)])
    status, headers, text = sent(f"{server}/api/v1/plan", named.request.canonical_json().encode())
    assert (status, headers["content-type"]) == (200, "application/json")
    assert main(["plan", str(EXAMPLE), "--format", "json"]) == 0
    assert text == capsys.readouterr().out.rstrip("\n")
    assert Plan.model_validate_json(text).recommendations


def test_what_is_wrong_is_named_with_its_sentence_in_the_readers_language(server):
    body = json.dumps(REQUEST | {"workload": {"kind": "serving", "requests_per_s": -1, "inputtokens": 3}}).encode()
    status, _, text = sent(f"{server}/api/v1/plan", body)
    assert status == 422
    found = {fault["code"]: fault for fault in faults(text)}
    assert found["out_of_range"]["field"] == "workload.requests_per_s"
    assert found["out_of_range"]["value"] == "-1"
    assert found["unknown_field"]["hint"] == "input_tokens"
    chinese = faults(sent(f"{server}/api/v1/plan", body, Accept_Language="zh-CN,zh;q=0.9")[2])
    assert [fault["code"] for fault in chinese] == [fault["code"] for fault in faults(text)]
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in fault["sentence"]) for fault in chinese)
    assert faults(sent(f"{server}/api/v1/plan?lang=zh", body)[2]) == chinese


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "json_syntax"),
        (b"{", 400, "json_syntax"),
        (b'{"model": NaN}', 400, "json_syntax"),
        (b"[" * 100_000, 400, "json_syntax"),
        (b"\xff\xfe", 400, "json_syntax"),
        (b"[]", 422, "not_a_mapping"),
        (b"{}", 422, "missing_field"),
        (b'{"model": "no-such-model", "workload": {"kind": "serving"}}', 422, "unknown_model"),
        (b'{"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 1e999}}', 422, None),
        (b'{"version": 99, "model": "llama3.1-8b", "workload": {"kind": "serving"}}', 422, "newer_version"),
        (b" " * (BODY_BYTES + 1), 413, "http_body_too_large"),
    ],
)
def test_a_bad_body_is_refused(server, body, status, code):
    answered, _, text = sent(f"{server}/api/v1/plan", body)
    assert answered == status
    assert code is None or code in {fault["code"] for fault in faults(text)}
    assert "Traceback" not in text


def test_a_model_without_measure_is_refused_at_once(server):
    block = {"name": "all", "layers": [{"type": "attention", "hidden": 64, "heads": 4, "kv_heads": 4, "head_dim": 16}], "repeat": 10**9}
    model = {"name": "tall", "architecture": {"stacks": [{"name": "text", "blocks": [block]}], "vocab": 100, "hidden": 64}}
    for kind in ("serving", "training"):
        status, _, text = sent(f"{server}/api/v1/plan", json.dumps({"model": model, "workload": {"kind": kind}}).encode())
        assert (status, faults(text)[0]["code"], faults(text)[0]["value"]) == (422, "out_of_range", "1000000000 layers")


def test_a_body_that_hides_its_length_is_bounded_too(server):
    host = server.removeprefix("http://")
    connection = HTTPConnection(host, timeout=30)
    chunks = iter([b" " * 65_536] * 5)
    connection.request("POST", "/api/v1/plan", chunks, {"Content-Type": "application/json"}, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 413
    connection.close()


def test_only_json_by_post_is_taken(server):
    status, headers, text = sent(f"{server}/api/v1/plan")
    assert (status, headers["allow"], faults(text)[0]["code"]) == (405, "POST", "http_method")
    assert sent(f"{server}/healthz", b"{}")[0] == 405
    assert sent(f"{server}/api/v1/plan", b"{}", Content_Type="text/plain")[0] == 415


def test_what_was_asked_is_counted(server):
    def value(line: str) -> float:
        text = sent(f"{server}/metrics")[2]
        return next((float(found.rsplit(" ", 1)[1]) for found in text.splitlines() if found.startswith(line)), 0.0)

    lines = {
        'rackwright_http_requests_total{route="/api/v1/plan",status="200"}': 2,
        'rackwright_http_requests_total{route="/api/v1/plan",status="422"}': 1,
        'rackwright_faults_total{code="missing_field"}': 2,
        'rackwright_plans_total{origin="computed"}': 1,
        'rackwright_plans_total{origin="kept"}': 1,
        "rackwright_plan_seconds_count": 1,
        'rackwright_http_request_seconds_bucket{route="/api/v1/plan",le="+Inf"}': 3,
    }
    before = {line: value(line) for line in lines}
    body = json.dumps(REQUEST | {"workload": {"kind": "serving", "requests_per_s": 3.25}}).encode()
    first, second = (sent(f"{server}/api/v1/plan", body)[2] for _ in range(2))
    assert first == second
    sent(f"{server}/api/v1/plan", b"{}")
    assert {line: value(line) - before[line] for line in lines} == lines
    assert sent(f"{server}/metrics")[1]["content-type"].startswith("text/plain; version=0.0.4")


def test_health_is_answered_while_plans_are_computed(server):
    """The server has one lock for all Python code; a plan has to leave room beside it."""
    bodies = [json.dumps(SLOW | {"limits": {"max_devices": 16_000 + number}}).encode() for number in range(2)]
    with ThreadPoolExecutor(2) as pool:
        plans = [pool.submit(sent, f"{server}/api/v1/plan", body) for body in bodies]
        beside = 0
        while not all(plan.done() for plan in plans):
            beside += sent(f"{server}/healthz")[0] == 200
        assert [plan.result()[0] for plan in plans] == [200, 200]
    assert beside > 2


def test_a_program_that_leaves_takes_its_plan_with_it(server):
    def stopped() -> bool:
        return 'rackwright_http_requests_total{route="/api/v1/plan",status="503"} 1' in sent(f"{server}/metrics")[2]

    connection = HTTPConnection(server.removeprefix("http://"), timeout=30)
    connection.request("POST", "/api/v1/plan", json.dumps(SLOWEST).encode(), {"Content-Type": "application/json"})
    connection.close()
    for _ in range(300):
        if stopped():
            break
        time.sleep(0.05)
    assert stopped()


def test_the_description_holds_the_records_and_resolves(server):
    described = json.loads(sent(f"{server}/api/v1/openapi.json")[2])
    assert described == json.loads(json.dumps(document()))
    assert described["openapi"] == "3.1.0"
    assert set(described["paths"]) == {route.path for route in api.routes(Desk())}
    schemas = described["components"]["schemas"]
    assert set(PlanRequest.model_fields) == set(schemas["PlanRequest"]["properties"])
    assert set(Plan.model_fields) == set(schemas["Plan"]["properties"])

    def references(part: object) -> Iterator[str]:
        for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            yield from references(value)
        if isinstance(part, dict) and isinstance(part.get("$ref"), str):
            yield part["$ref"]

    assert {reference.rsplit("/", 1)[1] for reference in references(described)} <= set(schemas)


# The desk, with an engine that waits


@pytest.fixture
def slow(monkeypatch) -> Iterator[threading.Event]:
    """An engine that reports progress until it is let go."""
    free = threading.Event()

    def plan(request, library, progress):
        while not free.wait(0.005):
            progress(0.5)
        return sample.plan(request)

    monkeypatch.setattr(engine, "plan", plan)
    engine.plans.clear()
    yield free
    free.set()
    engine.plans.clear()


def asked(rate: float) -> bytes:
    return json.dumps({"model": "example-70b", "workload": {"kind": "serving", "requests_per_s": rate}}).encode()


def in_a_loop_of_its_own(work):
    """Run the coroutine function in a thread: the browser tests keep a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(work())).result(timeout=60)


def test_more_than_run_and_wait_are_turned_away_and_there_is_room_again_after(slow):
    async def crowd() -> None:
        desk = Desk(running=1, waiting=1, plan_s=20, library=sample.library)
        held = [asyncio.ensure_future(desk.plan(asked(rate))) for rate in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(RefusedError) as refused:
            await desk.plan(asked(3))
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "5")
        slow.set()
        assert all(await asyncio.gather(*held))
        assert await desk.plan(asked(3))

    in_a_loop_of_its_own(crowd)


def test_a_plan_that_takes_too_long_is_stopped_and_frees_its_place(slow):
    async def late() -> None:
        desk = Desk(running=1, waiting=0, plan_s=0.1, library=sample.library)
        with pytest.raises(RefusedError) as refused:
            await desk.plan(asked(1))
        assert (refused.value.status, refused.value.faults[0].code) == (503, "http_too_slow")
        await idle(desk)
        slow.set()
        assert await desk.plan(asked(2))

    in_a_loop_of_its_own(late)


def test_a_plan_that_nobody_waits_for_is_stopped(slow):
    async def left() -> None:
        desk = Desk(running=1, waiting=0, plan_s=60, library=sample.library)

        async def gone() -> bool:
            return True

        with pytest.raises(RefusedError):
            await desk.plan(asked(1), gone)
        await idle(desk)

    in_a_loop_of_its_own(left)


def test_a_server_that_ends_computes_no_longer(slow):
    async def closing() -> None:
        desk = Desk(running=1, waiting=1, plan_s=60, library=sample.library)
        running, waiting = (asyncio.ensure_future(desk.plan(asked(rate))) for rate in (1, 2))
        await asyncio.sleep(0.05)
        desk.close()
        for held in (running, waiting):
            with pytest.raises((RefusedError, asyncio.CancelledError)) as ended:
                await held
            if isinstance(ended.value, RefusedError):
                assert ended.value.faults[0].code == "http_ending"
        await idle(desk)

    in_a_loop_of_its_own(closing)


async def idle(desk: Desk) -> None:
    """Until no plan is computed."""
    for _ in range(500):
        if not desk._held:
            return
        await asyncio.sleep(0.01)
    raise AssertionError
