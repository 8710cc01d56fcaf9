"""The engine: a question about hardware in, a costed and explained plan out.

    from planner import PlanRequest, plan

Names are loaded on first use, so that a command which only counts parameters does not pay for the search.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.answer import Plan as Plan
    from planner.library import Library as Library
    from planner.library import default_library as default_library
    from planner.library import load_library as load_library
    from planner.links import decode_link as decode_link
    from planner.links import encode_link as encode_link
    from planner.pareto import frontier as frontier
    from planner.pipeline import plan as plan
    from planner.request import PlanRequest as PlanRequest

_HOMES = {
    "Library": "planner.library",
    "Plan": "planner.answer",
    "PlanRequest": "planner.request",
    "decode_link": "planner.links",
    "default_library": "planner.library",
    "encode_link": "planner.links",
    "frontier": "planner.pareto",
    "load_library": "planner.library",
    "plan": "planner.pipeline",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 sorted gives the list that is wanted


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module 'planner' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)
