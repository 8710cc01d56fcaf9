"""Programs get the same plans and the same faults as people."""

import asyncio
import json
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette

from dashboard import api
from dashboard.engine import plans
from planner import PlanRequest, plan

ASKED = {"model": "llama3.2-1b", "workload": {"kind": "serving"}, "limits": {"max_devices": 8}}


@dataclass(frozen=True)
class Answer:
    status_code: int
    text: str

    def json(self):
        return json.loads(self.text)


class Client:
    """Speaks ASGI to the routes, without a network."""

    def __init__(self) -> None:
        self._app = Starlette(routes=list(api.ROUTES))

    def get(self, path: str) -> Answer:
        return asyncio.run(self._asked("GET", path, b""))

    def post(self, path: str, *, json_body: object = None, content: bytes = b"") -> Answer:
        return asyncio.run(self._asked("POST", path, content or json.dumps(json_body).encode()))

    async def _asked(self, method: str, address: str, body: bytes) -> Answer:
        path, _, query = address.partition("?")
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": [], "http_version": "1.1"}
        sent: list[dict] = []

        async def receive() -> dict:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return Answer(sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode())


@pytest.fixture
def client() -> Client:
    plans.clear()
    return Client()


def test_a_plan_is_byte_for_byte_that_of_the_engine(client) -> None:
    answer = client.post("/api/v1/plan", json_body=ASKED)
    assert answer.status_code == 200
    assert answer.text == plan(PlanRequest.parse(ASKED)).canonical_json() + "\n"
    assert client.post("/api/v1/plan", json_body=ASKED).text == answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, "json_damaged"),
        (b'{"model": NaN}', 422, "json_damaged"),
        (b"[" * 10_000, 422, "json_damaged"),
        (b'"text"', 422, "not_a_mapping"),
        (json.dumps(ASKED | {"model": "no-such-model"}).encode(), 422, "unknown_model"),
        (json.dumps(ASKED | {"workload": {"kind": "serving", "requests_per_s": -1}}).encode(), 422, "out_of_range"),
        (b" " * 70_000, 413, "file_too_large"),
    ],
)
def test_what_is_at_fault_is_said_with_its_code_and_a_sentence(body, status, code, client) -> None:
    answer = client.post("/api/v1/plan", content=body)
    assert answer.status_code == status
    fault = answer.json()["faults"][0]
    assert fault["code"] == code
    assert fault["sentence"].endswith(".") or fault["sentence"]


def test_faults_are_told_in_chinese_when_asked(client) -> None:
    english, chinese = (client.post(f"/api/v1/plan?lang={lang}", content=b'"x"').json()["faults"][0]["sentence"] for lang in ("en", "zh"))
    assert english != chinese


def test_a_search_over_its_time_ends_and_says_so(client, monkeypatch) -> None:
    monkeypatch.setattr(api, "MOST_SECONDS", -1.0)
    answer = client.post("/api/v1/plan", json_body=ASKED)
    assert answer.status_code == 503
    assert answer.json()["faults"][0]["code"] == "plan_overdue"


def test_more_plans_at_once_than_allowed_are_turned_away(client) -> None:
    for _ in range(api.MOST_AT_ONCE):
        assert api._places.acquire(blocking=False)
    try:
        assert client.post("/api/v1/plan", json_body=ASKED).status_code == 429
    finally:
        for _ in range(api.MOST_AT_ONCE):
            api._places.release()


def test_health_and_metrics(client) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    client.post("/api/v1/plan", json_body=ASKED)
    assert 'rackwright_plans_total{outcome="computed"}' in client.get("/metrics").text


def test_the_openapi_document_describes_what_is_there(client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    assert {"PlanRequest", "Plan", "Faults", "Recommendation"} <= document["components"]["schemas"].keys()
    text = json.dumps(document)
    for part in set(text.split('"#/components/schemas/')[1:]):
        assert part.split('"')[0] in document["components"]["schemas"]
