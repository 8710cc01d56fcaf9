"""Families of architectures as templates: which layers, with shapes given by expressions over configuration fields.

A family is one entry of `families/*.yaml`. `like` takes everything from another family; what is stated replaces it, key
by key. Its parts:

let        names for expressions
fragments  layers by name; a family changes a fragment of its parent by stating only the fields that differ
stacks     by name: `front` layers, `layers` (how many; `i` counts them) of `layer`, `after`; or `blocks` of their own
heads      by the end of the class name: layers for `each` position, layers `once` a sample, `only` these stacks
parts      models inside: which nested configuration, of which type, with which head
refuses    fields whose presence means the family does not fit
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from pydantic import Field, JsonValue, TypeAdapter

from facts.cache import cached, digest_of
from facts.yaml_files import Yaml, parse_yaml
from model_db.architecture import Frozen
from model_db.config_import.expressions import field_names

FAMILIES = Path(__file__).parent / "families"

Item: TypeAlias = str | dict[str, JsonValue]


class BlockTemplate(Frozen):
    """Layers, once or for every value of a loop; or blocks inside a loop."""

    name: str = "layer"
    loop: str = ""  # name of the loop variable
    over: str | list[int] = ""  # its values: an expression giving a number or a list
    when: str = ""
    layers: list[Item] = Field(default_factory=list)
    blocks: list[BlockTemplate] = Field(default_factory=list)


class StackTemplate(Frozen):
    """One stack; expressions give the number of layers and of positions."""

    front: list[Item] = Field(default_factory=list)
    layers: str | int = 0
    layer: list[Item] = Field(default_factory=list)
    layer_name: str = "layer"
    blocks: list[BlockTemplate] = Field(default_factory=list)
    after: list[Item] = Field(default_factory=list)
    positions: str | int | None = None
    when: str = ""
    tower: bool = False


class HeadTemplate(Frozen):
    """What a class adds to the bare model."""

    each: list[Item] = Field(default_factory=list)
    once: list[Item] = Field(default_factory=list)
    to: str = ""  # the stack `each` is added to; the first if empty
    only: list[str] | None = None  # stacks and parts the class holds; all if not stated
    parts: dict[str, str] = Field(default_factory=dict)  # class endings of the parts


class PartTemplate(Frozen):
    """A model inside, described by a nested configuration."""

    config: str
    type: str  # of the nested configuration, if it does not say
    head: str = "Model"
    let: dict[str, str | int | bool] = Field(default_factory=dict)
    tower: bool = False
    optional: bool = False  # only there if the configuration has it
    any: bool = False  # of the type the nested configuration states, where it states one


class Family(Frozen):
    """A family with everything it takes from its parents."""

    kind: str = "decoder"
    let: dict[str, JsonValue] = Field(default_factory=dict)
    fragments: dict[str, dict[str, JsonValue] | list[Item]] = Field(default_factory=dict)
    stacks: dict[str, StackTemplate] = Field(default_factory=dict)
    heads: dict[str, HeadTemplate] = Field(default_factory=dict)
    parts: dict[str, PartTemplate] = Field(default_factory=dict)
    default_class: str = "Model"
    refuses: list[str] = Field(default_factory=list)  # fields of structures it would misread
    note: str = ""  # said with every model of the family


def _merged(parent: Yaml, child: Yaml) -> Yaml:
    """`child` over `parent`, mapping by mapping; a list or plain value replaces, null removes."""
    if not isinstance(parent, dict) or not isinstance(child, dict):
        return child
    merged = {key: _merged(parent.get(key), value) if key in parent else value for key, value in child.items()}
    return {key: value for key, value in (parent | merged).items() if value is not None}


@lru_cache(maxsize=1)
def _documents() -> dict[str, Yaml]:
    files = sorted(FAMILIES.glob("*.yaml"))
    contents = [(path.name, path.read_bytes()) for path in files]
    parsed = cached("families", digest_of(contents), lambda: [parse_yaml(content, name) for name, content in contents])
    entries: dict[str, Yaml] = {}
    for document in parsed if isinstance(parsed, list) else ():
        families = document.get("families") if isinstance(document, dict) else None
        entries |= families if isinstance(families, dict) else {}
    return entries


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Family by model type: its own name and those in `also`."""
    names: dict[str, str] = {}
    for name, entry in _documents().items():
        also = entry.get("also") if isinstance(entry, dict) else None
        names |= dict.fromkeys([name, *(str(other) for other in (also if isinstance(also, list) else ()))], name)
    return names


def known_model_types() -> Sequence[str]:
    """Every model type a family stands for, sorted; names with a leading underscore are only parents."""
    return sorted(name for name in _names() if not name.startswith("_"))


def _resolved(name: str) -> dict[str, Yaml]:
    entry = _documents()[name]
    if not isinstance(entry, dict):
        raise TypeError
    own = {key: value for key, value in entry.items() if key not in {"like", "also"}}
    parent = entry.get("like")
    merged = _merged(_resolved(parent), own) if isinstance(parent, str) else own
    if not isinstance(merged, dict):
        raise TypeError
    return merged


@lru_cache(maxsize=256)
def family_of(model_type: str) -> Family | None:
    """The family of a model type, with all it inherits; `None` for an unknown one."""
    name = _names().get(model_type)
    return None if name is None else TypeAdapter(Family).validate_python(_resolved(name))


def items(entries: Sequence[Item], fragments: Mapping[str, dict[str, JsonValue] | list[Item]]) -> Iterator[dict[str, JsonValue]]:
    """Layers of a template with the fragments they use filled in, in order."""
    for entry in entries:
        use = entry if isinstance(entry, str) else entry.get("use")
        own = {} if isinstance(entry, str) else {key: value for key, value in entry.items() if key != "use"}
        if use is None:
            yield own
            continue
        fragment = fragments[str(use)]
        if isinstance(fragment, dict):
            yield {**fragment, **own}
        else:
            for item in items(fragment, fragments):
                yield _with_condition(item, own)


def _with_condition(item: dict[str, JsonValue], own: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A list fragment takes only a condition from its use; both must hold."""
    when = own.get("when")
    if when is None:
        return item
    return {**item, "when": f"({when}) and ({item['when']})" if "when" in item else when}


def names_read() -> set[str]:
    """Every name in an expression of any family, nested fields too: what of a configuration can matter."""
    names: set[str] = set()
    waiting: list[Yaml] = list(_documents().values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            names |= field_names(value)
        elif isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value
    return names
