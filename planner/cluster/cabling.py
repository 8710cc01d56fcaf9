"""What one link is made of: a cable with its ends, or a fibre between two optical modules, the cheapest that reaches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hardware_db import Hardware
from hardware_db.records import Cable, Price, Transceiver


@dataclass(frozen=True, slots=True)
class LinkPart:
    """`quantity` of one part in one link: a module that serves several links counts by its share."""

    record: Cable | Transceiver
    quantity: float
    unit_w: float | None  # draw of the whole part, both ends of a cable


@dataclass(frozen=True, slots=True)
class Link:
    """Parts of one link; none where the catalog has nothing for the rate and length."""

    parts: tuple[LinkPart, ...]

    @property
    def price(self) -> Price | None:
        """Price of one link; None if a part is unknown or has no price."""
        prices = [part.record.price for part in self.parts]
        if not prices or not all(prices):
            return None
        shares = [(part.quantity, price) for part, price in zip(self.parts, prices, strict=True) if price]
        low, typical, high = (
            sum(quantity * level for quantity, level in levels)
            for levels in zip(*[((q, p.low_usd), (q, p.typical_usd), (q, p.high_usd)) for q, p in shares], strict=True)
        )
        return Price(low, typical, high, "derived", "")

    @property
    def w(self) -> float:
        """Draw of one link's modules or cable ends."""
        return sum(part.quantity * (part.unit_w or 0.0) for part in self.parts)


def cheapest_link(hardware: Hardware, bytes_per_s: float, length_m: float, cages_bytes_per_s: tuple[float, float]) -> Link:
    """The cheapest way to join two cages of the given rates with a link of `bytes_per_s` over `length_m`."""
    options = [*_cables(hardware, bytes_per_s, length_m), *_optical(hardware, bytes_per_s, length_m, cages_bytes_per_s)]
    return min(options, key=lambda link: _typical(link.price), default=Link(()))


def _cables(hardware: Hardware, rate: float, length_m: float) -> Iterator[Link]:
    """Copper and active optical cables; the catalog gives the draw of one end."""
    for cable in hardware.cables.values():
        if cable.port_bytes_per_s == rate and _reaches(cable, length_m):
            yield Link((LinkPart(cable, 1, _doubled(cable.power_typical_w)),))


def _optical(hardware: Hardware, rate: float, length_m: float, cages: tuple[float, float]) -> Iterator[Link]:
    """Fibre with a module in each cage; a module of a faster cage serves several links."""
    fibres = [cable for cable in hardware.cables.values() if cable.port_bytes_per_s is None and _reaches(cable, length_m)]
    modules = [_module(hardware.transceivers.values(), rate, cage, length_m) for cage in cages]
    fibre = min(fibres, key=lambda cable: _typical(cable.price), default=None)
    if fibre and all(modules):
        ends = [LinkPart(module, rate / module.port_bytes_per_s, module.power_typical_w) for module in modules if module]
        yield Link((*ends, LinkPart(fibre, 1, fibre.power_typical_w)))


def _module(modules: Iterable[Transceiver], rate: float, cage: float, length_m: float) -> Transceiver | None:
    """The cheapest module that fills the cage, or serves one link of it."""
    reaching = [module for module in modules if _reaches(module, length_m)]
    for wanted in (cage, rate):
        fitting = [module for module in reaching if module.port_bytes_per_s == wanted]
        if fitting:
            return min(fitting, key=lambda module: _typical(module.price))
    return None


def _reaches(part: Cable | Transceiver, length_m: float) -> bool:
    return part.reach_m is None or part.reach_m >= length_m


def _typical(price: Price | None) -> float:
    return price.typical_usd if price else math.inf


def _doubled(w: float | None) -> float | None:
    return None if w is None else 2 * w
