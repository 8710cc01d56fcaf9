"""Plans and catalogs for pages: computed once per question and catalog, shared by all sessions, bounded."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from time import perf_counter

import streamlit as st

from dashboard import metrics
from planner import plan
from planner.answer import Plan
from planner.library import Library, default_library, load_library
from planner.pipeline import Progress
from planner.request import PlanRequest

PLANS_KEPT = 64
OVERLAYS_KEPT = 8


class PlanStore:
    """The latest plans by request and library digest. Plans are frozen, so all sessions may share one."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._plans: OrderedDict[tuple[str, str], Plan] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, str]) -> Plan | None:
        """The plan under `key`, if it is still kept."""
        with self._lock:
            if key in self._plans:
                self._plans.move_to_end(key)
            return self._plans.get(key)

    def put(self, key: tuple[str, str], answer: Plan) -> None:
        """Keep `answer`; the one that was not asked for longest makes room."""
        with self._lock:
            self._plans[key] = answer
            while len(self._plans) > self._size:
                self._plans.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._plans.clear()


plans = PlanStore(PLANS_KEPT)


def library() -> Library:
    """The catalogs of this session: the packaged ones, with the asker's own entries on top where there are any."""
    overlay: bytes = st.session_state.get("overlay", b"")
    return with_overlay(overlay) if overlay else default_library()


def answered(request: PlanRequest, progress: Progress | None = None) -> Plan:
    """The plan of `request` under this session's catalogs. Raises `RackwrightError` for a question at fault."""
    return answered_by(library(), request, progress)


def answered_by(known: Library, request: PlanRequest, progress: Progress | None = None) -> Plan:
    """The plan of `request` under the catalogs `known`: kept from before, or computed and kept."""
    key = (request.digest(), known.digest)
    answer = plans.get(key)
    if answer is not None:
        metrics.PLANS.add("kept")
        return answer
    start = perf_counter()
    answer = plan(request, known, progress)
    metrics.PLAN_S.add(perf_counter() - start)
    metrics.PLANS.add("computed")
    plans.put(key, answer)
    return answer


@st.cache_resource(max_entries=OVERLAYS_KEPT, show_spinner=False)
def with_overlay(overlay: bytes) -> Library:
    """The packaged catalogs with `overlay` (YAML) on top. Raises `RackwrightError` when it is faulty."""
    return load_library([overlay])
