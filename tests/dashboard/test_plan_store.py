"""Plans are kept within bytes, come back as they were, and are shared while somebody shows them; one in flight is computed once."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from dashboard.flights import Flights
from dashboard.plan_store import PlanStore
from facts.errors import Fault, RackwrightError
from planner import PlanRequest, plan
from planner.answer import Plan
from tests.dashboard import sample

KEY = ("request", "library")
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("example", ["serve-llama-3.1-70b", "finetune-8b"])
def test_a_kept_plan_comes_back_byte_for_byte(example):
    store = PlanStore(10**7)
    answer = plan(PlanRequest.parse(yaml.safe_load(EXAMPLES.joinpath(f"{example}.yaml").read_text(encoding="utf-8"))))
    store.put(KEY, answer)
    before = answer.canonical_json()
    del answer
    gc.collect()
    again = store.get(KEY)
    assert again is not None
    assert again.canonical_json() == before


def test_who_shows_a_plan_shares_it():
    store = PlanStore(10**6)
    answer = sample.plan()
    store.put(KEY, answer)
    assert store.get(KEY) is answer
    del answer
    gc.collect()
    assert store.get(KEY) == sample.plan()
    again = store.get(KEY)
    assert store.get(KEY) is again


def test_the_bytes_are_bounded_and_what_was_asked_last_stays():
    one = PlanStore(10**6)
    one.put(KEY, sample.plan())
    store = PlanStore(5 * one.kept_bytes // 2)
    for name in "abc":
        store.put((name, ""), sample.plan())
        assert store.get(("a", "")) is not None
    gc.collect()
    assert [name for name in "abc" if store.get((name, ""))] == ["a", "c"]
    assert store.kept_bytes == 2 * one.kept_bytes
    store.put(("c", ""), sample.plan())
    assert store.kept_bytes == 2 * one.kept_bytes
    store.clear()
    assert (store.kept_bytes, store.get(("a", ""))) == (0, None)


class Engine:
    """Computes when it is let; says how often it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked, self.started, self.free, self.error = 0, threading.Event(), threading.Event(), error

    def __call__(self, report):
        self.asked += 1
        self.started.set()
        while not self.free.wait(0.005):
            report(0.5)
        if self.error:
            raise self.error
        return sample.plan()


class StoppedError(Exception):
    """The asker has gone."""


def test_one_plan_is_computed_for_all_who_ask_at_the_same_time():
    flights, engine, seen = Flights(), Engine(), threading.Event()

    def waiting(share: float) -> None:
        if share == 0.5:
            seen.set()

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(flights.plan, KEY, engine, lambda share: None)
        assert engine.started.wait(10)
        others = [pool.submit(flights.plan, KEY, engine, waiting) for _ in range(3)]
        assert seen.wait(10), "who waits sees how far it is"
        engine.free.set()
        assert all(other.result(10) is first.result(10) for other in others)
    assert engine.asked == 1
    assert flights.plan(KEY, engine, lambda share: None) is not first.result()


def test_a_faulty_question_is_faulty_for_all():
    flights, engine, seen = Flights(), Engine(RackwrightError(Fault("unknown_model"))), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flights.plan, KEY, engine, lambda share: None)
        assert engine.started.wait(10)
        second = pool.submit(flights.plan, KEY, engine, lambda share: seen.set())
        assert seen.wait(10)
        engine.free.set()
        faults = []
        for answer in (first, second):
            with pytest.raises(RackwrightError) as caught:
                answer.result(10)
            faults.append(caught.value.faults)
    assert faults[0] == faults[1] == (Fault("unknown_model"),)
    assert engine.asked == 1


@pytest.mark.parametrize("leaver", ["first", "second"])
def test_one_may_leave_without_harm_to_the_other(leaver):
    flights, engine, gone = Flights(), Engine(), threading.Event()
    waits = {name: threading.Event() for name in ("first", "second")}

    def asks(name: str) -> Plan:
        def progress(_: float) -> None:
            waits[name].set()
            if name == leaver and gone.is_set():
                raise StoppedError

        return flights.plan(KEY, engine, progress)

    with ThreadPoolExecutor(2) as pool:
        both = {name: pool.submit(asks, name) for name in waits}
        assert all(waiting.wait(10) for waiting in waits.values())
        gone.set()
        with pytest.raises(StoppedError):
            both.pop(leaver).result(10)
        engine.free.set()
        assert [other.result(10).recommendations for other in both.values()]
    assert engine.asked == 1


def test_the_engine_stops_when_the_last_one_has_left_and_the_next_starts_anew():
    flights, engine = Flights(at_once=1), Engine()

    def leaves(_: float) -> None:
        raise StoppedError

    for asked in (1, 2):
        with pytest.raises(StoppedError):
            flights.plan(KEY, engine, leaves)
        assert engine.asked == asked
    engine.free.set()
    assert flights.plan(KEY, engine, lambda share: None).recommendations, "the only thread is free again"


def test_what_waits_for_a_thread_and_is_left_is_not_computed_at_all():
    flights, engine, never = Flights(at_once=1), Engine(), Engine()

    def leaves(_: float) -> None:
        raise StoppedError

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(flights.plan, KEY, engine, lambda share: None)
        assert engine.started.wait(10)
        with pytest.raises(StoppedError):
            flights.plan(("another", ""), never, leaves)
        engine.free.set()
        assert first.result(10).recommendations
    assert never.asked == 0
