"""The bill of materials: parts into lines, what is in stock used first, totals as the sum of the lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hardware_db.records import Fact, Price
from planner.answer import BillLine

FROM_STOCK = "stock"
QUOTE_NEEDED = "quote needed"


@dataclass(frozen=True, slots=True)
class Part:
    """So many of one thing. `kind` is what it is for, as a word; `unit_w` is None where no rating is known."""

    kind: str
    catalog_id: str
    quantity: int
    unit_w: float | None
    price: Price | None

    @classmethod
    def of(cls, kind: str, record: Fact, quantity: float, unit_w: float | None, price: Price | None) -> Part:
        """Whole pieces of a catalog entry: a share of a part is a whole part."""
        return cls(kind, record.id, math.ceil(quantity - 1e-9), unit_w, price)


@dataclass(frozen=True, slots=True)
class BillTotals:
    """Sums over the lines. `w` is as rated. `at_least` when a line has no price; `unpriced` names them."""

    low_usd: float
    typical_usd: float
    high_usd: float
    w: float
    at_least: bool
    unpriced: tuple[str, ...]
    unrated: tuple[str, ...]


def bill_of(parts: Iterable[Part], stock: Mapping[str, int] | None = None) -> tuple[BillLine, ...]:
    """One line for each part and use, in the order given; pieces in `stock` are taken first and cost nothing."""
    left = dict(stock or {})
    lines = []
    for part in _merged(parts):
        owned = min(part.quantity, max(0, left.get(part.catalog_id, 0)))
        if owned:
            left[part.catalog_id] -= owned
            lines.append(_line(replace(part, quantity=owned), owned=True))
        if part.quantity > owned:
            lines.append(_line(replace(part, quantity=part.quantity - owned), owned=False))
    return tuple(lines)


def joined_bill(bills: Iterable[Sequence[BillLine]]) -> tuple[BillLine, ...]:
    """The lines of several clusters in one bill: equal parts in one line."""
    merged: dict[BillLine, list[BillLine]] = {}
    for line in (line for bill in bills for line in bill):
        merged.setdefault(line.model_copy(update={"quantity": 0.0, "subtotal_usd": None}), []).append(line)
    return tuple(_sum(lines) if len(lines) > 1 else lines[0] for lines in merged.values())


def _sum(lines: Sequence[BillLine]) -> BillLine:
    priced = all(line.subtotal_usd is not None for line in lines)
    subtotal = math.fsum(line.subtotal_usd or 0.0 for line in lines) if priced else None
    return lines[0].model_copy(update={"quantity": sum(line.quantity for line in lines), "subtotal_usd": subtotal})


def bill_totals(lines: Sequence[BillLine]) -> BillTotals:
    """Totals of a bill: exactly the sum of its lines."""
    unpriced = tuple(dict.fromkeys(line.catalog_id for line in lines if line.subtotal_usd is None))
    return BillTotals(
        low_usd=math.fsum(line.quantity * (line.unit_low_usd or 0.0) for line in lines),
        typical_usd=math.fsum(line.subtotal_usd or 0.0 for line in lines),
        high_usd=math.fsum(line.quantity * (line.unit_high_usd or 0.0) for line in lines),
        w=math.fsum(line.quantity * (line.unit_power_w or 0.0) for line in lines),
        at_least=bool(unpriced),
        unpriced=unpriced,
        unrated=tuple(dict.fromkeys(line.catalog_id for line in lines if line.unit_power_w is None)),
    )


def times(price: Price, quantity: float) -> Price:
    """Price of `quantity` of what `price` is the price of one of."""
    return replace(price, low_usd=price.low_usd * quantity, typical_usd=price.typical_usd * quantity, high_usd=price.high_usd * quantity)


def _merged(parts: Iterable[Part]) -> list[Part]:
    """Parts of one kind, id, price and rating in one."""
    merged: dict[Part, int] = {}
    for part in parts:
        key = replace(part, quantity=0)
        merged[key] = merged.get(key, 0) + part.quantity
    return [replace(part, quantity=quantity) for part, quantity in merged.items() if quantity]


def _line(part: Part, *, owned: bool) -> BillLine:
    price = Price(0.0, 0.0, 0.0, FROM_STOCK, "") if owned else part.price
    return BillLine(
        part=part.kind,
        catalog_id=part.catalog_id,
        quantity=part.quantity,
        unit_power_w=part.unit_w,
        unit_low_usd=price.low_usd if price else None,
        unit_typical_usd=price.typical_usd if price else None,
        unit_high_usd=price.high_usd if price else None,
        price_date=price.date if price else "",
        price_basis=price.basis if price else QUOTE_NEEDED,
        source="; ".join(price.sources) if price else "",
        subtotal_usd=part.quantity * price.typical_usd if price else None,
    )
