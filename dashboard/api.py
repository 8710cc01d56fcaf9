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
from threading import Event
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard import metrics
from dashboard.warming import warmed
from facts.errors import Fault, RackwrightError, shown
from facts.version import VERSION
from texts.sentences import sentence
from texts.translations import LANGUAGES, Language

if TYPE_CHECKING:  # the engine is imported by the first plan: the server listens half a second earlier
    from planner.library import Library

BODY_BYTES = 256 * 1024
BODY_S = 10.0  # to send the body
PLAN_S = 60.0  # to wait and compute
RUNNING = 2  # plans computed at once
WAITING = 8  # plans that may wait for that
LOOK_S = 0.25  # how often is looked whether who asked is still there

logger = logging.getLogger(__name__)
Handler = Callable[[Request], Awaitable[Response]]
Gone = Callable[[], Awaitable[bool]]
_ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class RefusedError(Exception):
    """The request gets no plan: HTTP status and what was wrong."""

    def __init__(self, status: int, *faults: Fault, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, faults)
        self.status, self.faults, self.headers = status, faults, dict(headers or {})


class _StoppedError(Exception):
    """Raised inside the engine when nobody waits any longer."""


async def _stays() -> bool:
    return False


@dataclass
class Desk:
    """Where plans are computed: at most `running` at once, `waiting` in line, each with `plan_s` seconds from its arrival."""

    running: int = RUNNING
    waiting: int = WAITING
    plan_s: float = PLAN_S
    library: Callable[[], Library] | None = None  # None: the packaged catalogs
    _held: int = 0
    _closed: bool = False
    _threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(self.running, "plan")

    async def plan(self, body: bytes, gone: Gone = _stays) -> bytes:
        """The plan that `body` asks for, as JSON; stopped when its time is over and when who asked is `gone`.

        Raises `RefusedError` when there is no room, no time left or no JSON, `RackwrightError` for a faulty question.
        """
        if self._held >= self.running + self.waiting:
            allowed = str(self.running + self.waiting)
            raise RefusedError(429, Fault("http_busy", value=str(self._held), allowed=allowed), headers={"Retry-After": "5"})
        self._held += 1
        end_s, stop = monotonic() + self.plan_s, Event()
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._computed, body, stop)
        work.add_done_callback(self._release)
        try:
            while monotonic() < end_s and not await gone():
                if (await asyncio.wait({work}, timeout=LOOK_S))[0]:
                    return work.result()
        except _StoppedError:
            pass
        finally:
            stop.set()
        why = Fault("http_ending") if self._closed else Fault("http_too_slow", allowed=f"{self.plan_s:g} s")
        raise RefusedError(503, why, headers={"Retry-After": "60"})

    def close(self) -> None:
        """Stop what is computed and take nothing more: the server ends."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _computed(self, body: bytes, stop: Event) -> bytes:
        """In a thread: reading a large question takes a while too."""
        from dashboard.engine import answered_by  # noqa: PLC0415 see above
        from planner.library import default_library  # noqa: PLC0415
        from planner.request import PlanRequest  # noqa: PLC0415

        def wanted(_: float) -> None:
            if self._closed or stop.is_set():
                raise _StoppedError

        wanted(0.0)
        request = PlanRequest.parse(_json(body))
        return answered_by((self.library or default_library)(), request, wanted).canonical_json().encode()

    def _release(self, work: asyncio.Future[bytes]) -> None:
        """Room for the next, once the thread is free; its failure was told to whoever still listened."""
        self._held -= 1
        if not work.cancelled():
            work.exception()


def _json(body: bytes) -> object:
    from pydantic_core import from_json  # noqa: PLC0415 comes with the engine

    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RefusedError(400, Fault("json_syntax", "request", value=shown(str(error)))) from None


async def healthz(_: Request) -> Response:
    """That the server answers, what it is, and whether the first plan will be as quick as the others."""
    return JSONResponse({"status": "ok", "version": VERSION, "ready": warmed.is_set()})


async def exposition(_: Request) -> Response:
    """The counters of this process."""
    return PlainTextResponse(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


async def openapi(_: Request) -> Response:
    """How to ask and what comes back."""
    from dashboard.openapi import document  # noqa: PLC0415 comes with the engine

    return JSONResponse(await asyncio.to_thread(document))


def plan_with(desk: Desk) -> Handler:
    """The handler that answers a request in JSON with its plan in JSON."""

    async def planned(request: Request) -> Response:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise RefusedError(415, Fault("http_media_type", value=shown(kind), allowed="application/json"))
        return Response(await desk.plan(await _body(request), request.is_disconnected), media_type="application/json")

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


def routes(desk: Desk) -> list[Route]:
    """All routes, for an ASGI application that computes at `desk`."""
    handlers: tuple[tuple[str, str, Handler], ...] = (
        ("/healthz", "GET", healthz),
        ("/metrics", "GET", exposition),
        ("/api/v1/openapi.json", "GET", openapi),
        ("/api/v1/plan", "POST", plan_with(desk)),
    )
    return [Route(path, _answering(handler, path, method), methods=_ALL_METHODS) for path, method, handler in handlers]
