"""The documents of the method: where they are, their chapters, and where a numbered equation stands in them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_PLACES = (Path(__file__).parent / "method", Path(__file__).parents[1] / "docs" / "method")  # of a wheel, of a checkout
_SECTION = re.compile(r"^#{2,4} (\d[\d.]*) (.+)$", re.MULTILINE)


@cache
def chapters() -> dict[str, str]:
    """Text of each chapter by its name in links; none where this installation has no documents."""
    folder = next((place for place in _PLACES if place.is_dir()), None)
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))} if folder else {}


@cache
def sections() -> dict[str, tuple[str, str]]:
    """Of each numbered equation, the chapter and the heading that it stands under."""
    return {number: (stem, title) for stem, text in chapters().items() for number, title in _SECTION.findall(text)}


def address_of(equation: str) -> str:
    """The page and heading of `equation`, relative to the server; the page alone where the documents lack it."""
    if equation not in sections():
        return "method"
    stem, title = sections()[equation]
    anchor = re.sub(r"[^a-z0-9]+", "-", f"{equation} {title}".lower()).strip("-")
    return f"method?chapter={stem}#{anchor}"
