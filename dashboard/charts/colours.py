"""One meaning, one colour, on every page.

The browser picks light or dark itself: charts name the meaning, the theme file gives the colours in the order of
`MEANINGS` (`chartCategoricalColors`). The colours stand here too so that a test can hold both equal and check contrast
and distance; nothing else reads them but the report, which has no theme.
"""

from __future__ import annotations

from typing import Literal, get_args

Meaning = Literal["compute", "memory", "network", "storage", "host", "facility"]
MEANINGS: tuple[Meaning, ...] = get_args(Meaning)

LIGHT = dict(zip(MEANINGS, ("#0F6FDB", "#8C438C", "#215F4B", "#717507", "#22232E", "#1A1EA5"), strict=True))
DARK = dict(zip(MEANINGS, ("#0085FC", "#B36AB1", "#6EEDC0", "#E9D84C", "#80877A", "#CBD3FD"), strict=True))
LIGHT_BACKGROUND = "#FFFFFF"
DARK_BACKGROUND = "#10141B"
