"""Dates as people read them, made from ISO text: `2026-11-22`, `2026-11` or `2026`."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date as Date  # noqa: N812 `date` is what this module writes

from texts.translations import Language

_ISO = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date(iso: str, language: Language) -> str:
    """As exact as the ISO text is: "22 Nov 2026", "2026年11月22日". Raises `ValueError` on other text."""
    match = _ISO.fullmatch(iso)
    if match is None:
        msg = f"not an ISO date: {iso}"
        raise ValueError(msg)
    year, month, day = match.groups()
    if language == "zh":
        return f"{year}年" + (f"{int(month)}月" if month else "") + (f"{int(day)}日" if day else "")
    return " ".join(part for part in (day and str(int(day)), month and _MONTHS[int(month) - 1], year) if part)


_LAST_PART = re.compile(r"(\d{4})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?))?$")


def is_older(text: str, days: int, reference: str) -> bool:
    """Whether what is dated `text` is more than `days` older than the ISO day `reference`; no where `text` is no date.

    A year, a quarter ("2026-Q3"), a month or a range ("2024-2026") counts as its last day.
    """
    match = _LAST_PART.search(text)
    if match is None:
        return False
    year, quarter, month, day = (int(part) if part else 0 for part in match.groups())
    month = month or 3 * quarter or 12
    last = Date(year, month, day or monthrange(year, month)[1])
    return (Date.fromisoformat(reference) - last).days > days
