import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.errors import Fault
from texts.sentences import SENTENCES, sentence
from texts.translations import LANGUAGES

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("cli", "dashboard", "facts", "hardware_db", "measurements", "model_db", "planner", "texts")
SAMPLE = {"where": "my.yaml", "field": "workload.tokens", "value": "-5", "allowed": "1 to 10 tokens", "hint": "tokens"}
ANY_TEXT = st.text(max_size=50)


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""


@cache
def raised_codes() -> tuple[tuple[str, str], ...]:
    return tuple(scanned_codes())


def scanned_codes() -> Iterator[tuple[str, str]]:
    """Each fault code in the source with its place. A code that cannot be traced to a literal fails the test."""
    for path in sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        tables = {
            target.id: statement.value
            for statement in module.body
            if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Dict)
            for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
            if isinstance(target, ast.Name)
        }
        makers = {"Fault"}
        for _ in range(2):  # once for `Fault`, once for the functions that hand their own first argument on to it
            for call, function in calls(module, makers):
                parameters = {argument.arg for argument in function.args.args} if function else set()
                code = call.args[0] if call.args else ast.Constant(value=None)
                if isinstance(code, ast.Name) and code.id in parameters and function:
                    makers.add(function.name)
        for call, function in calls(module, makers):
            place = f"{path.relative_to(ROOT)}:{call.lineno}"
            yield from ((code, place) for code in traced(call.args[0] if call.args else None, function, tables, place))


def calls(module: ast.Module, names: set[str]) -> Iterator[tuple[ast.Call, ast.FunctionDef | None]]:
    """Calls of functions or methods with one of `names`, with the innermost function they stand in."""

    def visit(node: ast.AST, function: ast.FunctionDef | None) -> Iterator[tuple[ast.Call, ast.FunctionDef | None]]:
        if isinstance(node, ast.Call) and called(node) in names:
            yield node, function
        inner = node if isinstance(node, ast.FunctionDef) else function
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inner)

    return visit(module, None)


def traced(code: ast.expr | None, function: ast.FunctionDef | None, tables: dict[str, ast.Dict], place: str) -> list[str]:
    """The literals that `code` can be: spelled out, chosen, looked up in a table, assigned before, handed in by callers."""
    match code:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=first, orelse=second):
            return traced(first, function, tables, place) + traced(second, function, tables, place)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=table), attr="get"), args=[_, default]) if table in tables:
            return [*traced(default, function, tables, place), *values(tables[table])]
        case ast.Subscript(value=ast.Name(id=table)) if table in tables:
            return values(tables[table])
        case ast.Name(id=name) if function is not None:
            if name in {argument.arg for argument in function.args.args}:
                return []
            found = [item for assigned in assignments(function, name) for item in traced(assigned, function, tables, place)]
            if found:
                return found
    return pytest.fail(f"{place}: the fault's code cannot be traced to a literal")


def values(table: ast.Dict) -> list[str]:
    return [value.value for value in table.values if isinstance(value, ast.Constant) and isinstance(value.value, str)]


def assignments(function: ast.FunctionDef, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == name:
                    yield node.value
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=True)
                    yield from (value for part, value in pairs if isinstance(part, ast.Name) and part.id == name)


def test_every_code_in_the_source_has_a_sentence():
    missing = sorted({(code, place) for code, place in raised_codes() if code not in SENTENCES})
    assert missing == []


def test_no_sentence_is_left_over():
    assert sorted(SENTENCES.keys() - {code for code, _ in raised_codes()}) == []


def test_the_scan_finds_codes_behind_a_helper():
    assert {"yaml_tag", "yaml_syntax", "missing_field"} <= {code for code, _ in raised_codes()}


def test_the_table_is_sorted_and_its_codes_are_spelled_one_way():
    assert list(SENTENCES) == sorted(SENTENCES)
    assert [code for code in SENTENCES if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", code)] == []


@pytest.mark.parametrize("code", SENTENCES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_is_whole_with_and_without_its_fields(code, language):
    for fault in (Fault(code, **SAMPLE), Fault(code)):
        text = sentence(fault, language)
        assert text[-1] in {"en": ".", "zh": "。"}[language], text
        assert not re.search(r"[\[\]{}]", text), text
        assert "\n" not in text
    assert sentence(Fault(code, **SAMPLE), language).startswith("my.yaml")


def test_a_part_whose_field_is_empty_is_left_out():
    assert (
        sentence(Fault("unknown_field", "a.yaml", "tokns", hint="tokens"), "en") == "a.yaml: tokns is not a field; perhaps you mean tokens."
    )
    assert sentence(Fault("unknown_field", "a.yaml", "tokns"), "en") == "a.yaml: tokns is not a field."


def test_an_unknown_code_is_a_bug_not_a_sentence():
    with pytest.raises(KeyError):
        sentence(Fault("no_such_code"), "en")


@given(value=ANY_TEXT, where=ANY_TEXT)
def test_what_a_user_wrote_is_quoted_never_interpreted(value, where):
    text = sentence(Fault("unknown_id", where, "model", value), "en")
    assert text.endswith(f"model: nothing is called {value}.")
