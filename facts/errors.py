"""Errors as data: a code with its fields, made into a sentence only at the edge (see `texts.sentences`).

Everything that can go wrong because of what a user gave us (a request, a link, a catalog file, a model file) is a
`Fault`. Several faults found together travel in one `RackwrightError`, so that a user can mend them all at once.
"""

from __future__ import annotations

from dataclasses import dataclass

_SHOWN_CHARACTERS = 120


def shown(value: object) -> str:
    """`value` as short text for a message: hostile input must not flood a terminal or a page."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(character if character.isprintable() else "�" for character in text[: _SHOWN_CHARACTERS + 1])
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong.

    code     stable identifier; `texts.sentences` holds one sentence and one fix per code
    where    file, catalog entry or input the fault was found in; empty when there is only one place
    field    dotted path of the field, as the user writes it
    value    the offending value, shortened by `shown`
    allowed  what is accepted: a range with its unit, a list of words, a format
    hint     the nearest accepted thing (a similar id, the bound that was passed), where there is one
    """

    code: str
    where: str = ""
    field: str = ""
    value: str = ""
    allowed: str = ""
    hint: str = ""


class RackwrightError(Exception):
    """Raised with every fault found at one edge; never carries a traceback to a user."""

    def __init__(self, *faults: Fault) -> None:
        if not faults:
            msg = "RackwrightError needs at least one fault"
            raise ValueError(msg)
        super().__init__("; ".join(f"{fault.code} {fault.where} {fault.field} {fault.value}".strip() for fault in faults))
        self.faults = faults
