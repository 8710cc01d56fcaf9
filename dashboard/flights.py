"""A plan that several ask for at the same time is computed by the first of them; the others wait for it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from dashboard.plan_store import PlanKey
from facts.errors import RackwrightError
from planner.answer import Plan
from planner.pipeline import Progress

LOOK_S = 0.1  # how often one who waits looks whether they are still wanted


class Flight:
    """One plan on its way."""

    def __init__(self) -> None:
        self.share = 0.0
        self.answer: Plan | None = None
        self.error: RackwrightError | None = None
        self._landed = Event()

    def land(self) -> None:
        """Nothing more will come."""
        self._landed.set()

    def awaited(self, progress: Progress) -> Plan | None:
        """The plan, once it is there; None when whoever computed it was stopped. Raises what `progress` raises."""
        while not self._landed.wait(LOOK_S):
            progress(self.share)
        if self.error is not None:
            raise RackwrightError(*self.error.faults)
        return self.answer


class Flights:
    """The plans on their way."""

    def __init__(self) -> None:
        self._flights: dict[PlanKey, Flight] = {}

    def plan(self, key: PlanKey, compute: Callable[[Progress], Plan], progress: Progress) -> Plan:
        """`compute(progress)`, or what somebody else who computes it for the same `key` gets.

        `progress` may raise to stop; when it was the one who computed, the next one who waits computes again.
        """
        own = Flight()
        while (flight := self._flights.setdefault(key, own)) is not own:  # one step for all threads: a dictionary has no other
            answer = flight.awaited(progress)
            if answer is not None:
                return answer

        def seen(share: float) -> None:
            own.share = share
            progress(share)

        try:
            own.answer = compute(seen)
        except RackwrightError as error:
            own.error = error
            raise
        finally:
            del self._flights[key]
            own.land()
        return own.answer
