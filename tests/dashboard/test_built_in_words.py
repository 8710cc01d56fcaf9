"""The framework's own words: each is still said by it, and each has a rule that finds and replaces it."""

import re
from pathlib import Path

import pytest
import streamlit

from dashboard.built_in_words import WORDS, rules

SCRIPTS = Path(streamlit.__file__).parent / "static" / "static" / "js"


@pytest.fixture(scope="module")
def script() -> str:
    """All of the framework's scripts."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.glob("*.js")))


@pytest.mark.parametrize("words", WORDS)
def test_the_framework_still_says_it(words, script):
    """A new release with other words would leave them English without a sign."""
    said = "Enter to" if words.startswith("Press") else max(re.split(r"\{\w+\}", words.removeprefix("Error: ")), key=len)
    assert said.strip(" :") in script


def test_numbers_go_over_into_the_translation():
    text = "Error: Number is outside the allowed range. Please enter a value between 1 and 10,000,000."
    found = [re.sub(pattern, words.replace("$", "\\"), text) for pattern, words in rules("zh") if re.fullmatch(pattern.strip("^$"), text)]
    assert len(found) == 1
    assert re.search(r"1\D+10,000,000", found[0])
    assert "range" not in found[0]


def test_each_rule_takes_its_own_words_whole():
    for words, (pattern, translated) in zip(WORDS, rules("zh"), strict=True):
        assert re.search(pattern.replace(r"\/", "/"), re.sub(r"\{\w+\}", "7", words))
        assert re.search(r"[\u4e00-\u9fff]", translated), words


def test_english_needs_no_rules():
    assert rules("en") == []
