"""The programs' interface: health, metrics, plans and their description, on the port of the pages.

A plan is computed in a thread, a few at a time; a few more wait, the rest is refused. Body, waiting and computing are
bounded. What a request got wrong comes back as data, with the sentence that a person would read: `{"faults": [...]}`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from time import monotonic, perf_counter

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard import engine, metrics
from dashboard.openapi import document
from facts.errors import Fault, RackwrightError, shown
from facts.version import VERSION
from planner.library import Library, default_library
from planner.request import PlanRequest
from texts.sentences import sentence
from texts.translations import LANGUAGES, Language

BODY_BYTES = 256 * 1024
BODY_S = 10.0  # to send the body
PLAN_S = 60.0  # to wait and compute
RUNNING = 2  # plans computed at once
WAITING = 8  # plans that may wait for that

logger = logging.getLogger(__name__)
Handler = Callable[[Request], Awaitable[Response]]
_ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class RefusedError(Exception):
    """The request gets no plan: HTTP status and what was wrong."""

    def __init__(self, status: int, *faults: Fault, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, faults)
        self.status, self.faults, self.headers = status, faults, dict(headers or {})


class _StoppedError(Exception):
    """Raised inside the engine when its time is over."""


@dataclass
class Desk:
    """Where plans are computed: at most `running` at once, `waiting` in line, each with `plan_s` seconds from its arrival."""

    running: int = RUNNING
    waiting: int = WAITING
    plan_s: float = PLAN_S
    library: Callable[[], Library] = default_library
    _held: int = 0
    _threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(self.running, "plan")

    async def plan(self, request: PlanRequest) -> bytes:
        """The plan as JSON. Raises `RefusedError` when there is no room or no time left, `RackwrightError` for a faulty question."""
        if self._held >= self.running + self.waiting:
            allowed = str(self.running + self.waiting)
            raise RefusedError(429, Fault("http_busy", value=str(self._held), allowed=allowed), headers={"Retry-After": "5"})
        self._held += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._computed, request, monotonic() + self.plan_s)
        work.add_done_callback(self._release)
        late = RefusedError(503, Fault("http_too_slow", allowed=f"{self.plan_s:g} s"), headers={"Retry-After": "60"})
        try:
            return await asyncio.wait_for(asyncio.shield(work), self.plan_s)
        except (TimeoutError, _StoppedError):
            raise late from None

    def _computed(self, request: PlanRequest, end_s: float) -> bytes:
        def in_time(_: float) -> None:
            if monotonic() > end_s:
                raise _StoppedError

        in_time(0.0)
        return engine.answered_by(self.library(), request, in_time).canonical_json().encode()

    def _release(self, work: asyncio.Future[bytes]) -> None:
        """Room for the next, once the thread is free; its failure was told to whoever still listened."""
        self._held -= 1
        if not work.cancelled():
            work.exception()


async def healthz(_: Request) -> Response:
    """That the server answers, and what it is."""
    return JSONResponse({"status": "ok", "version": VERSION})


async def exposition(_: Request) -> Response:
    """The counters of this process."""
    return PlainTextResponse(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


async def openapi(_: Request) -> Response:
    """How to ask and what comes back."""
    return JSONResponse(document())


def plan_with(desk: Desk) -> Handler:
    """The handler that answers a request in JSON with its plan in JSON."""

    async def planned(request: Request) -> Response:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise RefusedError(415, Fault("http_media_type", value=shown(kind), allowed="application/json"))
        try:
            raw = from_json(await _body(request), allow_inf_nan=False)
        except ValueError as error:
            raise RefusedError(400, Fault("json_syntax", "request", value=shown(str(error)))) from None
        return Response(await desk.plan(PlanRequest.parse(raw)), media_type="application/json")

    return planned


async def _body(request: Request) -> bytes:
    """The body, never more than `BODY_BYTES` of it in memory."""
    too_large = RefusedError(413, Fault("http_body_too_large", allowed=f"{BODY_BYTES} bytes"))
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared[:12]) > BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > BODY_BYTES:
                    raise too_large
    except (TimeoutError, ClientDisconnect):
        raise RefusedError(408, Fault("http_too_slow", allowed=f"{BODY_S:g} s")) from None
    return bytes(body)


def _answering(handler: Handler, path: str, method: str) -> Handler:
    """`handler` for `method` alone, its faults as JSON, counted and timed."""

    async def answer(request: Request) -> Response:
        start = perf_counter()
        response = await _outcome(handler, request, method)
        metrics.REQUESTS.add(path, str(response.status_code))
        metrics.REQUEST_S.add(perf_counter() - start, path)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return answer


async def _outcome(handler: Handler, request: Request, method: str) -> Response:
    language = _language(request)
    try:
        _check_method(request, method)
        return await handler(request)
    except RefusedError as refused:
        return _faulty(refused.status, refused.faults, language, refused.headers)
    except RackwrightError as error:
        return _faulty(422, error.faults, language)
    except Exception:
        reference = uuid.uuid4().hex[:8]
        logger.exception("reference %s", reference)
        return _faulty(500, (Fault("http_failure", value=reference),), language)


def _check_method(request: Request, method: str) -> None:
    """Streamlit answers every address with its page, so a route has to refuse the other methods by itself."""
    if request.method not in {method, "HEAD" if method == "GET" else method}:
        raise RefusedError(405, Fault("http_method", value=request.method, allowed=method), headers={"Allow": method})


def _faulty(status: int, faults: tuple[Fault, ...], language: Language, headers: Mapping[str, str] | None = None) -> Response:
    for fault in faults:
        metrics.FAULTS.add(fault.code)
    content = {"faults": [asdict(fault) | {"sentence": sentence(fault, language)} for fault in faults]}
    return JSONResponse(content, status, headers=dict(headers or {}))


def _language(request: Request) -> Language:
    """`lang` of the query, else the first of `Accept-Language`, else English."""
    wanted = request.query_params.get("lang") or request.headers.get("accept-language", "")
    return next((known for known in LANGUAGES if wanted.lower().startswith(known)), "en")


def routes(desk: Desk | None = None) -> list[Route]:
    """All routes, for an ASGI application."""
    handlers: tuple[tuple[str, str, Handler], ...] = (
        ("/healthz", "GET", healthz),
        ("/metrics", "GET", exposition),
        ("/api/v1/openapi.json", "GET", openapi),
        ("/api/v1/plan", "POST", plan_with(desk or Desk())),
    )
    return [Route(path, _answering(handler, path, method), methods=_ALL_METHODS) for path, method, handler in handlers]
