"""Messages in the reader's language. A message is an English sentence with named places, which is also its key.

    tr("{figure} over {period}", "zh", figure="1.9 亿美元", period="4 年")

English needs no catalogue. Other languages are gettext `.po` files under `locale/`, read as they are: no compiled form
has to be built or kept in step. Fields arrive formatted (see `texts.numbers`), so a sentence never formats a quantity.
Messages kept in tables are marked with `mark` where they are written and translated with `tr` where they are shown.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Literal, TypeAlias, get_args

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LANGUAGE_NAMES: dict[Language, str] = {"en": "English", "zh": "简体中文"}

_FOLDERS: dict[Language, str] = {"zh": "zh_CN"}
_ENTRY_LINE = re.compile(r'(?:(msgid|msgid_plural|msgstr|msgstr\[0\]) )?"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def tr(message: str, language: Language, /, **fields: str) -> str:
    """`message` in `language` with `fields` put in. Braces of its own are doubled, as for `str.format`."""
    return translation(message, language).format(**fields)


def trn(singular: str, plural: str, number: int, language: Language, /, **fields: str) -> str:
    """The one of two messages that goes with `number`, in `language`."""
    return tr(singular if number == 1 else plural, language, **fields)


def mark(message: str) -> str:
    """`message` itself; tells the collection of messages that it is one."""
    return message


def translation(message: str, language: Language) -> str:
    """The wording of `message` in `language`, places unfilled. A test holds that none is missing."""
    return message if language == "en" else catalogue(language).get(message, message)


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Message to translation, of one language. Of a pair with a plural, both messages are keys.

    The languages that have a catalogue here do not bend nouns, so the one form serves both.
    """
    path = resources.files(__package__).joinpath("locale", _FOLDERS[language], "LC_MESSAGES", "rackwright.po")
    return read_po(path.read_text(encoding="utf-8"))


def read_po(text: str) -> dict[str, str]:
    """Message to translation in a `.po` text; untranslated messages and the header are left out.

    Reads what Babel writes: comments, `msgid`, `msgid_plural`, one `msgstr`, quoted lines. Raises `ValueError` on other lines.
    """
    translations: dict[str, str] = {}
    entry: dict[str, str] = {}
    keyword = ""

    def close() -> None:
        wording = entry.get("msgstr") or entry.get("msgstr[0]", "")
        for key in ("msgid", "msgid_plural"):
            if entry.get(key) and wording:
                translations[entry[key]] = wording
        entry.clear()

    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _ENTRY_LINE.fullmatch(line)
        if match is None or not (match[1] or keyword):
            msg = f"line {number} of a .po file is not understood: {line}"
            raise ValueError(msg)
        if match[1] == "msgid":
            close()
        keyword = match[1] or keyword
        entry[keyword] = entry.get(keyword, "") + _ESCAPE.sub(lambda found: _ESCAPED[found[1]], match[2])
    close()
    return translations
