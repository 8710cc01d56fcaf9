"""Requests as the command line gets them: YAML or JSON files, standard input, links."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from facts.errors import Fault, RackwrightError
from facts.yaml_files import Limits, Yaml, parse_yaml, read_yaml
from planner.links import Snapshot, decode_link
from planner.request import PlanRequest

Result = TypeVar("Result")
STANDARD_INPUT = "-"
_LIMITS = Limits(size_bytes=1_000_000)


@dataclass(frozen=True, slots=True)
class NamedRequest:
    """A request with what it is called in messages and tables; of a link also what its maker saw and what was not used."""

    name: str
    request: PlanRequest
    snapshot: Snapshot | None = None
    notices: tuple[Fault, ...] = ()


def read_requests(paths: Sequence[str], links: Sequence[str] = ()) -> list[NamedRequest]:
    """All requests, in the order given. Raises `RackwrightError` with the faults of all of them."""
    readers: list[Callable[[], NamedRequest]] = [partial(_from_file, path) for path in paths]
    readers += [partial(_from_link, link) for link in links]
    return collected(readers)


def collected(steps: Sequence[Callable[[], Result]]) -> list[Result]:
    """The result of every step, or one `RackwrightError` with the faults of all that failed."""
    results: list[Result] = []
    faults: list[Fault] = []
    for step in steps:
        try:
            results.append(step())
        except RackwrightError as error:
            faults += error.faults
    if faults:
        raise RackwrightError(*faults)
    return results


@contextmanager
def faults_named(name: str) -> Iterator[None]:
    """Faults of a request, raised inside, say which request they are of."""
    try:
        yield
    except RackwrightError as error:
        raise RackwrightError(
            *(replace(fault, where=name) if fault.where in {"", "request"} else fault for fault in error.faults)
        ) from None


def _from_file(path: str) -> NamedRequest:
    name = "standard input" if path == STANDARD_INPUT else Path(path).name
    return NamedRequest(name, PlanRequest.parse(_document(path, name), name))


def _document(path: str, name: str) -> Yaml:
    if path == STANDARD_INPUT:
        return parse_yaml(sys.stdin.buffer.read(_LIMITS.size_bytes + 1), name, _LIMITS)
    return read_yaml(Path(path), _LIMITS)


def _from_link(link: str) -> NamedRequest:
    decoded = decode_link(link)
    return NamedRequest("link", decoded.request, decoded.snapshot, decoded.notices)
