"""The small language in which family templates derive shapes from configuration fields.

`=hidden_size // num_attention_heads` is an expression: names, whole numbers, texts, lists; arithmetic, comparison, `and`,
`or`, `not`, `in`, `a if c else b`; indexing; and the functions below. It is parsed by Python's parser and evaluated here,
node by node: nothing is executed, and a number that leaves `LIMIT` is a fault.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isqrt
from typing import Protocol, TypeAlias, runtime_checkable

from facts.errors import Fault, RackwrightError, shown

LIMIT = 10**12  # beyond any dimension or product of dimensions of a real model
LONGEST = 10_000  # entries of a list


@runtime_checkable
class Record(Protocol):
    """A nested configuration: `vision_config.hidden_size` reads through it."""

    def field(self, name: str) -> Value:
        """The value of a field, or `None` if it has none."""
        ...


Value: TypeAlias = "bool | int | float | str | list[Value] | Mapping[str, Value] | Record | None"
Names: TypeAlias = Callable[[str], Value]

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.LShift: lambda a, b: int(a) << min(max(int(b), 0), 40),
    ast.RShift: lambda a, b: int(a) >> min(max(int(b), 0), 40),
}
_COMPARE: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class ExpressionError(Exception):
    """A value that does not fit the expression: missing, of another kind, out of bounds. `names` it was made from."""


@lru_cache(maxsize=4096)
def parsed(expression: str) -> ast.expr:
    """The syntax tree of an expression; the `=` that marks one may stand in front."""
    return ast.parse(expression.removeprefix("="), mode="eval").body


def names_in(expression: str) -> list[str]:
    """The names an expression reads, in order: what is missing if it cannot be evaluated."""
    names = [node.id for node in ast.walk(parsed(expression)) if isinstance(node, ast.Name)]
    return [name for name in dict.fromkeys(names) if name not in _FUNCTIONS]


def field_names(text: str) -> set[str]:
    """Names and attributes in `text` if it is an expression, else none."""
    try:
        nodes = list(ast.walk(parsed(text)))
    except SyntaxError:
        return set()
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def evaluate(expression: str, names: Names, where: str = "", fields_of: Callable[[str], list[str]] | None = None) -> Value:
    """The value of `expression` under `names`.

    Raises RackwrightError `config_field` when something it reads is missing, of the wrong kind or out of bounds: it names
    the fields that `fields_of` finds behind the expression, and the values of the names in it.
    """
    try:
        return _bounded(_value(parsed(expression), names))
    except (ExpressionError, ZeroDivisionError, IndexError, OverflowError, ValueError):
        read = [name for name in names_in(expression) if len(name) > 1]
        fields = fields_of(expression) if fields_of else read
        seen = ", ".join(f"{name} = {shown(names(name))}" for name in read)
        raise RackwrightError(Fault("config_field", where, " / ".join(fields), shown(seen), allowed=expression)) from None


def _bounded(value: Value) -> Value:
    if isinstance(value, (int, float)) and not -LIMIT <= value <= LIMIT:
        raise ExpressionError
    if isinstance(value, list) and len(value) > LONGEST:
        raise ExpressionError
    return value


def _number(value: Value) -> int | float:
    if not isinstance(value, (int, float)):
        raise ExpressionError
    return value


def _value(node: ast.expr, names: Names) -> Value:  # noqa: PLR0911  one line a kind of node
    match node:
        case ast.Constant(value=(bool() | int() | float() | str() | None) as value):
            return value
        case ast.Name(id=name):
            return names(name)
        case ast.Attribute(value=of, attr=name):
            return _attribute(_value(of, names), name)
        case ast.BoolOp(op=op, values=parts):
            return _boolean(op, parts, names)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, names)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(_value(operand, names))
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(op, _value(left, names), _value(right, names))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compare(op, _value(left, names), _value(right, names))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, names) else orelse, names)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_value(element, names) for element in elements]
        case ast.Subscript(value=of, slice=index):
            return _item(_value(of, names), _value(index, names))
        case ast.Call(func=ast.Name(id=function), args=arguments) if function in _FUNCTIONS:
            return _FUNCTIONS[function](*(_value(argument, names) for argument in arguments))
    raise ExpressionError


def _boolean(op: ast.boolop, parts: list[ast.expr], names: Names) -> Value:
    value: Value = None
    for part in parts:
        value = _value(part, names)
        if bool(value) is isinstance(op, ast.Or):
            return value
    return value


def _attribute(of: Value, name: str) -> Value:
    if isinstance(of, Record):
        return of.field(name)
    if isinstance(of, Mapping):
        return of.get(name)
    if of is None:
        return None
    raise ExpressionError


def _binary(op: ast.operator, left: Value, right: Value) -> Value:
    if isinstance(left, list) and isinstance(right, list) and isinstance(op, ast.Add):
        return _bounded([*left, *right])
    if isinstance(left, list) and isinstance(right, int) and isinstance(op, ast.Mult) and len(left) * right <= LONGEST:
        return left * right
    function = _BINARY.get(type(op))
    if function is None:
        raise ExpressionError
    return _bounded(function(_number(left), _number(right)))


def _compare(op: ast.cmpop, left: Value, right: Value) -> bool:
    match op:
        case ast.Eq() | ast.Is():
            return left == right
        case ast.NotEq() | ast.IsNot():
            return left != right
        case ast.In() | ast.NotIn():
            if not isinstance(right, (list, str)):
                raise ExpressionError
            found = (isinstance(left, str) and left in right) if isinstance(right, str) else left in right
            return found is isinstance(op, ast.In)
    return _COMPARE[type(op)](_number(left), _number(right))


def _item(of: Value, index: Value) -> Value:
    if isinstance(of, (list, str)) and isinstance(index, int):
        return of[index]
    if isinstance(of, Mapping) and isinstance(index, str):
        return of.get(index)
    raise ExpressionError


def _length(of: Value) -> Value:
    if not isinstance(of, (list, str, Mapping)):
        raise ExpressionError
    return len(of)


def _range(count: Value) -> Value:
    if not isinstance(count, int) or count > LONGEST:
        raise ExpressionError
    return list(range(count))


def _ceil_to(value: Value, step: Value) -> Value:
    whole, unit = int(_number(value)), int(_number(step))
    return -(-whole // unit) * unit


def _index(of: Value, entry: Value) -> Value:
    """Where `entry` first stands in a list; -1 if nowhere."""
    if not isinstance(of, list):
        raise ExpressionError
    return of.index(entry) if entry in of else -1


def _count(of: Value, entry: Value, before: Value) -> Value:
    """How often `entry` stands in a list in front of place `before`."""
    if not isinstance(of, list) or not isinstance(before, int):
        raise ExpressionError
    return of[:before].count(entry)


def _pair(value: Value) -> Value:
    """A size given once for both directions, or twice."""
    return value if isinstance(value, list) else [value, value]


def _sum(value: Value) -> Value:
    if not isinstance(value, list):
        raise ExpressionError
    return sum(_number(entry) for entry in value)


def _product(value: Value) -> Value:
    if not isinstance(value, list):
        raise ExpressionError
    total: int | float = 1
    for entry in value:
        total = _number(_bounded(total * _number(entry)))
    return total


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "ceil_to": _ceil_to,
    "count": _count,
    "index": _index,
    "int": lambda value: int(_number(value)),
    "is_list": lambda value: isinstance(value, list),
    "is_record": lambda value: isinstance(value, (Mapping, Record)),
    "is_text": lambda value: isinstance(value, str),
    "isqrt": lambda value: isqrt(int(_number(value))),
    "len": _length,
    "max": lambda *values: max(_number(value) for value in values),
    "min": lambda *values: min(_number(value) for value in values),
    "pair": _pair,
    "product": _product,
    "range": _range,
    "round": lambda value: round(_number(value)),
    "sum": _sum,
}
