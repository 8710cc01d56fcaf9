"""Quantities as people read them: the one place where a number becomes text.

Arguments are in the unit of the name (`_bytes`, `_s`, `_w`, `_usd`). The prefix is chosen so that the shown number is at
least 1 and below 1,000 (1,024 for binary prefixes); three significant digits at most unless asked otherwise, fewer where
the figure's interval does not support them (`supported_digits`). Zero, not applicable, unknown and infeasible are four texts.
Numbers that are not finite are refused: what is not known is said with `Absent`, never with a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from texts.translations import Language, mark, tr, trn

SPACE = "\u202f"  # narrow, no break: between a number and its unit
MINUS = "\u2212"
MOST_DIGITS = 3

DAY_S = 86_400.0
YEAR_S = 365 * DAY_S


class Absent(Enum):
    """Why there is no number."""

    NOT_APPLICABLE = mark("n/a")
    UNKNOWN = mark("unknown")
    DOES_NOT_FIT = mark("does not fit")


Ladder: TypeAlias = tuple[tuple[float, str], ...]
"""The units of one kind of quantity, ascending: size of each in the unit the figure is kept in, and its symbol."""


def _ladder(symbols: str, step: float = 1000.0, first: int = 0) -> Ladder:
    """Units that grow by `step`; the first of `symbols` stands for step^first."""
    return tuple((step ** (first + index), symbol) for index, symbol in enumerate(symbols.split()))


MEMORY = _ladder("B KiB MiB GiB TiB PiB EiB", step=1024.0)
CAPACITY = _ladder("B kB MB GB TB PB EB")
BANDWIDTH = _ladder("B/s kB/s MB/s GB/s TB/s PB/s EB/s")
LINK_RATE = _ladder("b/s kb/s Mb/s Gb/s Tb/s Pb/s")
COMPUTE = _ladder("FLOP/s kFLOP/s MFLOP/s GFLOP/s TFLOP/s PFLOP/s EFLOP/s ZFLOP/s")
WORK = _ladder("FLOP kFLOP MFLOP GFLOP TFLOP PFLOP EFLOP ZFLOP YFLOP")
POWER = _ladder("mW W kW MW GW", first=-1)
ENERGY = _ladder("Wh kWh MWh GWh TWh", first=-1)
CARBON = _ladder("g kg t kt Mt", first=-1)
DURATION: Ladder = ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"), (DAY_S, "days"), (YEAR_S, "years"))
PLAIN: Ladder = ((1.0, ""),)
COUNT: dict[Language, Ladder] = {
    "en": ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "B"), (1e12, "T")),
    "zh": ((1.0, ""), (1e4, "万"), (1e8, "亿"), (1e12, "万亿")),
}


def supported_digits(value: float, low: float, high: float) -> int:
    """Significant digits (1 to 3) that an estimate with the interval `low` to `high` supports.

    The fewest that move the figure by no more than a third of the interval's half width.
    """
    if value == 0:
        return 1
    exponent = math.floor(math.log10(abs(value)))
    for number in range(1, MOST_DIGITS):
        if 0.5 * 10.0 ** (exponent - number + 1) <= (high - low) / 6:
            return number
    return MOST_DIGITS


def known(value: float | None) -> float | Absent:
    """`value`, or that it is unknown."""
    return Absent.UNKNOWN if value is None else value


def absent(reason: Absent, language: Language) -> str:
    """The text that stands where a number would."""
    return tr(reason.value, language)


def memory(value_bytes: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Memory computed from bytes: "74.5 GiB"."""
    return _quantity(value_bytes, MEMORY, language, digits)


def capacity(value_bytes: float | Absent, language: Language) -> str:
    """Capacity as its maker labels it, in powers of ten and without padding: "80 GB", "1.536 TB"."""
    return _quantity(value_bytes, CAPACITY, language, 6, padded=False)


def bandwidth(value_bytes_per_s: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Bandwidth of memory, links and storage: "3.35 TB/s"."""
    return _quantity(value_bytes_per_s, BANDWIDTH, language, digits)


def link_rate(value_bytes_per_s: float | Absent, language: Language) -> str:
    """Line rate of a link in bits, one direction, without padding: "400 Gb/s"."""
    bits_per_s = value_bytes_per_s if isinstance(value_bytes_per_s, Absent) else 8 * value_bytes_per_s
    return _quantity(bits_per_s, LINK_RATE, language, 6, padded=False)


def compute(value_flops_per_s: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Rate of arithmetic: "412 TFLOP/s"."""
    return _quantity(value_flops_per_s, COMPUTE, language, digits)


def peak(value_flops_per_s: float | Absent, precision: str, language: Language) -> str:
    """Peak rate of a data sheet with its number format: "989 TFLOP/s bf16 dense"."""
    if isinstance(value_flops_per_s, Absent):
        return absent(value_flops_per_s, language)
    return tr("{rate} {precision} dense", language, rate=compute(value_flops_per_s, language), precision=precision)


def work(value_flops: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Amount of arithmetic: "38.2 YFLOP"."""
    return _quantity(value_flops, WORK, language, digits)


def power(value_w: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Electrical power: "31.4 kW"."""
    return _quantity(value_w, POWER, language, digits)


def energy(value_kwh: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Electrical energy: "1.20 MWh"."""
    return _quantity(value_kwh, ENERGY, language, digits)


def carbon(value_kg: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Greenhouse gas: "12.0 t CO₂e"."""
    if isinstance(value_kg, Absent) or value_kg == 0:
        return _quantity(value_kg, CARBON, language, digits)
    return tr("{mass} CO₂e", language, mass=_quantity(value_kg, CARBON, language, digits))


def duration(value_s: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Time: "38.4 ms", "2.10 h", "52.3 days", "1.20 years"."""
    return absent(value_s, language) if isinstance(value_s, Absent) else _time(value_s, language, digits, padded=True)


def period(value_days: float, language: Language) -> str:
    """A span that money or energy is counted over, without padding: "4 years", "60 days"."""
    return _time(value_days * DAY_S, language, MOST_DIGITS, padded=False)


def money(value_usd: float | Absent, language: Language, digits: int = MOST_DIGITS, *, signed: bool = False) -> str:
    """US dollars: "$1.92 M"."""
    if isinstance(value_usd, Absent):
        return absent(value_usd, language)
    number, symbol = _scaled(value_usd, COUNT[language], digits)
    sign = _sign(value_usd, signed=signed)
    if language == "en":
        return f"{sign}${_joined(number, symbol)}"
    return sign + tr("{number} US dollars", language, number=_joined(number, symbol))


def money_over(value_usd: float | Absent, value_days: float, language: Language, digits: int = MOST_DIGITS) -> str:
    """Money with the period it is counted over: "$1.92 M over 4 years"."""
    if isinstance(value_usd, Absent):
        return absent(value_usd, language)
    return tr("{money} over {period}", language, money=money(value_usd, language, digits), period=period(value_days, language))


def money_per_hour(value_usd: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Price of one accelerator for an hour: "$2.10 per accelerator-hour"."""
    if isinstance(value_usd, Absent):
        return absent(value_usd, language)
    return tr("{money} per accelerator-hour", language, money=money(value_usd, language, digits))


def money_per_million_tokens(value_usd: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """Price of a million tokens: "$0.35 per million tokens"."""
    if isinstance(value_usd, Absent):
        return absent(value_usd, language)
    return tr("{money} per million tokens", language, money=money(value_usd, language, digits))


def count(value: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """A large number of things, shortened: "405 B" parameters, "15.6 T" tokens."""
    return _quantity(value, COUNT[language], language, digits)


def whole(value: int | Absent, language: Language) -> str:
    """A number of things, exact: "16,384"."""
    if isinstance(value, Absent):
        return absent(value, language)
    return f"{_sign(value)}{abs(value):,}"


def number(value: float | Absent, language: Language, digits: int = MOST_DIGITS) -> str:
    """A number whose unit stands elsewhere (a column's header), without a prefix: "1,920"."""
    return _quantity(value, PLAIN, language, digits)


def exact(value: float | Absent, language: Language) -> str:
    """A number as someone gave it, not rounded to the digits of an estimate: "25", "0.4", "1,155"."""
    return _quantity(value, PLAIN, language, 12, padded=False)


def percent(share: float | Absent, language: Language, digits: int = 2, *, signed: bool = False) -> str:
    """A share or a difference: 0.423 is "42%", with sign "+42%". Whole per cents are never rounded to tens."""
    if isinstance(share, Absent):
        return absent(share, language)
    if share == 0:
        return "0%"
    value = abs(_finite(share)) * 100
    return f"{_sign(share, signed=signed)}{_rounded(value, max(digits, len(str(int(value))))):,f}%"


def signed(difference: float, show: Callable[[float], str]) -> str:
    """A difference of a quantity that `show` writes, always with its sign: "+1.20 kW"."""
    return f"+{show(difference)}" if difference > 0 else show(difference)


def between(low: float, high: float, show: Callable[[float], str], language: Language) -> str:
    """A range, both ends shown the same way: "28.1 kW to 34.0 kW"."""
    return tr("{low} to {high}", language, low=show(low), high=show(high))


def likely_between(low: float, high: float, coverage: float, show: Callable[[float], str], language: Language) -> str:
    """An interval with the probability it holds: "80% sure: 28.1 kW to 34.0 kW"."""
    return tr("{coverage} sure: {range}", language, coverage=percent(coverage, language), range=between(low, high, show, language))


def _quantity(value: float | Absent, ladder: Ladder, language: Language, digits: int, *, padded: bool = True) -> str:
    if isinstance(value, Absent):
        return absent(value, language)
    number, symbol = _scaled(value, ladder, digits, padded=padded)
    return _sign(value) + _joined(number, symbol)


def _time(value_s: float, language: Language, digits: int, *, padded: bool) -> str:
    """Days and years are words, the rest symbols."""
    figure, unit = _scaled(value_s, DURATION, digits, padded=padded)
    figure = _sign(value_s) + figure
    if unit == "days":
        return trn("{figure} day", "{figure} days", 1 if figure == "1" else 2, language, figure=figure)
    if unit == "years":
        return trn("{figure} year", "{figure} years", 1 if figure == "1" else 2, language, figure=figure)
    return _joined(figure, unit)


def _scaled(value: float, ladder: Ladder, digits: int, *, padded: bool = True) -> tuple[str, str]:
    """The digits of |value| and the unit: the largest in which the rounded number is at least 1."""
    if value == 0:
        return "0", ""
    magnitude = abs(_finite(value))
    index = len(ladder) - 1
    while (rounded := _rounded(magnitude / ladder[index][0], digits)) < 1 and index > 0:
        index -= 1
    text = f"{rounded:,f}"
    return (text if padded or "." not in text else text.rstrip("0").rstrip(".")), ladder[index][1]


def _rounded(value: float, digits: int) -> Decimal:
    return Decimal(f"{value:.{digits - 1}e}")


def _joined(number: str, symbol: str) -> str:
    return f"{number}{SPACE}{symbol}" if symbol else number


def _sign(value: float, *, signed: bool = False) -> str:
    if value < 0:
        return MINUS
    return "+" if signed and value > 0 else ""


def _finite(value: float) -> float:
    if not math.isfinite(value):
        msg = f"{value} is not a quantity; say why there is none with Absent"
        raise ValueError(msg)
    return value
