"""The server listens before it knows anything, then fetches what the first visitor needs."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard import engine, warming
from dashboard.draft import example_draft, request_of
from planner.library import default_library

ROOT = Path(__file__).parents[2]
HEAVY = ("altair", "numpy", "pandas", "planner.pipeline", "pydantic", "yaml")


def test_the_front_door_imports_nothing_heavy() -> None:
    program = f"import sys, asgi; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ)
    assert found.stdout.splitlines()[-1] == "[]"


def test_the_example_is_answered_before_somebody_asks_for_it() -> None:
    engine.plans.clear()
    warming.warm()
    gc.unfreeze()
    assert warming.warmed.is_set()
    assert gc.isenabled()
    key = (request_of(example_draft()).digest(), default_library().digest)
    assert engine.plans.get(key) is not None


def test_a_warm_up_that_fails_is_logged_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(warming, "_MODULES", ("no.such.module",))
    warming.warmed.clear()
    warming.warm()
    gc.unfreeze()
    assert warming.warmed.is_set()
    assert gc.isenabled()
    assert "no.such.module" in caplog.text or "No module named 'no'" in caplog.text
