"""The derived figures of an option with the numbers that go into them: "2 × 80 layers × 8 heads × 128 × 2 B = 320 KiB".

A formula is arithmetic over named operands; the page writes it with the operands' texts, the tests compute it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dashboard.language import language, say, say_count
from dashboard.wording import format_name, part_name, resource_name
from model_db import Models
from model_db.architecture import Architecture, Attention, Mla
from planner.answer import Plan, Recommendation
from planner.counting import kv_cache_bytes_per_token, parameters, weight_bytes
from planner.counting.cache import growing_elements, main_layers
from planner.memory.formats import cache_bytes, precision_of, usual_formats
from planner.request import Serving, Training
from planner.search.columns import KV_PRECISIONS, PRECISIONS
from planner.subject import Subject, subject
from texts import numbers

HOURS_A_DAY = 24.0
MINUTE_S = 60.0
NEGLIGIBLE = 1e-6  # share of a step that no digit shows
SIGNS = {"*": "×", "/": "÷", "-": "−", "+": "+"}
_TOKEN = re.compile(r"[A-Za-z_]\w*|[-+*/()]|\d+")


@dataclass(frozen=True, slots=True)
class Operand:
    """A number, and how it stands in the formula."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Formula:
    """`expression` over the names of `operands` is `value`; `equation` is its section of the method."""

    name: str
    equation: str
    expression: str
    operands: Mapping[str, Operand]
    value: float
    text: str

    def written(self) -> str:
        """The formula with the numbers put in."""
        pieces = [self._piece(token) for token in _TOKEN.findall(self.expression)]
        return " ".join((*pieces, "=", self.text)).replace("( ", "(").replace(" )", ")")

    def _piece(self, token: str) -> str:
        return self.operands[token].text if token in self.operands else SIGNS.get(token, token)


def formulas(plan: Plan, shown: Recommendation, models: Models) -> list[Formula]:
    """What the headline figures of `shown` are made of, in the order of the page."""
    work = plan.request.workload
    speed = _serving(work, shown, subject(plan.request, models)) if isinstance(work, Serving) else _training(work, shown)
    return [*speed, *_cost(shown), *_power(plan, shown)]


def _serving(work: Serving, shown: Recommendation, about: Subject) -> Iterable[Formula]:
    yield _weights(shown, about)
    yield from _cache(shown, about.architecture)
    step_s = sum(shown.bottleneck.resources_s.values())
    yield _sum(say("Decode step"), "4.2", _times(shown), step_s, numbers.duration(step_s, language()))
    tpot_s, waiting_s = shown.performance.tpot_s, (shown.performance.tpot_s or 0.0) - step_s
    if tpot_s is not None and waiting_s >= 0 and work.speculation == "none":
        waiting = _named(say("prompts of other requests"), waiting_s, numbers.duration(waiting_s, language()))
        step = _named(say("decode step"), step_s, numbers.duration(step_s, language()))
        yield Formula(
            say("Time per token"),
            "4.2",
            "step + waiting",
            {"step": step, "waiting": waiting},
            tpot_s,
            numbers.duration(tpot_s, language()),
        )


def _training(work: Training, shown: Recommendation) -> Iterable[Formula]:
    speed, tongue = shown.performance, language()
    if speed.step_s is None or speed.run_s is None:
        return
    yield _sum(say("Training step"), "3.1", _times(shown), speed.step_s, numbers.duration(speed.step_s, tongue))
    start_s = work.start_up_minutes * MINUTE_S
    operands = {
        "tokens": _named(say("tokens"), work.tokens, numbers.count(work.tokens, tongue)),
        "rate": _named(say("tokens/s"), speed.tokens_per_s, numbers.count(speed.tokens_per_s, tongue)),
        "goodput": _named(say("useful share"), work.goodput, numbers.exact(work.goodput, tongue)),
        "start": _named(say("start-up"), start_s, numbers.duration(start_s, tongue)),
    }
    expression = "tokens / rate / goodput + start"
    yield Formula(say("Run time"), "3.7", expression, operands, speed.run_s, numbers.duration(speed.run_s, tongue))


def _cache(shown: Recommendation, architecture: Architecture) -> Iterable[Formula]:
    """Bytes of the KV cache for each token: a product for every kind of layer that keeps one."""
    precision = shown.strategy.kv_precision or "bf16"
    each = float(cache_bytes()[KV_PRECISIONS.index(precision)])
    operands = {"each": Operand(each, say("{size} bytes ({format})", size=numbers.exact(each, language()), format=precision.upper()))}
    products = []
    for index, (layer, count) in enumerate((layer, count) for layer, count in main_layers(architecture) if growing_elements(layer)):
        shown_count = numbers.whole(count, language())
        operands[f"n{index}"] = Operand(count, say_count("{count} layer", "{count} layers", count, count=shown_count))
        if isinstance(layer, Mla):
            operands[f"c{index}"] = _counted(layer.kv_rank, say("latent"))
            operands[f"r{index}"] = _counted(layer.rope_dim, say("rotary"))
            products.append(f"n{index} * (c{index} + r{index}) * each")
        elif isinstance(layer, Attention) and growing_elements(layer) == 2 * layer.kv_heads * layer.head_dim:
            operands[f"h{index}"] = _counted(layer.kv_heads, say("heads"))
            operands[f"d{index}"] = _counted(layer.head_dim)
            products.append(f"2 * n{index} * h{index} * d{index} * each")
        else:
            operands[f"e{index}"] = _counted(growing_elements(layer), say("elements"))
            products.append(f"n{index} * e{index} * each")
    if products:
        total = kv_cache_bytes_per_token(architecture, each)
        yield Formula(say("KV cache per token"), "4.1.1", " + ".join(products), operands, total, numbers.memory(total, language()))


def _weights(shown: Recommendation, about: Subject) -> Formula:
    """All weights of the model in the format that the plan keeps them in; parts that stay in 16 bits raise the mean."""
    precision = PRECISIONS.index(shown.strategy.precision)
    kept = about.stored if about.stored and precision_of(about.stored) == precision else usual_formats()[precision]
    count, total = parameters(about.architecture).total, weight_bytes(about.architecture, kept.id)
    operands = {
        "count": Operand(count, say("{count} parameters", count=numbers.count(count, language()))),
        "mean": Operand(
            total / count, say("{size} bytes ({format})", size=numbers.number(total / count, language()), format=format_name(kept.id))
        ),
    }
    return Formula(say("Weights of the model"), "8.1", "count * mean", operands, total, numbers.memory(total, language()))


def _cost(shown: Recommendation) -> Iterable[Formula]:
    cost, tongue = shown.cost, language()
    parts = [(part_name(part), usd, numbers.money(usd, tongue)) for part, usd in cost.parts.items()]
    yield _sum(say("Cost"), "7.2", parts, cost.total_usd, numbers.money(cost.total_usd, tongue))
    tokens = cost.total_usd / cost.usd_per_million_tokens
    operands = {
        "total": Operand(cost.total_usd, numbers.money(cost.total_usd, tongue)),
        "tokens": Operand(tokens, say("{count} million tokens", count=numbers.number(tokens, tongue))),
    }
    text = numbers.money(cost.usd_per_million_tokens, tongue)
    yield Formula(say("Cost per million tokens"), "7.2", "total / tokens", operands, cost.usd_per_million_tokens, text)


def _power(plan: Plan, shown: Recommendation) -> Iterable[Formula]:
    power, site, tongue = shown.power, plan.request.site, language()
    if power.facility_w is None or power.energy_kwh is None:
        return
    parts = {
        f"p{index}": _named(part_name(part), watts, numbers.power(watts, tongue))
        for index, (part, watts) in enumerate(power.it_parts_w.items())
        if watts > 0
    }
    pue = {"pue": _named("PUE", site.pue, numbers.exact(site.pue, tongue))}
    draw = numbers.power(power.facility_w, tongue)
    yield Formula(say("Facility power"), "7.1", f"({' + '.join(parts)}) * pue", parts | pue, power.facility_w, draw)
    hours = shown.cost.period_days * HOURS_A_DAY
    operands = {
        "draw": Operand(power.facility_w / 1e3, draw),
        "hours": Operand(hours, say("{hours} h", hours=numbers.number(hours, tongue))),
    }
    energy = numbers.energy(power.energy_kwh, tongue)
    yield Formula(say("Energy"), "7.1", "draw * hours", operands, power.energy_kwh, energy)
    if power.carbon_kgco2e is not None:
        intensity = say("{grams} g CO₂e/kWh", grams=numbers.exact(site.carbon_g_per_kwh, tongue))
        operands = {"energy": Operand(power.energy_kwh, energy), "intensity": Operand(site.carbon_g_per_kwh / 1e3, intensity)}
        carbon = numbers.carbon(power.carbon_kgco2e, tongue)
        yield Formula(say("Carbon of its energy"), "7.3", "energy * intensity", operands, power.carbon_kgco2e, carbon)


def _times(shown: Recommendation) -> list[tuple[str, float, str]]:
    """Times of a step by resource, the longest first."""
    total_s = sum(shown.bottleneck.resources_s.values())
    times = sorted(
        ((code, time_s) for code, time_s in shown.bottleneck.resources_s.items() if time_s > NEGLIGIBLE * total_s),
        key=lambda item: -item[1],
    )
    return [(resource_name(code), time_s, numbers.duration(time_s, language())) for code, time_s in times]


def _sum(name: str, equation: str, parts: Iterable[tuple[str, float, str]], value: float, text: str) -> Formula:
    operands = {f"p{index}": _named(*part) for index, part in enumerate(parts)}
    return Formula(name, equation, " + ".join(operands), operands, value, text)


def _named(name: str, value: float, text: str) -> Operand:
    return Operand(value, say("{name} {amount}", name=name, amount=text))


def _counted(count: float, of: str = "") -> Operand:
    amount = numbers.exact(count, language())
    return Operand(count, say("{amount} {name}", amount=amount, name=of) if of else amount)
