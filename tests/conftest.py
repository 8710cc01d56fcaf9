"""Shared by all tests: how hypothesis searches, and the order. `CI=true` searches longer; no run depends on chance or on a clock."""

import os

import pytest
from hypothesis import settings

settings.register_profile("dev", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in a browser come last: they are slow, and Playwright keeps an event loop running once it has started."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
