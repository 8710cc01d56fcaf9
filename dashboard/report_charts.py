"""Stacked bars as SVG text, for a file that has neither theme nor script: light colours, black on white when printed.

Every part is told three times: by its colour, by its name where the bar has room, by the title that a pointer shows; the
whole chart by its `aria-label`. Names come from anyone's catalog and are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from dashboard.charts.colours import LIGHT
from dashboard.charts.stacked import Segment, room_px

WIDTH = 700
BAND = 48  # one option: its label and its bar
BAR = 20
_INK = "#0b0f17"


def stacked_bars(segments: Sequence[Segment], labels: Mapping[str, str], limit: tuple[float, str] | None = None) -> str:
    """One bar for each of `labels` (option to the line above it), all to one scale that starts at zero.

    `limit` draws a line at its amount, with its text below: what is left open before it is free.
    """
    totals = {option: sum(segment.amount for segment in segments if segment.option == option) for option in labels}
    longest = max((*totals.values(), limit[0] if limit else 0.0)) or 1.0
    drawn = [
        _bar(row, label, [part for part in segments if part.option == option], longest)
        for row, (option, label) in enumerate(labels.items())
    ]
    height = BAND * len(labels)
    if limit:
        drawn.append(_limit_line(limit[0] / longest * WIDTH, height, limit[1]))
        height += 20
    told = "; ".join(f"{part.option}, {part.part}: {part.text}" for part in segments)
    return f'<svg role="img" aria-label="{escape(told)}" viewBox="0 0 {WIDTH} {height}" xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'


def _bar(row: int, label: str, parts: Sequence[Segment], longest: float) -> str:
    top = row * BAND
    drawn = [f'<text x="0" y="{top + 16}" font-size="13" fill="{_INK}">{escape(label)}</text>']
    start = 0.0
    for part in parts:
        wide = part.amount / longest * WIDTH
        box = f'x="{start:.1f}" y="{top + 22}" width="{wide:.1f}" height="{BAR}"'
        drawn.append(f'<rect {box} fill="{LIGHT[part.meaning]}" stroke="#fff"><title>{escape(f"{part.part}: {part.text}")}</title></rect>')
        if wide > room_px(part.part):
            drawn.append(f'<text x="{start + 6:.1f}" y="{top + 36}" font-size="12" fill="#fff">{escape(part.part)}</text>')
        start += wide
    return "".join(drawn)


def _limit_line(x: float, height: int, text: str) -> str:
    anchor = "end" if x > WIDTH / 2 else "start"
    line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" stroke="{_INK}" stroke-width="2" stroke-dasharray="4 3"/>'
    return f'{line}<text x="{x:.1f}" y="{height + 15}" font-size="12" fill="{_INK}" text-anchor="{anchor}">{escape(text)}</text>'
