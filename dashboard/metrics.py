"""What the server has done since it started, as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from threading import Lock

OUTCOMES = ("computed", "kept", "refused")


class Metrics:
    """Plans for programs by outcome, and the seconds that computing them took."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._seconds = 0.0
        self._lock = Lock()

    def count(self, outcome: str, seconds: float = 0.0) -> None:
        """One more request with `outcome`, which took `seconds` to compute."""
        with self._lock:
            self._counts[outcome] += 1
            self._seconds += seconds

    def text(self) -> str:
        """Prometheus' text format, version 0.0.4."""
        with self._lock:
            lines = ["# HELP rackwright_plans_total Plans asked for by programs.", "# TYPE rackwright_plans_total counter"]
            lines += [f'rackwright_plans_total{{outcome="{outcome}"}} {self._counts[outcome]}' for outcome in OUTCOMES]
            lines += ["# HELP rackwright_plan_seconds_total Seconds spent computing them.", "# TYPE rackwright_plan_seconds_total counter"]
            lines.append(f"rackwright_plan_seconds_total {self._seconds:.6f}")
        return "\n".join(lines) + "\n"
