"""A vendor's quote against our bill of materials: what is missing, what is surplus, which price is out of range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from planner.answer import BillLine
from planner.cluster.bill import FROM_STOCK

Finding = Literal["missing", "fewer", "surplus", "not in the bill", "dearer", "cheaper", "no reference price", "as planned"]
AGREES: tuple[Finding, ...] = ("as planned", "no reference price")


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One position of a quote; `unit_usd` None where the quote gives no price of its own."""

    catalog_id: str
    quantity: float
    unit_usd: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One finding on one catalog entry. `excess_usd`: quoted money beyond the bill's range or quantity, negative below it."""

    catalog_id: str
    finding: Finding
    billed: float
    quoted: float
    unit_low_usd: float | None
    unit_high_usd: float | None
    quoted_unit_usd: float | None
    excess_usd: float | None


@dataclass(frozen=True, slots=True)
class _Position:
    quantity: float
    low_usd: float | None
    high_usd: float | None


def compare_quote(bill: Sequence[BillLine], quote: Iterable[QuoteLine]) -> tuple[Comparison, ...]:
    """Every entry of the bill and of the quote with what is found about it, in the order of the bill.

    Lines of one entry count together; what comes from stock is not asked of a vendor.
    """
    ours = _billed(bill)
    quoted = _quoted(quote)
    found = []
    for id_, position in ours.items():
        found += _findings(id_, position, quoted.get(id_))
    for id_, line in quoted.items():
        if id_ not in ours:
            money = None if line.unit_usd is None else line.quantity * line.unit_usd
            found.append(Comparison(id_, "not in the bill", 0.0, line.quantity, None, None, line.unit_usd, money))
    return tuple(found)


def _findings(id_: str, ours: _Position, line: QuoteLine | None) -> list[Comparison]:
    quantity, price = (line.quantity, line.unit_usd) if line else (0.0, None)

    def finding(kind: Finding, excess_usd: float | None = None) -> Comparison:
        return Comparison(id_, kind, ours.quantity, quantity, ours.low_usd, ours.high_usd, price, excess_usd)

    found = []
    if line is None or quantity == 0:
        return [finding("missing")]
    if quantity != ours.quantity:
        extra = None if price is None else (quantity - ours.quantity) * price
        found.append(finding("fewer" if quantity < ours.quantity else "surplus", extra))
    if price is not None and ours.low_usd is not None and ours.high_usd is not None:
        if price > ours.high_usd:
            found.append(finding("dearer", quantity * (price - ours.high_usd)))
        elif price < ours.low_usd:
            found.append(finding("cheaper", quantity * (price - ours.low_usd)))
    elif price is not None:
        found.append(finding("no reference price"))
    return found or [finding("as planned")]


def _billed(bill: Sequence[BillLine]) -> dict[str, _Position]:
    positions: dict[str, _Position] = {}
    for line in bill:
        if line.price_basis == FROM_STOCK:
            continue
        known = positions.get(line.catalog_id, _Position(0.0, line.unit_low_usd, line.unit_high_usd))
        positions[line.catalog_id] = _Position(
            known.quantity + line.quantity,
            None if known.low_usd is None or line.unit_low_usd is None else min(known.low_usd, line.unit_low_usd),
            None if known.high_usd is None or line.unit_high_usd is None else max(known.high_usd, line.unit_high_usd),
        )
    return positions


def _quoted(quote: Iterable[QuoteLine]) -> dict[str, QuoteLine]:
    """One line an entry; of several prices the mean by quantity."""
    lines: dict[str, QuoteLine] = {}
    for line in quote:
        known = lines.get(line.catalog_id)
        lines[line.catalog_id] = line if known is None else _joined(known, line)
    return lines


def _joined(a: QuoteLine, b: QuoteLine) -> QuoteLine:
    quantity = a.quantity + b.quantity
    priced = a.unit_usd is not None and b.unit_usd is not None and quantity > 0
    money = a.quantity * (a.unit_usd or 0.0) + b.quantity * (b.unit_usd or 0.0)
    return QuoteLine(a.catalog_id, quantity, money / quantity if priced else None)
