"""From a configuration and its family's templates to stacks of blocks of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue, TypeAdapter, ValidationError

from facts.errors import Fault, RackwrightError, shown
from model_db.architecture import Block, Layer, Stack
from model_db.assembly import run_length_blocks
from model_db.config_import.expressions import Value, evaluate, names_in
from model_db.config_import.fields import ConfigFields, PartType
from model_db.config_import.templates import BlockTemplate, Family, HeadTemplate, Item, StackTemplate, family_of, items

_LAYER: TypeAdapter[Layer] = TypeAdapter(Layer)
_MOST_POSITIONS = 10**9
_MOST_LAYERS = 4_000  # layers of one stack; the deepest published models have a few hundred
_QKV_BIAS = ("q_bias", "k_bias", "v_bias")


@dataclass(frozen=True)
class Lowered:
    """Stacks of a configuration, and the ending of the class name they were made for."""

    stacks: tuple[Stack, ...]
    head: str


@dataclass
class _Scope:
    """Names of one configuration under its family's `let`, with loop variables on top."""

    config: ConfigFields
    let: Mapping[str, JsonValue]
    where: str
    loops: dict[str, Value] = field(default_factory=dict)
    known: dict[tuple[str, str], Value] = field(default_factory=dict)

    def lookup(self, name: str) -> Value:
        if name in self.loops:
            return self.loops[name]
        if name not in self.let:
            return self.config.field(name)
        key = name, repr([self.loops[loop] for loop in sorted(self.loops) if loop in self._loops_in(name)])
        if key not in self.known:
            self.known[key] = self.value(self.let[name])
        return self.known[key]

    def _loops_in(self, name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        """Loop variables that a `let` name depends on, through other names."""
        expression = self.let.get(name)
        if name in seen or not isinstance(expression, str):
            return frozenset()
        inner = names_in(expression)
        return frozenset(inner).union(*(self._loops_in(other, seen | {name}) for other in inner))

    def value(self, entry: JsonValue) -> Value:
        """A literal as it is; a text that begins with `=` evaluated; lists entry by entry."""
        if isinstance(entry, str) and entry.startswith("="):
            return evaluate(entry, self.lookup, self.where, self.fields)
        if isinstance(entry, list):
            return [self.value(part) for part in entry]
        return entry if not isinstance(entry, dict) else {key: self.value(part) for key, part in entry.items()}

    def expression(self, text: str | float | None) -> Value:
        """A text is always an expression here; a number is itself."""
        return evaluate(text, self.lookup, self.where, self.fields) if isinstance(text, str) else text

    def holds(self, condition: JsonValue) -> bool:
        """Whether a `when` holds; none always does."""
        return condition is None or condition == "" or bool(self.expression(condition) if isinstance(condition, (str, int)) else condition)

    def fields(self, expression: str, seen: frozenset[str] = frozenset()) -> list[str]:
        """Configuration fields an expression is made from, through the names of `let`."""
        found: list[str] = []
        for name in names_in(expression):
            inner = self.let.get(name)
            if isinstance(inner, str) and name not in seen:
                found += self.fields(inner, seen | {name}) if inner.startswith("=") else []
            elif name not in self.loops and len(name) > 1:
                found.append(name)
        return list(dict.fromkeys(found))

    def refused(self, expression: str | float | None, value: Value, allowed: str) -> RackwrightError:
        """The error for an expression whose value is out of bounds, or that gives none."""
        fields = " / ".join(self.fields(expression)) if isinstance(expression, str) else ""
        if value is None:
            return RackwrightError(Fault("config_field_missing", self.where, fields))
        return RackwrightError(Fault("config_field", self.where, fields, shown(value), allowed=allowed))

    def within(self, name: str, value: Value) -> _Scope:
        return replace(self, loops={**self.loops, name: value})


def lower(config: ConfigFields, class_name: str, where: str) -> Lowered:
    """The stacks that `class_name` of the configuration's family holds; `config` knows its parts (`with_parts`).

    Raises RackwrightError: an unknown model type, a class ending the family does not have, or a field that is missing,
    of the wrong kind, or out of range.
    """
    family = family_of(config.model_type)
    if family is None:
        raise RackwrightError(Fault("unknown_model_type", where, "model_type", shown(config.model_type)))
    ending = max((end for end in family.heads if class_name.endswith(end)), key=len, default=family.default_class)
    scope = _Scope(config, family.let, where)
    return Lowered(_stacks(family, scope, family.heads[ending]), ending)


def _stacks(family: Family, scope: _Scope, head: HeadTemplate) -> tuple[Stack, ...]:
    fragments = family.fragments
    stacks: list[Stack] = []
    for name, part in family.parts.items():
        if (head.only is None or name in head.only) and scope.config.field(part.config) is not None:
            stacks += _part_stacks(family, scope, name, head.parts.get(name, part.head))
    for name, template in family.stacks.items():
        if (head.only is None or name in head.only) and scope.holds(template.when):
            stack = _stack(name, template, fragments, scope)
            stacks += [stack] if stack.blocks else []
    each = _layers(head.each, fragments, scope)
    if each:
        index = next((k for k, stack in enumerate(stacks) if stack.name == head.to), 0)
        stacks[index] = stacks[index].model_copy(update={"blocks": (*stacks[index].blocks, Block(name="head", layers=each))})
    once = _layers(head.once, fragments, scope)
    return (*stacks, *((Stack(name="head", blocks=(Block(name="head", layers=once),), positions=1),) if once else ()))


def with_parts(config: ConfigFields, family: Family) -> ConfigFields:
    """The configuration, knowing of which type its nested ones are when a file leaves them out."""
    return replace(config, parts={part.config: PartType(part.type, part.any, part.optional) for part in family.parts.values()})


def _part_stacks(family: Family, scope: _Scope, name: str, head: str) -> list[Stack]:
    template = family.parts[name]
    config = scope.config.part(template.config)
    inner = family_of(config.model_type)
    if inner is None:
        raise RackwrightError(Fault("unknown_model_type", scope.where, f"{template.config}.model_type", shown(config.model_type)))
    given = {key: scope.value(value) for key, value in template.let.items()}
    inner_scope = _Scope(with_parts(config, inner), inner.let, f"{scope.where} {template.config}".strip(), loops=given)
    stacks = _stacks(inner, inner_scope, inner.heads[head])
    named = [stack.model_copy(update={"name": name if k == 0 else f"{name} {stack.name}"}) for k, stack in enumerate(stacks)]
    return [stack.model_copy(update={"tower": True}) if template.tower else stack for stack in named]


def _stack(name: str, template: StackTemplate, fragments: Mapping[str, dict[str, JsonValue] | list[Item]], scope: _Scope) -> Stack:
    count = scope.expression(template.layers)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MOST_LAYERS:
        raise scope.refused(template.layers, count, f"0 to {_MOST_LAYERS}")
    pairs = [("front", _layers(template.front, fragments, scope))]
    pairs += [(template.layer_name, _layers(template.layer, fragments, scope.within("i", i))) for i in range(count)]
    for block in template.blocks:
        pairs += _block(block, fragments, scope)
    pairs.append(("after", _layers(template.after, fragments, scope)))
    positions = scope.expression(template.positions)
    if positions is not None and (not isinstance(positions, (int, float)) or not 1 <= positions <= _MOST_POSITIONS):
        raise scope.refused(template.positions, positions, f"1 to {_MOST_POSITIONS}")
    return Stack(name=name, blocks=run_length_blocks(pairs), positions=None if positions is None else int(positions), tower=template.tower)


def _block(
    template: BlockTemplate, fragments: Mapping[str, dict[str, JsonValue] | list[Item]], scope: _Scope
) -> list[tuple[str, tuple[Layer, ...]]]:
    if not template.loop:
        scopes = [scope]
    else:
        over = scope.expression(template.over) if isinstance(template.over, str) else list[Value](template.over)
        values = list(range(over)) if isinstance(over, int) and over <= _MOST_LAYERS else over
        if not isinstance(values, list) or len(values) > _MOST_LAYERS:
            raise scope.refused(str(template.over), over, f"0 to {_MOST_LAYERS}")
        scopes = [scope.within(template.loop, value) for value in values]
    pairs: list[tuple[str, tuple[Layer, ...]]] = []
    for inner in scopes:
        if inner.holds(template.when):
            pairs.append((template.name, _layers(template.layers, fragments, inner)))
            for block in template.blocks:
                pairs += _block(block, fragments, inner)
    return pairs


def _layers(entries: Sequence[Item], fragments: Mapping[str, dict[str, JsonValue] | list[Item]], scope: _Scope) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for item in items(entries, fragments):
        if scope.holds(item.get("when")):
            times = scope.expression(str(item["times"])) if "times" in item else 1
            if not isinstance(times, int) or times > _MOST_LAYERS:
                raise scope.refused(str(item["times"]), times, f"0 to {_MOST_LAYERS}")
            layers += [_layer(item, scope)] * times if times > 0 else []
    return tuple(layers)


def _layer(item: Mapping[str, JsonValue], scope: _Scope) -> Layer:
    """One layer of the description from a template; a field whose expression gives nothing keeps its default."""
    entry = {key: scope.value(value) for key, value in item.items() if key not in {"when", "times"}}
    bias = entry.pop("qkv_bias", None)
    entry = {**dict.fromkeys(_QKV_BIAS, bias), **entry} if bias is not None else entry
    plain = {key: _whole(value) for key, value in entry.items() if value is not None}
    try:
        return _LAYER.validate_python(plain, strict=True)
    except ValidationError as error:
        raise RackwrightError(*(_fault(item, problem["loc"], problem["msg"], plain, scope) for problem in error.errors())) from None


def _whole(value: Value) -> object:
    """Lists as the tuples the description has; a float that is whole as the integer it means."""
    if isinstance(value, list):
        return tuple(_whole(part) for part in value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fault(item: Mapping[str, JsonValue], place: tuple[int | str, ...], message: str, plain: Mapping[str, object], scope: _Scope) -> Fault:
    """Which configuration fields made the layer's field that was refused."""
    key = next((part for part in place if isinstance(part, str) and part in item), str(place[-1]) if place else "")
    source = item.get(key)
    fields = scope.fields(source) if isinstance(source, str) and source.startswith("=") else [key]
    code = "config_field" if key in plain else "config_field_missing"
    return Fault(code, scope.where, " / ".join(fields), shown(plain.get(key, "")), allowed=message)
