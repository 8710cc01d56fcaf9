"""What the first visitor would wait for is fetched while their browser still loads its scripts."""

from __future__ import annotations

import gc
import logging
from importlib import import_module
from threading import Event, Thread

logger = logging.getLogger(__name__)
_MODULES = ("dashboard.engine", "pandas", "altair", "streamlit.emojis", "dashboard.question", "dashboard.sections.details")


warmed = Event()  # or given up: nothing more will be quicker later


def start_warming() -> None:
    """In a thread that ends with the process."""
    Thread(target=warm, name="warming", daemon=True).start()


def warm() -> None:
    """Import what the page Plan needs, read the catalogs, answer the example.

    All of it stays as long as the process: the collector of garbage would walk it many times, a fifth of the whole start,
    and find nothing. From here on it looks at what is new.
    """
    gc.disable()
    try:
        for name in _MODULES:
            import_module(name)
        _answer_the_example()
    except Exception:  # the first visitor gets to see it
        logger.exception("warming")
    finally:
        gc.freeze()
        gc.enable()
        warmed.set()


def _answer_the_example() -> None:
    from dashboard.charts.cost import cost_figure  # noqa: PLC0415
    from dashboard.draft import example_draft, request_of  # noqa: PLC0415
    from dashboard.engine import answered_by  # noqa: PLC0415 the server listens first
    from dashboard.language import speaking  # noqa: PLC0415
    from planner.library import default_library  # noqa: PLC0415

    answer = answered_by(default_library(), request_of(example_draft()))
    with speaking("en"):
        cost_figure(answer.recommendations[:1], answer.recommendations[0], answer.catalog_release).chart.to_dict(validate=False)
