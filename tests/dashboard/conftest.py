"""The app under Streamlit's test harness, answered by a small hand-made plan instead of the engine."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import engine
from planner.request import PlanRequest
from tests.dashboard import sample

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[PlanRequest]:
    """Requests that the page asked the engine, in order; the answer is the sample plan."""
    requests: list[PlanRequest] = []

    def answered(request: PlanRequest, library: object = None, progress: object = None) -> object:
        requests.append(request)
        impossible = request.workload.kind == "serving" and request.workload.ttft_s < 0.01
        return sample.plan(request, options=0 if impossible else 3)

    monkeypatch.setattr(engine, "plan", answered)
    monkeypatch.setattr(engine, "default_library", sample.library)
    engine.plans.clear()
    return requests


@pytest.fixture
def opened(asked: list[PlanRequest]) -> Callable[..., AppTest]:
    """Open the app with a query."""

    def opened_with(query: Mapping[str, str] | None = None) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=30)
        for key, value in (query or {}).items():
            app.query_params[key] = value
        return app.run()

    return opened_with
