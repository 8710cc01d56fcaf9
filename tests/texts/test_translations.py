import io
import re

import pytest
from babel.messages.pofile import read_po as babel_read_po
from hypothesis import given
from hypothesis import strategies as st

from scripts.translations import TRANSLATIONS, messages, updated
from texts import translations
from texts.translations import catalogue, mark, read_po, tr, trn

PLACE = re.compile(r"\{(\w*)[^}]*\}")
LANGUAGE = {"zh_CN": "zh"}


def keys(entry) -> tuple[str, ...]:
    return entry.id if entry.pluralizable else (entry.id,)


@pytest.fixture(scope="module")
def wanted() -> set[str]:
    found = {key for entry in messages() if entry.id for key in keys(entry)}
    assert len(found) > 50, "the collection of messages finds hardly any"
    return found


@pytest.mark.parametrize("folder", TRANSLATIONS)
def test_every_message_is_translated(folder, wanted):
    missing = sorted(wanted - catalogue(LANGUAGE[folder]).keys())
    assert not missing, "run `python -m scripts.translations` and fill in what it lists"


@pytest.mark.parametrize("folder", TRANSLATIONS)
def test_no_translation_is_left_over(folder, wanted):
    assert sorted(catalogue(LANGUAGE[folder]).keys() - wanted) == []


@pytest.mark.parametrize("folder", TRANSLATIONS)
def test_translations_have_the_places_of_their_message(folder):
    for message, wording in catalogue(LANGUAGE[folder]).items():
        assert set(PLACE.findall(message)) == set(PLACE.findall(wording)), message
        assert message.count("[") == wording.count("["), message


@pytest.mark.parametrize("folder", TRANSLATIONS)
def test_the_file_is_as_the_collection_writes_it(folder):
    text = TRANSLATIONS[folder].read_text(encoding="utf-8")
    assert updated(folder, text)[0] == text, "run `python -m scripts.translations`"


@pytest.mark.parametrize("folder", TRANSLATIONS)
def test_our_reader_agrees_with_babels(folder):
    text = TRANSLATIONS[folder].read_text(encoding="utf-8")
    expected = {}
    for entry in babel_read_po(io.BytesIO(text.encode()), locale=folder):
        if entry.id:
            expected |= dict.fromkeys(keys(entry), entry.string[0] if entry.pluralizable else entry.string)
    assert read_po(text) == {key: wording for key, wording in expected.items() if wording}


def test_english_is_the_message_itself():
    assert tr("{n} GPUs at {{site}}", "en", n="8") == "8 GPUs at {site}"


def test_plural_follows_the_number(monkeypatch):
    monkeypatch.setattr(translations, "catalogue", lambda _: {"{n} server": "{n} 台服务器", "{n} servers": "{n} 台服务器"})
    assert trn("{n} server", "{n} servers", 1, "en", n="1") == "1 server"
    assert trn("{n} server", "{n} servers", 3, "en", n="3") == "3 servers"
    assert trn("{n} server", "{n} servers", 3, "zh", n="3") == "3 台服务器"


def test_a_place_without_a_field_is_refused():
    with pytest.raises(KeyError):
        tr("{n} GPUs", "en")


def test_marking_changes_nothing():
    assert mark("does not fit") == "does not fit"


def test_reads_plurals_continued_lines_and_escapes():
    text = '# note\nmsgid "a\\n"\n"b \\"q\\""\nmsgstr "x\\\\"\n"y"\n\nmsgid "one"\nmsgid_plural "many"\nmsgstr[0] "z"\n\nmsgid "open"\nmsgstr ""\n'
    assert read_po(text) == {'a\nb "q"': "x\\y", "one": "z", "many": "z"}


@pytest.mark.parametrize("text", ['"dangling"', "msgid unquoted", 'msgctxt "menu"'])
def test_lines_it_does_not_know_are_refused(text):
    with pytest.raises(ValueError, match="line 1"):
        read_po(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_by_name(text):
    try:
        read_po(text)
    except ValueError as error:
        assert "not understood" in str(error)
