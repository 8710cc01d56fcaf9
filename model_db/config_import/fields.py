"""Configuration fields as a family's templates see them: what the file says, under any of its names, then the class's default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from facts.cache import cached, digest_of
from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import Limits, Yaml, parse_yaml
from model_db.architecture import Frozen
from model_db.config_import.expressions import Value

DEFAULTS = Path(__file__).parent / "defaults.yaml"
_DEEPEST = 16


def parse_config(content: bytes | str, where: str = "config.json", most_bytes: int = 4_000_000) -> dict[str, Yaml]:
    """The JSON object in `content`; bounded in size and depth. Raises RackwrightError."""
    if len(content) > most_bytes:
        raise RackwrightError(Fault("file_too_large", where, value=f"{len(content)} bytes", allowed=f"<= {most_bytes} bytes"))
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RackwrightError(Fault("json_syntax", where, value=shown(str(error)))) from None
    if not isinstance(document, dict):
        raise RackwrightError(Fault("not_a_mapping", where, value=shown(document)))
    if _depth(document) > _DEEPEST:
        raise RackwrightError(Fault("json_too_deep", where, allowed=f"<= {_DEEPEST}"))
    return document


def _depth(value: Yaml) -> int:
    """Nesting of `value`, level by level; stops one past the deepest accepted."""
    level: list[Yaml] = [value]
    for depth in range(_DEEPEST + 1):
        level = [
            inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
        if not level:
            return depth
    return _DEEPEST + 1


class ClassDefaults(Frozen):
    """The content of `defaults.yaml`."""

    class_prefixes: dict[str, str]  # model type by how the names of its classes begin
    model_types: dict[str, dict[str, dict[str, JsonValue]]]  # by model type: `fields` with defaults, `aliases` of fields


@lru_cache(maxsize=1)
def class_defaults() -> ClassDefaults:
    """What configuration classes assume for fields that a file leaves out."""
    content = DEFAULTS.read_bytes()
    document = cached("config_defaults", digest_of([("defaults", content)]), lambda: parse_yaml(content, DEFAULTS.name, Limits()))
    return ClassDefaults.model_validate(document)


class PartType(NamedTuple):
    """Of which type a nested configuration is: the one it states if it may be `any_type`, else this."""

    model_type: str
    any_type: bool = False
    optional: bool = False  # left out, it is not there; otherwise all its fields are defaults


@dataclass(frozen=True)
class ConfigFields:
    """One configuration, or one nested in it, with the defaults of its model type."""

    raw: Mapping[str, Yaml]
    model_type: str
    parts: Mapping[str, PartType] = field(default_factory=dict)
    assumed: dict[str, Value] = field(default_factory=dict)  # fields taken from the class, as they are read

    def field(self, name: str) -> Value:
        """The value of `name`: from the file, else of the class, else `None`. A nested configuration comes as `ConfigFields`."""
        if name in self.parts:
            left_out = name not in self.raw and not self.parts[name].optional
            return self.part(name) if left_out or isinstance(self.raw.get(name), dict) else None
        return self._stated(name)

    def part(self, name: str) -> ConfigFields:
        """The nested configuration `name`; empty, so all defaults, if the file has none."""
        nested = self.raw.get(name)
        nested = nested if isinstance(nested, dict) else {}
        model_type, any_type, _ = self.parts[name]
        stated = nested.get("model_type")
        if any_type and isinstance(stated, str) and stated in class_defaults().model_types:
            model_type = stated
        return ConfigFields(nested, model_type, assumed=self.assumed)

    def _stated(self, name: str) -> Value:
        known = class_defaults().model_types.get(self.model_type, {})
        if name in self.raw:
            return _value(self.raw[name])
        aliases = known.get("aliases", {})
        for alias, target in aliases.items():
            if target == name and alias in self.raw:
                return _value(self.raw[alias])
        if name in aliases:
            return self._stated(str(aliases[name]))
        default = _value(known.get("fields", {}).get(name))
        if isinstance(default, int) and default > 1:
            self.assumed[name] = default
        return default


def _value(value: Yaml | JsonValue) -> Value:
    return value  # type: ignore[return-value]  # the same plain data; list is invariant
