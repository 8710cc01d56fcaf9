"""What moves the answer: the cost of the same kind of cluster with one input a share lower and a share higher.

Each input is changed alone and the question answered again for the accelerators and the number format of the chosen plan, so that
sizes, batches and limits follow. Nothing is assumed to be linear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from planner.answer import Recommendation
from planner.defaults import field_table
from planner.library import Library, default_library
from planner.pipeline import plan
from planner.request import OwnPrice, PlanRequest, Serving, Site

SWING = 0.2  # of each input, down and up
PRICE = "prices"  # of the dearest part of the bill, or of the rental
_FIELDS = (
    "workload.requests_per_s",
    "workload.peak_to_mean",
    "workload.input_tokens",
    "workload.output_tokens",
    "workload.prefix_hit_rate",
    "workload.utilisation_limit",
    "workload.tokens",
    "workload.goodput",
    "site.electricity_usd_per_kwh",
    "site.pue",
    "site.years",
    "site.utilisation",
    "site.residual_share",
    "site.maintenance_share",
    "assumptions.memory_reserve",
    "assumptions.power_share",
)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """One input with its values and the cost over the period at each; None where nothing fits then."""

    field: str
    low: float
    high: float
    low_usd: float | None
    high_usd: float | None

    def reach_usd(self, base_usd: float) -> float:
        """How far it moves the cost; an end where nothing fits counts as twice the cost."""
        ends = [2.0 * base_usd if usd is None else usd for usd in (self.low_usd, self.high_usd)]
        return max(abs(usd - base_usd) for usd in ends)


@dataclass(frozen=True, slots=True)
class Sensitivities:
    """The cost with nothing changed, and every input, the one that moves it farthest first."""

    base_usd: float
    inputs: tuple[Sensitivity, ...]


def sensitivities(
    request: PlanRequest, shown: Recommendation, library: Library | None = None, progress: Callable[[float], None] | None = None
) -> Sensitivities | None:
    """What the inputs of `request` do to the cost of `shown`; None where its kind cannot be planned for alone."""
    known, report = library or default_library(), progress or (lambda share: None)
    machines = {shown.accelerator_id, *([shown.prefill.accelerator_id] if shown.prefill else [])}
    limits = request.limits.model_copy(update={"accelerators": tuple(sorted(machines)), "vendors": (), "statuses": ()})
    site = request.site.model_copy(update={"acquisition": shown.cost.acquisition})
    alone = request.model_copy(update={"limits": limits, "site": site, "precisions": (shown.strategy.precision,)})
    base_usd = _cost_usd(alone, known)
    if base_usd is None:
        return None
    changes = list(_changes(alone, shown))
    found = []
    for done, (field, low, high, changed) in enumerate(changes):
        report(done / len(changes))
        found.append(Sensitivity(field, low, high, _cost_usd(changed(low), known), _cost_usd(changed(high), known)))
    return Sensitivities(base_usd, tuple(sorted(found, key=lambda one: -one.reach_usd(base_usd))))


def _cost_usd(request: PlanRequest, library: Library) -> float | None:
    options = plan(request, library).recommendations
    return options[0].cost.total_usd if options else None


Change = tuple[str, float, float, Callable[[float], PlanRequest]]


def _changes(request: PlanRequest, shown: Recommendation) -> Iterator[Change]:
    """Each input with its two values, and the request with a value of it."""
    table = field_table().fields
    for path in _FIELDS:
        group, _, leaf = path.partition(".")
        part = getattr(request, group)
        value, rules = getattr(part, leaf, None), table[path]
        if not value or (path == "site.years" and isinstance(part, Site) and isinstance(request.workload, Serving)):
            continue  # not asked of this workload, or nothing to swing; a serving cost is that of its years
        whole = type(part).model_fields[leaf].annotation is int
        ends = [_within(end, rules.minimum, rules.maximum) for end in ((1.0 - SWING) * value, (1.0 + SWING) * value)]
        low, high = (float(round(end)) if whole else end for end in ends)
        yield path, low, high, _setter(request, group, leaf, whole=whole)
    yield from _price(request, shown)


def _within(value: float, least: float | None, most: float | None) -> float:
    return min(max(value, -float("inf") if least is None else least), float("inf") if most is None else most)


def _setter(request: PlanRequest, group: str, leaf: str, *, whole: bool) -> Callable[[float], PlanRequest]:
    def changed(value: float) -> PlanRequest:
        part = getattr(request, group).model_copy(update={leaf: int(value) if whole else value})
        return request.model_copy(update={group: part})

    return changed


def _price(request: PlanRequest, shown: Recommendation) -> Iterator[Change]:
    """The price of an accelerator-hour where rented, of the dearest part where bought."""
    rented = shown.cost.acquisition == "rent"
    dearest = max(shown.bill, key=lambda line: line.subtotal_usd or 0.0, default=None)
    if rented:
        id_, usd = shown.accelerator_id, shown.cost.usd_per_device_hour
    elif dearest and dearest.unit_typical_usd:
        id_, usd = dearest.catalog_id, dearest.unit_typical_usd
    else:
        return
    others = tuple(price for price in request.prices if price.id != id_)

    def changed(price_usd: float) -> PlanRequest:
        own = OwnPrice(id=id_, rent_usd_per_h=price_usd) if rented else OwnPrice(id=id_, buy_usd=price_usd)
        return request.model_copy(update={"prices": (*others, own)})

    yield PRICE, (1.0 - SWING) * usd, (1.0 + SWING) * usd, changed
