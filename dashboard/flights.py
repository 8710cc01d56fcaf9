"""Plans on their way: a few threads compute them, each one time for all who ask for it, as long as somebody waits for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock

from dashboard.plan_store import PlanKey
from planner.answer import Plan
from planner.pipeline import Progress

AT_ONCE = 4  # more would only share the interpreter, each with arrays of its own
LOOK_S = 0.25  # how often one who waits looks whether they are still wanted


class LeftError(Exception):
    """Raised inside the engine when nobody waits any longer."""


class Flight:
    """One plan on its way."""

    future: Future[Plan]

    def __init__(self) -> None:
        self.share = 0.0
        self.waiting = 0

    def report(self, share: float) -> None:
        """`share` of the search is done; the engine goes on while somebody waits."""
        self.share = share
        if not self.waiting:
            raise LeftError


class Flights:
    """The plans on their way."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._threads = ThreadPoolExecutor(at_once, "engine")
        self._flights: dict[PlanKey, Flight] = {}
        self._lock = Lock()

    def plan(self, key: PlanKey, compute: Callable[[Progress], Plan], progress: Progress) -> Plan:
        """`compute`, in a thread of its own, or what somebody else gets who asked for the same `key` before.

        `progress` is called in this thread, and may raise to leave.
        """
        flight = self._boarded(key, compute)
        try:
            while not wait((flight.future,), LOOK_S).done:
                progress(flight.share)
            return flight.future.result()
        finally:
            self._leave(key, flight)

    def _boarded(self, key: PlanKey, compute: Callable[[Progress], Plan]) -> Flight:
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = Flight()
                flight.future = self._threads.submit(compute, flight.report)
            flight.waiting += 1
            return flight

    def _leave(self, key: PlanKey, flight: Flight) -> None:
        """The last one to leave takes the flight off the board, so that nobody can wait for one that has ended."""
        with self._lock:
            flight.waiting -= 1
            if not flight.waiting:
                flight.future.cancel()
                del self._flights[key]
