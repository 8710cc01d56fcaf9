"""Reading YAML that may be hostile: bounded in size, depth and number of nodes, plain data only.

The document is built from the parser's events, so that a limit stops the work where it is passed and nothing recurses.
Plain scalars follow the YAML 1.2 core schema: `no` and `2026-09` stay text, `1e3` is a number. Keys are text. Explicit
tags, duplicate keys, infinities and not-a-number are faults.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeAlias

import yaml

from facts.errors import Fault, RackwrightError, shown

Yaml: TypeAlias = "bool | int | float | str | list[Yaml] | dict[str, Yaml] | None"

_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may cost. `nodes` counts every use of an alias as a copy of what it stands for."""

    size_bytes: int = 4_000_000
    depth: int = 40
    nodes: int = 400_000
    digits: int = 40


DEFAULT_LIMITS = Limits()


def read_yaml(path: Path, limits: Limits = DEFAULT_LIMITS) -> Yaml:
    """The document in the file `path`, or `None` if it is empty; raises `RackwrightError`."""
    return parse_yaml(read_bounded(path, limits), path.name, limits)


def read_bounded(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The content of the file `path`; raises `RackwrightError` if it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(limits.size_bytes + 1)
    except OSError as error:
        raise RackwrightError(Fault("file_unreadable", where=str(path), value=error.strerror or "")) from None
    if len(content) > limits.size_bytes:
        raise RackwrightError(_too_large(path.name, "more", limits))
    return content


def parse_yaml(content: bytes | str, where: str = "", limits: Limits = DEFAULT_LIMITS) -> Yaml:
    """The one document in `content`, or `None` if it is empty; raises `RackwrightError` with the line of the first fault."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > limits.size_bytes:
        raise RackwrightError(_too_large(where, f"{len(raw)} bytes", limits))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RackwrightError(Fault("text_not_utf8", where, value=f"byte {error.start}")) from None
    builder = _Builder(where, limits)
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        line = "" if mark is None else f"line {mark.line + 1}"
        raise RackwrightError(Fault("yaml_syntax", where, line, shown(str(problem)))) from None
    return builder.root


def _too_large(where: str, size: str, limits: Limits) -> Fault:
    return Fault("file_too_large", where, value=size, allowed=f"<= {limits.size_bytes} bytes")


def _events(text: str) -> Iterator[yaml.Event]:
    """The parser's events; libyaml where PyYAML was built with it."""
    loader = _LOADER(text)
    try:
        while (event := loader.get_event()) is not None:
            yield event
            if isinstance(event, yaml.StreamEndEvent):
                return
    finally:
        loader.dispose()


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is still being read."""

    node: dict[str, Yaml] | list[Yaml]
    anchor: str | None
    nodes_before: int
    key: str | None = None
    height: int = 1  # levels below and with it, so far


@dataclass(slots=True)
class _Builder:
    where: str
    limits: Limits
    root: Yaml = None
    nodes: int = 0
    documents: int = 0
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Yaml, int, int]] = field(default_factory=dict)

    def take(self, event: yaml.Event) -> None:
        """Add one event to the tree."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._start(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._fail("yaml_several_documents", event)

    def _fail(self, code: str, event: yaml.Event, value: str = "", allowed: str = "") -> NoReturn:
        line = "" if event.start_mark is None else f"line {event.start_mark.line + 1}"
        raise RackwrightError(Fault(code, self.where, line, shown(value), allowed))

    def _count(self, event: yaml.Event, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > self.limits.nodes:
            self._fail("yaml_too_many_nodes", event, allowed=f"<= {self.limits.nodes}")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(event, 1)
        if event.tag is not None:
            self._fail("yaml_tag", event, event.tag)
        holder = self.stack[-1] if self.stack else None
        if holder is not None and isinstance(holder.node, dict) and holder.key is None:
            if event.value in holder.node:
                self._fail("yaml_duplicate_key", event, event.value)
            holder.key = event.value
            return
        value = self._plain(event) if event.implicit[0] else event.value
        self._remember(event.anchor, value, nodes=1, height=0)
        self._add(value, height=0)

    def _plain(self, event: yaml.ScalarEvent) -> Yaml:
        """The value of an unquoted scalar by the core schema."""
        text: str = event.value
        if text in _NULLS:
            return None
        if text in _FLAGS:
            return _FLAGS[text]
        if len(text) > self.limits.digits:
            if _NUMBER.fullmatch(text):
                self._fail("yaml_number_too_long", event, text, f"<= {self.limits.digits} characters")
            return text
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                self._fail("yaml_number_not_finite", event, text)
            return number
        if _NOT_FINITE.fullmatch(text):
            self._fail("yaml_number_not_finite", event, text)
        return text

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._count(event, 1)
        if event.tag is not None:
            self._fail("yaml_tag", event, event.tag)
        if len(self.stack) >= self.limits.depth:
            self._fail("yaml_too_deep", event, allowed=f"<= {self.limits.depth} levels")
        holder = self.stack[-1] if self.stack else None
        if holder is not None and isinstance(holder.node, dict) and holder.key is None:
            self._fail("yaml_key_not_text", event)
        node: dict[str, Yaml] | list[Yaml] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.stack.append(_Open(node, event.anchor, self.nodes - 1))

    def _end(self) -> None:
        done = self.stack.pop()
        self._remember(done.anchor, done.node, self.nodes - done.nodes_before, done.height)
        self._add(done.node, done.height)

    def _alias(self, event: yaml.AliasEvent) -> None:
        anchor = event.anchor or ""
        if anchor not in self.anchors:
            self._fail("yaml_unknown_alias", event, anchor)
        holder = self.stack[-1]
        if isinstance(holder.node, dict) and holder.key is None:
            self._fail("yaml_key_not_text", event)
        value, nodes, height = self.anchors[anchor]
        self._count(event, nodes)
        if len(self.stack) + height > self.limits.depth:
            self._fail("yaml_too_deep", event, allowed=f"<= {self.limits.depth} levels")
        self._add(value, height)

    def _remember(self, anchor: str | None, value: Yaml, nodes: int, height: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, nodes, height)

    def _add(self, value: Yaml, height: int) -> None:
        if not self.stack:
            self.root = value
            return
        holder = self.stack[-1]
        holder.height = max(holder.height, height + 1)
        if isinstance(holder.node, list):
            holder.node.append(value)
        elif holder.key is not None:
            holder.node[holder.key] = value
            holder.key = None
