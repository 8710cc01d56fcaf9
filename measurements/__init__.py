"""Measured runs with their sources, kernel efficiency, and what is fitted to them. Knows only `facts`."""

from __future__ import annotations

from importlib import resources


def measured_runs(name: str) -> bytes:
    """The packaged table `runs/<name>.csv`, as its publishers' figures were collected."""
    return resources.files(__name__).joinpath(f"runs/{name}.csv").read_bytes()
