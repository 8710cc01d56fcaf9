"""Plans and catalogs for pages: computed once per question and catalog, shared by all sessions, bounded in bytes."""

from __future__ import annotations

from time import perf_counter

import streamlit as st

from dashboard import metrics
from dashboard.flights import Flights
from dashboard.plan_store import PlanStore
from facts.errors import RackwrightError
from planner import plan
from planner.answer import Plan
from planner.library import Library, default_library, load_library
from planner.pipeline import Progress
from planner.request import PlanRequest

PLANS_KEPT_BYTES = 64 * 2**20
OVERLAYS_KEPT = 8

plans = PlanStore(PLANS_KEPT_BYTES)
flights = Flights()


def library() -> Library:
    """The catalogs of this session: the packaged ones, with the asker's own entries on top where there are any."""
    overlay: bytes = st.session_state.get("overlay", b"")
    return with_overlay(overlay) if overlay else default_library()


def answered(request: PlanRequest, progress: Progress | None = None) -> Plan:
    """The plan of `request` under this session's catalogs. Raises `RackwrightError` for a question at fault."""
    return answered_by(library(), request, progress)


def answered_by(known: Library, request: PlanRequest, progress: Progress | None = None) -> Plan:
    """The plan of `request` under the catalogs `known`: kept from before, or computed once for all who ask, and kept."""
    key = (request.digest(), known.digest)
    if (answer := plans.get(key)) is not None:
        metrics.PLANS.add("kept")
        return answer
    origin = "shared"

    def computed(report: Progress) -> Plan:
        nonlocal origin
        origin, start = "computed", perf_counter()
        if (answer := plans.get(key)) is None:  # nobody has computed it while this one came here
            answer = plan(request, known, report)
            plans.put(key, answer)
        metrics.PLAN_S.add(perf_counter() - start)
        return answer

    try:
        return flights.plan(key, computed, progress or (lambda share: None))
    except RackwrightError:
        origin = "refused"
        raise
    except BaseException:  # whoever asked has gone, or asks something else
        origin = "stopped"
        raise
    finally:
        metrics.PLANS.add(origin)


@st.cache_resource(max_entries=OVERLAYS_KEPT, show_spinner=False)
def with_overlay(overlay: bytes) -> Library:
    """The packaged catalogs with `overlay` (YAML) on top. Raises `RackwrightError` when it is faulty."""
    return load_library([overlay])
