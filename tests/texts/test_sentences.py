import ast
import re
from collections.abc import Iterator
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


def codes(argument: ast.expr) -> list[str] | None:
    """The codes that an expression can be, or None if it is not spelled out."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return [argument.value]
    if isinstance(argument, ast.IfExp):
        first, second = codes(argument.body), codes(argument.orelse)
        return None if first is None or second is None else first + second
    return None


def raised_codes() -> Iterator[tuple[str, str]]:
    """Each fault code in the source with its place. A function that hands its own first argument on to `Fault` is
    followed to its callers; a code that is not spelled out anywhere fails the test."""
    for path in sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        makers = {"Fault"}
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            names = {argument.arg for argument in function.args.args}
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call) and called(node) == "Fault" and node.args):
                if isinstance(call.args[0], ast.Name) and call.args[0].id in names:
                    makers.add(function.name)
                    call.args[0] = ast.Constant(value="")
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in makers):
            place = f"{path.relative_to(ROOT)}:{call.lineno}"
            found = codes(call.args[0]) if call.args else None
            assert found is not None, f"{place}: the fault's code is not spelled out"
            yield from ((code, place) for code in found if code)


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
