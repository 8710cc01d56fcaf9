"""What would change a cluster that one owns: more of the same, another one instead, another one beside it; gain for money."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from dashboard import figures
from dashboard.engine import answered, library
from dashboard.language import language, say
from dashboard.owned import Cluster, request_for, stock_of
from dashboard.tables import Column, Table
from planner.admission import stockable
from planner.answer import Plan, Recommendation
from planner.pipeline import Progress
from planner.request import Objective, Owned, PlanRequest, Serving
from texts import numbers
from texts.csv_cells import Cell
from texts.numbers import Absent
from texts.translations import mark

OPTIONS = 3
FULL = 1 - 1e-6  # of the highest rate, so that rounding asks for no replica more
USD = 1_000.0  # gain is given for so many dollars

COLUMNS = (
    Column("change", mark("Change")),
    Column("speed", mark("Run time or requests/s within limits")),
    Column("gain_percent", mark("Gain (%)"), 0),
    Column("price_usd", mark("Price of the change (USD)"), 0),
    Column("gain_percent_per_1000_usd", mark("Gain per 1,000 USD (%)"), 3),
    Column("power", mark("Facility power")),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a cluster does and takes. `work_per_s`: requests/s within limits, or training runs a second."""

    work_per_s: float
    price_usd: float | None  # of what is bought, or the rent over the plan's period; None where a price is unknown
    facility_w: float | None
    carbon_kgco2e: float | None

    def beside(self, other: Standing) -> Standing:
        """Both at once."""
        return Standing(
            self.work_per_s + other.work_per_s,
            _sum(self.price_usd, other.price_usd),
            _sum(self.facility_w, other.facility_w),
            _sum(self.carbon_kgco2e, other.carbon_kgco2e),
        )

    def objective(self, objective: Objective) -> float | None:
        """More is better: work, or work for what the objective is sparing with."""
        spared = {"power": self.facility_w, "per_watt": self.facility_w, "carbon": self.carbon_kgco2e}.get(objective, 1.0)
        return self.work_per_s / spared if spared else None


@dataclass(frozen=True, slots=True)
class Change:
    """One way on from what is owned. Gain is a share of what there is now; None where there is nothing or a figure is unknown."""

    name: str
    after: Standing
    gain: float | None

    @property
    def price_usd(self) -> float | None:
        """What has to be paid for it."""
        return self.after.price_usd

    @property
    def gain_per_usd(self) -> float | None:
        """None also where nothing is paid: no ratio says how good that is."""
        return self.gain / self.price_usd if self.gain is not None and self.price_usd else None


def changes(asked: PlanRequest, cluster: Cluster, shown: Recommendation | None, progress: Progress | None = None) -> tuple[Change, ...]:
    """Changes of `cluster`, on which `shown` answers `asked`; all serve twice the traffic that all of it serves now.

    What stands already is not bought again. Raises `RackwrightError` for a question at fault.
    """
    now = _all_at_work(asked, cluster, shown)
    stock = _standing_stock(cluster, now)
    here = replace(_standing(now), price_usd=0.0) if now else None  # it is paid for
    ways: list[tuple[str, Standing]] = []
    twice = _at_rate(asked, now, 2)
    if doubled := _first(answered(_with(request_for(twice, cluster.times(2)), stock))):
        ways.append((say("Twice as many of the same"), _standing(doubled)))
    others = _others(answered(_with(twice, stock), progress), cluster)
    ways += [(say("Replace with {option}", option=figures.configuration(option)), _standing(option)) for option in others]
    if here and isinstance(asked.workload, Serving):  # replicas share traffic; a training run keeps to one kind
        beside = _others(answered(_at_rate(asked, now, 1), progress), cluster)
        ways += [(say("Add {option} beside it", option=figures.configuration(option)), _standing(option).beside(here)) for option in beside]
    return tuple(_change(name, after, here, asked.objective) for name, after in ways)


def changes_table(found: tuple[Change, ...], work: Callable[[float], str]) -> Table:
    """One row a change; `work` writes the work of a second as the page does."""
    return Table(COLUMNS, tuple(_row(change, work) for change in found))


def best_change(found: tuple[Change, ...]) -> Change | None:
    """The one that gains most for a dollar; None where no gain has a price."""
    priced = [change for change in found if (change.gain_per_usd or 0) > 0]
    return max(priced, key=lambda change: change.gain_per_usd or 0, default=None)


def _row(change: Change, work: Callable[[float], str]) -> tuple[Cell, ...]:
    ratio = change.gain_per_usd
    return (
        change.name,
        work(change.after.work_per_s),
        Absent.NOT_APPLICABLE if change.gain is None else 100 * change.gain,
        figures.known(change.price_usd),
        100 * USD * ratio if ratio is not None else Absent.UNKNOWN if change.price_usd is None else Absent.NOT_APPLICABLE,
        numbers.power(figures.known(change.after.facility_w), language()),
    )


def _change(name: str, after: Standing, now: Standing | None, objective: Objective) -> Change:
    if now is None:
        return Change(name, after, None)
    had, has = now.objective(objective), after.objective(objective)
    return Change(name, after, has / had - 1 if had and has else None)


def _standing(option: Recommendation) -> Standing:
    speed, cost = option.performance, option.cost
    work = 1 / speed.run_s if speed.run_s else speed.capacity_requests_per_s or 0.0
    price = cost.capital_usd if cost.acquisition == "buy" else cost.total_usd
    return Standing(work, None if cost.at_least else price, option.power.facility_w, option.power.carbon_kgco2e)


def _all_at_work(asked: PlanRequest, cluster: Cluster, shown: Recommendation | None) -> Recommendation | None:
    """The cluster when all of it serves: a plan for the question's rate may leave a part of it idle."""
    if shown is None or not isinstance(asked.workload, Serving) or not shown.performance.capacity_requests_per_s:
        return shown
    replicas = cluster.devices // (shown.strategy.tp * shown.strategy.pp * shown.strategy.cp)
    return _first(answered(request_for(_at_rate(asked, shown, replicas / shown.replicas), cluster))) or shown


def _at_rate(asked: PlanRequest, now: Recommendation | None, factor: float) -> PlanRequest:
    """`asked` for `factor` times the highest rate that `now` bears; unchanged for training, or where nothing stands."""
    capacity = now.performance.capacity_requests_per_s if now else None
    if not isinstance(asked.workload, Serving) or not capacity:
        return asked
    work = asked.workload
    rate = FULL * factor * capacity * work.utilisation_limit / work.peak_to_mean
    return asked.model_copy(update={"workload": work.model_copy(update={"requests_per_s": rate})})


def _standing_stock(cluster: Cluster, now: Recommendation | None) -> tuple[Owned, ...]:
    """The cluster with the network, storage and racks that it stands in."""
    pieces = Counter({item.id: item.quantity for item in stock_of(cluster)})
    around: Counter[str] = Counter()
    known = set(stockable(library().hardware))  # a bill may name parts that the catalog does not tell apart
    for line in now.bill if now else ():
        if line.catalog_id in known:
            around[line.catalog_id] += math.ceil(line.quantity)
    return tuple(Owned(id=id_, quantity=quantity) for id_, quantity in sorted((pieces | around).items()))


def _with(request: PlanRequest, stock: tuple[Owned, ...]) -> PlanRequest:
    return request.model_copy(update={"stock": stock})


def _first(plan: Plan) -> Recommendation | None:
    return plan.recommendations[0] if plan.recommendations else None


def _others(plan: Plan, cluster: Cluster) -> list[Recommendation]:
    """The best options of other kinds than the one owned."""
    others = [option for option in plan.recommendations if option.accelerator_id != cluster.accelerator_id]
    return list({figures.configuration(option): option for option in reversed(others)}.values())[::-1][:OPTIONS]


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
