"""The formatted figures of one recommendation, in the reader's language: what cards, sentences, labels and tables say."""

from __future__ import annotations

from dashboard.language import language, say, say_count
from planner.answer import Cost, Plan, Recommendation, Strategy
from planner.request import Serving
from texts import numbers
from texts.dates import is_older
from texts.numbers import Absent

STALE_DAYS = 180


def known(value: float | None) -> float | Absent:
    """`value`, or that it is unknown."""
    return Absent.UNKNOWN if value is None else value


def configuration(option: Recommendation) -> str:
    """What to get: "3 × 8 NVIDIA H100 SXM", and how many prefill alone, or on what other accelerators."""
    part = option.prefill
    if part is None:
        return _machines(option.devices, option.servers, option.accelerator_name)
    if part.accelerator_id == option.accelerator_id:
        machines = _machines(option.devices, option.servers, option.accelerator_name)
        return say("{machines}, {count} of them to prefill", machines=machines, count=numbers.whole(part.devices, language()))
    decode = _machines(option.devices - part.devices, option.servers - part.servers, option.accelerator_name)
    return say("{decode} and {prefill} to prefill", decode=decode, prefill=_machines(part.devices, part.servers, part.accelerator_name))


def _machines(devices: int, servers: int, accelerator: str) -> str:
    per_server = devices // servers if servers and devices % servers == 0 else 0
    if per_server > 1 and servers > 1:
        return say(
            "{servers} × {count} {accelerator}",
            servers=numbers.whole(servers, language()),
            count=numbers.whole(per_server, language()),
            accelerator=accelerator,
        )
    return say("{count} × {accelerator}", count=numbers.whole(devices, language()), accelerator=accelerator)


def option_label(option: Recommendation) -> str:
    """An option in charts, lists and comparisons: "1 · 24 × NVIDIA H100 SXM"; an arrow leads from what prefills to what decodes."""
    part = option.prefill
    if part is not None and part.accelerator_id == option.accelerator_id:
        return say(
            "{rank} · {count} → {other} of {all} × {accelerator}",
            rank=str(option.rank),
            count=numbers.whole(part.devices, language()),
            other=numbers.whole(option.devices - part.devices, language()),
            all=numbers.whole(option.devices, language()),
            accelerator=option.accelerator_name,
        )
    if part is not None:
        return say(
            "{rank} · {count} × {prefill} → {other} × {accelerator}",
            rank=str(option.rank),
            count=numbers.whole(part.devices, language()),
            prefill=part.accelerator_name,
            other=numbers.whole(option.devices - part.devices, language()),
            accelerator=option.accelerator_name,
        )
    return say(
        "{rank} · {count} × {accelerator}",
        rank=str(option.rank),
        count=numbers.whole(option.devices, language()),
        accelerator=option.accelerator_name,
    )


def cost(figures: Cost) -> str:
    """Total with its period; "at least" where a price is missing."""
    text = numbers.money_over(figures.total_usd, figures.period_days, language())
    return say("at least {money}", money=text) if figures.at_least else text


def money(figures: Cost) -> str:
    """Total alone; "at least" where a price is missing."""
    text = numbers.money(figures.total_usd, language())
    return say("at least {money}", money=text) if figures.at_least else text


def parallelism(option: Recommendation) -> str:
    """The degrees above one: "TP 8 · PP 2 · DP 4"; of both parts where others prefill."""
    if option.prefill is None:
        return _degrees(option.strategy)
    return say(
        "prefill {count} × ({degrees}), decode {other} × ({others})",
        count=numbers.whole(option.prefill.replicas, language()),
        degrees=_degrees(option.prefill.strategy),
        other=numbers.whole(option.replicas, language()),
        others=_degrees(option.strategy),
    )


def _degrees(strategy: Strategy) -> str:
    degrees = (("TP", strategy.tp), ("PP", strategy.pp), ("CP", strategy.cp), ("EP", strategy.ep), ("DP", strategy.dp))
    return " · ".join(f"{name} {degree}" for name, degree in degrees if degree > 1) or say("one accelerator each")


def latency(option: Recommendation) -> str:
    """Serving: time per output token; training: time of the run."""
    speed = option.performance
    return numbers.duration(known(speed.run_s if speed.run_s is not None else speed.tpot_s), language())


def given(value: float) -> str:
    """A figure that the asker gave: shown as given, not padded to the digits of an estimate."""
    return numbers.exact(float(f"{value:.10g}"), language())


def task(plan: Plan) -> str:
    """The question in words: what the page is about."""
    work = plan.request.workload
    if isinstance(work, Serving):
        return say("Serve {model} at {rate} requests/s", model=plan.model_name, rate=given(work.requests_per_s))
    verbs = {
        "pretrain": say("Pre-train {model} on {tokens} tokens", model=plan.model_name, tokens=numbers.count(work.tokens, language())),
        "finetune": say("Fine-tune {model} on {tokens} tokens", model=plan.model_name, tokens=numbers.count(work.tokens, language())),
        "lora": say(
            "Train LoRA adapters of {model} on {tokens} tokens", model=plan.model_name, tokens=numbers.count(work.tokens, language())
        ),
        "qlora": say(
            "Train QLoRA adapters of {model} on {tokens} tokens", model=plan.model_name, tokens=numbers.count(work.tokens, language())
        ),
    }
    return verbs[work.method]


def power(option: Recommendation) -> str:
    """Draw of the facility under load."""
    return numbers.power(known(option.power.facility_w), language())


def price_date(text: str, release: str) -> str:
    """When a price was valid, marked where that is long before the catalog's release."""
    if is_older(text, STALE_DAYS, release):
        return say("{date} (over {days} days old)", date=text, days=str(STALE_DAYS))
    return text


def joules(value: float | None) -> str:
    """Energy of one token."""
    return say("unknown energy") if value is None else say("{joules} J each", joules=numbers.number(value, language(), 2))


def replicas(option: Recommendation) -> str:
    """How many copies of the model serve side by side."""
    return say_count("{count} replica", "{count} replicas", option.replicas, count=numbers.whole(option.replicas, language()))
