"""The same answers for programs: health, metrics, plans and their description, beside the pages on one server.

A request is a `PlanRequest` as JSON, the answer a `Plan` as JSON, a fault its code with its sentence. Size, time and
the number of plans computed at once are bounded.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from threading import BoundedSemaphore

from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard.engine import plans
from dashboard.metrics import Metrics
from facts.errors import Fault, RackwrightError
from planner import plan
from planner.answer import Plan
from planner.library import default_library
from planner.pipeline import Progress
from planner.request import PlanRequest
from texts.sentences import sentence
from texts.translations import LANGUAGES, Language

MOST_BYTES = 65_536
MOST_SECONDS = 30.0
MOST_AT_ONCE = 2

metrics = Metrics()
_places = BoundedSemaphore(MOST_AT_ONCE)


class OverdueError(Exception):
    """The search took longer than a request may."""


async def healthz(request: Request) -> Response:
    """Alive, and with which catalog."""
    known = await asyncio.to_thread(default_library)
    return JSONResponse({"status": "ok", "library": known.digest, "catalog": known.hardware.release})


async def prometheus(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")


async def post_plan(request: Request) -> Response:
    """A request's plan, byte for byte what the command line prints."""
    language: Language = next((known for known in LANGUAGES if known == request.query_params.get("lang")), "en")
    try:
        body = await _bounded_body(request)
        asked = PlanRequest.parse(_json(body), "body")
        if not _places.acquire(blocking=False):
            return _refused(429, language, Fault("server_busy", allowed=str(MOST_AT_ONCE)))
        try:
            answer = await asyncio.to_thread(_planned, asked)
        finally:
            _places.release()
    except RackwrightError as error:
        return _refused(413 if error.faults[0].code == "file_too_large" else 422, language, *error.faults)
    except OverdueError:
        return _refused(503, language, Fault("plan_overdue", allowed=f"{MOST_SECONDS:.0f} s"))
    return Response(answer.canonical_json() + "\n", media_type="application/json")


async def openapi(request: Request) -> Response:
    """The OpenAPI document of these routes."""
    return JSONResponse(openapi_document())


def openapi_document() -> dict[str, object]:
    """OpenAPI 3.1, with the schemas of request and plan as pydantic has them."""
    schemas: dict[str, object] = {}
    for model in (PlanRequest, Plan):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    fault = {"type": "object", "properties": {name: {"type": "string"} for name in (*Fault.__dataclass_fields__, "sentence")}}
    schemas["Faults"] = {"type": "object", "properties": {"faults": {"type": "array", "items": fault}}}
    faults = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Faults"}}}}
    operation = {
        "summary": "Ranked cluster configurations for a request",
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/PlanRequest"}}}},
        "responses": {
            "200": {"description": "The plan", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Plan"}}}},
            "413": {"description": "The body is too large", **faults},
            "422": {"description": "The request is at fault", **faults},
            "429": {"description": "Too many plans at once", **faults},
            "503": {"description": "The search took too long", **faults},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rackwright", "version": "1", "description": __doc__},
        "paths": {"/api/v1/plan": {"post": operation}},
        "components": {"schemas": schemas},
    }


def _planned(asked: PlanRequest) -> Plan:
    """The plan of `asked` under the packaged catalogs, kept for pages and programs alike."""
    known = default_library()
    key = (asked.digest(), known.digest)
    kept = plans.get(key)
    if kept is not None:
        metrics.count("kept")
        return kept
    started_s = time.monotonic()
    answer = plan(asked, known, _deadline(started_s))
    plans.put(key, answer)
    metrics.count("computed", time.monotonic() - started_s)
    return answer


def _deadline(started_s: float) -> Progress:
    def report(share: float) -> None:
        if time.monotonic() - started_s > MOST_SECONDS:
            raise OverdueError

    return report


async def _bounded_body(request: Request) -> bytes:
    """The body, read no further than allowed."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise RackwrightError(Fault("file_too_large", "body", value=f"over {MOST_BYTES} bytes", allowed=f"at most {MOST_BYTES} bytes"))
    return body


def _json(body: bytes) -> object:
    """Plain data; refuses what is no JSON, deep nesting and numbers that are not finite."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        raise RackwrightError(Fault("json_damaged", "body")) from None


def _refused(status: int, language: Language, *faults: Fault) -> Response:
    metrics.count("refused")
    told = [{**asdict(fault), "sentence": sentence(fault, language)} for fault in faults]
    return Response(json.dumps({"faults": told}, ensure_ascii=False) + "\n", status, media_type="application/json")


ROUTES = (
    Route("/healthz", healthz, methods=["GET"]),
    Route("/metrics", prometheus, methods=["GET"]),
    Route("/api/v1/plan", post_plan, methods=["POST"]),
    Route("/api/v1/openapi.json", openapi, methods=["GET"]),
)
