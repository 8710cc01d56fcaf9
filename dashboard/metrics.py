"""What the server counts, as Prometheus reads it (text exposition format 0.0.4). Kept in this process, gone with it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from threading import Lock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Labels = tuple[str, ...]


class Count:
    """How often something happened, by the values of its labels. Label values have to come from a bounded set."""

    def __init__(self, name: str, meaning: str, labels: Labels = ()) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self._values: Counter[Labels] = Counter()
        self._lock = Lock()

    def add(self, *values: str) -> None:
        """One more."""
        with self._lock:
            self._values[values] += 1

    def text(self) -> Iterator[str]:
        """Lines of the exposition."""
        yield from _head(self.name, self.meaning, "counter")
        with self._lock:
            values = dict(self._values)
        if not self.labels:
            values.setdefault((), 0)
        for found, number in sorted(values.items()):
            yield f"{self.name}{_labelled(self.labels, found)} {number}"


class Histogram:
    """How long something took, in seconds, as cumulative buckets."""

    def __init__(self, name: str, meaning: str, labels: Labels = ()) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self._buckets: dict[Labels, list[int]] = {}
        self._sums_s: dict[Labels, float] = {}
        self._lock = Lock()

    def add(self, seconds: float, *values: str) -> None:
        """One more, that took `seconds`."""
        with self._lock:
            buckets = self._buckets.setdefault(values, [0] * (len(BUCKETS_S) + 1))
            buckets[bisect_left(BUCKETS_S, seconds)] += 1
            self._sums_s[values] = self._sums_s.get(values, 0.0) + seconds

    def text(self) -> Iterator[str]:
        """Lines of the exposition."""
        yield from _head(self.name, self.meaning, "histogram")
        with self._lock:
            found = sorted((values, list(buckets), self._sums_s[values]) for values, buckets in self._buckets.items())
        for values, buckets, sum_s in found:
            total = 0
            for bound, number in zip((*map(str, BUCKETS_S), "+Inf"), buckets, strict=True):
                total += number
                yield f"{self.name}_bucket{_labelled((*self.labels, 'le'), (*values, bound))} {total}"
            yield f"{self.name}_sum{_labelled(self.labels, values)} {sum_s:.6f}"
            yield f"{self.name}_count{_labelled(self.labels, values)} {total}"


def _head(name: str, meaning: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"


def _labelled(names: Labels, values: Labels) -> str:
    escaped = (value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, escaped, strict=True)) + "}" if names else ""


REQUESTS = Count("rackwright_http_requests_total", "Requests of programs, by route and status.", ("route", "status"))
REQUEST_S = Histogram("rackwright_http_request_seconds", "Time to answer a request of a program, by route.", ("route",))
FAULTS = Count("rackwright_faults_total", "Faults found in requests of programs, by code.", ("code",))
PLANS = Count("rackwright_plans_total", "Plans asked for: computed, kept, shared with another asker, refused, stopped.", ("origin",))
PLAN_S = Histogram("rackwright_plan_seconds", "Time to compute a plan.")

_ALL = (REQUESTS, REQUEST_S, FAULTS, PLANS, PLAN_S)


def exposition() -> str:
    """All of it."""
    return "\n".join(line for metric in _ALL for line in metric.text()) + "\n"
