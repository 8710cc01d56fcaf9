"""Brings the translation files in step with the messages of the source: adds new ones, empty, and drops unused ones.

    .venv/bin/python -m scripts.translations

Then fill the empty `msgstr` lines that it lists. The tests compare the files with the same collection.
"""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from dashboard.presets import presets
from planner.defaults import field_table
from planner.tables import BILL_COLUMNS, FRONTIER_COLUMNS, RECOMMENDATION_COLUMNS, RUNS_COLUMNS
from texts.sentences import SENTENCES

ROOT = Path(__file__).resolve().parent.parent
TRANSLATIONS = {"zh_CN": ROOT / "texts/locale/zh_CN/LC_MESSAGES/rackwright.po"}
KEYWORDS = {"tr": None, "trn": (1, 2), "mark": None, "say": None, "say_count": (1, 2)}
HEADER = (
    'msgid ""\nmsgstr ""\n"Project-Id-Version: rackwright\\n"\n"Language: {language}\\n"\n"MIME-Version: 1.0\\n"\n'
    '"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n"Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
)


def messages() -> Catalog:
    """Every message of the project, untranslated."""
    catalog = Catalog(charset="utf-8")
    rooms = (ROOT / room for room in ("cli", "dashboard", "texts"))
    for path in sorted([*ROOT.glob("*.py"), *(file for room in rooms for file in room.rglob("*.py"))]):
        with path.open("rb") as file:
            for _, message, _, _ in extract("python", file, KEYWORDS):
                catalog.add(message)
    labels = (column.label for column in (*RECOMMENDATION_COLUMNS, *BILL_COLUMNS, *FRONTIER_COLUMNS, *RUNS_COLUMNS))
    meanings = (field.meaning for field in field_table().fields.values())
    titles = (preset.title for preset in presets())
    for message in (*SENTENCES.values(), *labels, *meanings, *titles):
        catalog.add(message)
    return catalog


def updated(language: str, text: str) -> tuple[str, list[str]]:
    """The translation file with today's messages, and the messages that still want a translation."""
    catalog = read_po(io.BytesIO(text.encode()), locale=language)
    catalog.update(messages(), no_fuzzy_matching=True)
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=0, no_location=True, omit_header=True, sort_output=True, ignore_obsolete=True)
    missing = [str(entry.id) for entry in catalog if entry.id and not (any(entry.string) if entry.pluralizable else entry.string)]
    return HEADER.format(language=language) + buffer.getvalue().decode().lstrip(), missing


def main() -> None:
    for language, path in TRANSLATIONS.items():
        old = path.read_text(encoding="utf-8") if path.exists() else HEADER.format(language=language)
        text, missing = updated(language, old)
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(missing)} untranslated")
        for message in missing:
            print(f"  {message}")


if __name__ == "__main__":
    main()
