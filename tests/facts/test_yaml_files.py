"""Bounded YAML: what it reads is plain data, what it refuses is a fault, quickly."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts import yaml_files
from facts.errors import RackwrightError
from facts.yaml_files import Limits, parse_yaml, read_yaml


def code(content: bytes | str, limits: Limits = yaml_files.DEFAULT_LIMITS) -> str:
    with pytest.raises(RackwrightError) as raised:
        parse_yaml(content, "my.yaml", limits)
    (fault,) = raised.value.faults
    assert fault.where == "my.yaml"
    return fault.code


@pytest.fixture(params=["libyaml", "pure Python"])
def _parser(request, monkeypatch):
    if request.param == "pure Python":
        monkeypatch.setattr(yaml_files, "_LOADER", yaml_files.yaml.SafeLoader)


@pytest.mark.usefixtures("_parser")
def test_plain_scalars_follow_the_core_schema():
    text = "{a: 1, b: -2.5e3, c: .5, d: true, e: null, f: ~, g: 'no quotes needed', h: 2026-09, i: no, j: '12', k: 0x1f, l: 1_000, m: 1:30}"
    assert parse_yaml(text) == {
        "a": 1,
        "b": -2500.0,
        "c": 0.5,
        "d": True,
        "e": None,
        "f": None,
        "g": "no quotes needed",
        "h": "2026-09",
        "i": "no",
        "j": "12",
        "k": "0x1f",
        "l": "1_000",
        "m": "1:30",
    }


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: [*x]", "yaml_unknown_alias"),
        ("a: 1\na: 2", "yaml_duplicate_key"),
        ("{a: {b: 1, b: 2}}", "yaml_duplicate_key"),
        ("x: .inf", "yaml_number_not_finite"),
        ("x: -.INF", "yaml_number_not_finite"),
        ("x: .nan", "yaml_number_not_finite"),
        ("x: 1e999", "yaml_number_not_finite"),
        ("x: " + "9" * 5000, "yaml_number_too_long"),
        ("!!python/object/apply:os.system [ls]", "yaml_tag"),
        ("x: !!str 3", "yaml_tag"),
        ("a: 1\n---\nb: 2", "yaml_several_documents"),
        ("? [a]\n: b", "yaml_key_not_text"),
        ("&a x: 1\n? *a\n: b", "yaml_unknown_alias"),
        ("a: [1, 2\nb: 3", "yaml_syntax"),
        ("\x00", "yaml_syntax"),
        (b"\xff\xfe\x00", "text_not_utf8"),
        ("\ud800", "text_not_utf8"),
    ],
)
def test_what_is_not_plain_data_is_a_fault(text, expected):
    assert code(text) == expected


def test_a_bomb_of_aliases_is_refused_by_what_it_stands_for():
    """Ten levels of ten: 10^10 nodes in 400 bytes."""
    names = "abcdefghij"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in itertools.pairwise(names)
    )
    assert code(bomb) == "yaml_too_many_nodes"


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "&a [x]"], ids=["lists", "maps", "dashes", "aliases"])
def test_deep_nesting_is_refused_however_it_is_written(text):
    if text == "&a [x]":
        text = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 200))
    assert code(text) == "yaml_too_deep"


def test_a_file_over_the_limit_is_refused_unread(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_bytes(b"x" * 101)
    with pytest.raises(RackwrightError) as raised:
        read_yaml(path, Limits(size_bytes=100))
    assert raised.value.faults[0].code == "file_too_large"
    assert code("x" * 101, Limits(size_bytes=100)) == "file_too_large"


def test_a_file_that_is_not_there_is_a_fault(tmp_path):
    with pytest.raises(RackwrightError) as raised:
        read_yaml(tmp_path / "none.yaml")
    assert raised.value.faults[0].code == "file_unreadable"


def test_a_fault_names_the_line():
    with pytest.raises(RackwrightError) as raised:
        parse_yaml("a: 1\nb: 2\na: 3\n")
    assert raised.value.faults[0].field == "line 3"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_json_reads_as_what_it_means(value):
    """JSON is YAML but for escapes of half a character and the controls that YAML forbids, which JSON escapes."""
    text = json.dumps(value)
    if "\\ud" not in text and "\\u007f" not in text:
        assert parse_yaml(text) == value


@given(st.text() | st.binary())
def test_whatever_comes_in_is_read_or_refused(content):
    try:
        parse_yaml(content)
    except RackwrightError as error:
        assert error.faults
