"""Configuration fields as a family's templates see them: what the file says, under any of its names, then the class's default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from facts.cache import cached, digest_of
from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import Limits, Yaml, parse_yaml
from model_db.config_import.expressions import Value

DEFAULTS = Path(__file__).parent / "defaults.yaml"
_LONGEST_BYTES = 4_000_000
_DEEPEST = 16


def parse_config(content: bytes | str, where: str = "config.json") -> dict[str, Yaml]:
    """The JSON object in `content`; bounded in size and depth. Raises RackwrightError."""
    if len(content) > _LONGEST_BYTES:
        raise RackwrightError(Fault("file_too_large", where, value=f"{len(content)} bytes", allowed=f"<= {_LONGEST_BYTES} bytes"))
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


@lru_cache(maxsize=1)
def class_defaults() -> dict[str, dict[str, dict[str, JsonValue]]]:
    """For every known model type: `fields` with the default of its configuration class, `aliases` of its fields."""
    content = DEFAULTS.read_bytes()
    document = cached("config_defaults", digest_of([("defaults", content)]), lambda: parse_yaml(content, DEFAULTS.name, Limits()))
    return TypeAdapter(dict[str, dict[str, dict[str, dict[str, JsonValue]]]]).validate_python(document)["model_types"]


@dataclass(frozen=True)
class ConfigFields:
    """One configuration, or one nested in it, with the defaults of its model type.

    `part_types` says of which model type a nested configuration is that does not say it itself.
    """

    raw: Mapping[str, Yaml]
    model_type: str
    part_types: Mapping[str, str] = field(default_factory=dict)

    def field(self, name: str) -> Value:
        """The value of `name`: from the file, else of the class, else `None`. A nested configuration comes as `ConfigFields`."""
        value = self._stated(name)
        if isinstance(value, dict) and name.endswith("_config"):
            return self.part(name)
        return self.part(name) if name in self.part_types and name not in self.raw else value

    def _stated(self, name: str) -> Value:
        known = class_defaults().get(self.model_type, {})
        if name in self.raw:
            return _value(self.raw[name])
        for alias, target in known.get("aliases", {}).items():
            if target == name and alias in self.raw:
                return _value(self.raw[alias])
        target = known.get("aliases", {}).get(name)
        return known.get("fields", {}).get(name) if target is None else self._stated(str(target))

    def part(self, name: str, default_type: str = "") -> ConfigFields:
        """The nested configuration `name`; empty, so all defaults, if the file has none."""
        nested = self.raw.get(name)
        nested = nested if isinstance(nested, dict) else {}
        stated = nested.get("model_type")
        default = default_type or self.part_types.get(name, "")
        known = isinstance(stated, str) and stated in class_defaults() and stated != self.model_type
        return ConfigFields(nested, str(stated) if known else default or str(stated or ""))


def _value(value: Yaml) -> Value:
    return value  # type: ignore[return-value]  # the same plain data; list is invariant
