"""Plans and catalogs for pages: computed once per question and catalog, shared by all sessions, bounded."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from planner import plan
from planner.answer import Plan
from planner.library import Library, default_library, load_library
from planner.request import PlanRequest

PLANS_KEPT = 200
OVERLAYS_KEPT = 8


def library() -> Library:
    """The catalogs of this session: the packaged ones, with the asker's own entries on top where there are any."""
    overlay: bytes = st.session_state.get("overlay", b"")
    return with_overlay(overlay) if overlay else default_library()


def answered(request: PlanRequest, progress: Callable[[float], None] | None = None) -> Plan:
    """The plan of `request` under this session's catalogs. Raises `RackwrightError` for a question at fault."""
    known = library()
    return _plan(request.digest(), known.digest, request, known, progress)


@st.cache_data(max_entries=PLANS_KEPT, show_spinner=False)
def _plan(
    request_digest: str,
    library_digest: str,
    _request: PlanRequest,
    _library: Library,
    _progress: Callable[[float], None] | None,
) -> Plan:
    return plan(_request, _library, _progress)


@st.cache_resource(max_entries=OVERLAYS_KEPT, show_spinner=False)
def with_overlay(overlay: bytes) -> Library:
    """The packaged catalogs with `overlay` (YAML) on top. Raises `RackwrightError` when it is faulty."""
    return load_library([overlay])
