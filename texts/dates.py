"""Dates as people read them, made from ISO text: `2026-11-22`, `2026-11` or `2026`."""

from __future__ import annotations

import re

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
