"""Launch settings of a chosen plan for serving and training software, from the dated tables of `launch_flags.yaml`.

Nothing is guessed: a setting that a tool's table cannot say is named, and no command is given then. None of it was run by
us; every answer names the version and the documentation that its table was read from.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

from facts.yaml_files import parse_yaml
from model_db import Models
from planner.answer import Plan, Recommendation
from planner.request import OwnModel, PlanRequest, Serving, Training
from planner.subject import subject

Value = int | float | str | bool
Part = Literal["all", "prefill", "decode"]
NO_PATH = "MODEL"  # stands where the place of a model's files would; not known here


class SettingRow(BaseModel):
    """How one setting is said. Arguments are for commands, keys for files; "{}" is the value, "{name}" another setting's.

    `source` names where the row was read, if not where the rest of the table was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    args: tuple[str, ...] | None = None
    keys: dict[str, Value] | None = None
    values: dict[str, tuple[str, ...] | dict[str, Value]] | None = None
    neutral: int | None = None
    source: str = ""


class Tool(BaseModel):
    """One table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: Literal["serving", "training"]
    version: str
    read: str
    source: str
    form: Literal["command", "toml", "json"]
    vendors: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    settings: dict[str, SettingRow]
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """Settings for one tool, untested. `text` is empty when `missing` names settings, with values, that it cannot be told.

    `notes` are codes of what the text leaves to do: `model_path`, `model_arguments`, `replicas`, `several_servers`, `batch_rounded`,
    `router`.
    """

    tool: str
    version: str
    read: str
    source: str
    form: Literal["command", "toml", "json"]
    text: str
    missing: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    part: Part = "all"


@cache
def tools() -> dict[str, Tool]:
    """All tables by id."""
    text = resources.files(__package__).joinpath("launch_flags.yaml").read_text(encoding="utf-8")
    table = parse_yaml(text, "launch_flags.yaml")
    assert isinstance(table, dict)  # noqa: S101 a packaged file
    return {name: Tool.model_validate(row) for name, row in table.items()}


def launches(plan: Plan, shown: Recommendation, models: Models) -> tuple[Launch, ...]:
    """Launch settings of `shown` for every tool of the plan's task; for what prefills and what decodes where they differ."""
    task, parts = plan.request.workload.kind, _parts(shown)
    return tuple(
        _launch(tool, plan.request, one, models, part) for tool in tools().values() if tool.task == task for part, one in parts.items()
    )


def _parts(shown: Recommendation) -> dict[Part, Recommendation]:
    """The recommendation as what each kind of replica is told."""
    part = shown.prefill
    if part is None:
        return {"all": shown}
    prefill: dict[str, object] = {"vendor": part.vendor, "replicas": part.replicas, "strategy": part.strategy}
    decode: dict[str, object] = {}
    if part.servers:
        prefill |= {"devices": part.devices, "servers": part.servers}
        decode |= {"devices": shown.devices - part.devices, "servers": shown.servers - part.servers}
    return {"prefill": shown.model_copy(update=prefill), "decode": shown.model_copy(update=decode)}


def _launch(tool: Tool, request: PlanRequest, shown: Recommendation, models: Models, part: Part) -> Launch:
    settings = plan_settings(request, shown, models, part)
    missing = [("vendor", shown.vendor)] if tool.vendors and shown.vendor not in tool.vendors else []
    parts: list[tuple[str, ...] | Mapping[str, Value]] = []
    sources = [tool.source]
    for name, value in settings.items():
        row = tool.settings.get(name)
        said = _said(row, value) if row else None
        if said is not None:
            parts.append(said)
            sources += [row.source] if row and row.source and said else []
        elif name not in tool.elsewhere and not (row is None and value in _UNSAID):
            missing.append((name, str(value)))
    path = model_path(request, models)
    text = "" if missing else _text(tool, parts, {**settings, **_drafting(request, models), **_kept(shown), "model": path})
    notes = _notes(request, shown, path, settings)
    return Launch(tool.name, tool.version, tool.read, "; ".join(dict.fromkeys(sources)), tool.form, text, tuple(missing), notes, part)


_UNSAID: tuple[Value, ...] = (0, 1, "all", "one", "none", "unused", "no")  # what a tool does by itself when it has no word for a setting


def _said(row: SettingRow, value: Value) -> tuple[str, ...] | Mapping[str, Value] | None:
    """Arguments or keys that say `value`; None where there are none."""
    if row.values is not None:
        return row.values.get(str(value))
    if value == row.neutral:
        return ()
    if row.args is not None:
        return tuple(part.replace("{}", str(value)) for part in row.args)
    return {key: value if form == "{}" else form for key, form in (row.keys or {}).items()}


def plan_settings(request: PlanRequest, shown: Recommendation, models: Models, part: Part = "all") -> dict[str, Value]:
    """What a tool has to be told, by our names."""
    work = request.workload
    if isinstance(work, Serving):
        tier = "none" if part == "decode" or shown.prompt_cache is None else shown.prompt_cache.tier
        beside = "" if tier == "none" or part == "all" else " beside a transfer"
        return _serving_settings(request, work, shown, models) | {"deployment": part, "prompt_cache": tier + beside}
    return _training_settings(work, shown)


def _serving_settings(request: PlanRequest, work: Serving, shown: Recommendation, models: Models) -> dict[str, Value]:
    strategy = shown.strategy
    published = subject(request, models).native_format
    return {
        "tensor_parallel": strategy.tp,
        "pipeline_parallel": strategy.pp,
        "context_parallel": strategy.cp,
        "data_parallel": strategy.dp,
        "experts_over": "one" if strategy.ep == 1 else "tensor" if strategy.ep == strategy.tp else f"{strategy.ep} devices",
        "request_tokens": work.input_tokens + work.output_tokens,
        "batch_requests": max(1, math.ceil(strategy.batch or 1)),
        "memory_share": round(1 - request.assumptions.memory_reserve, 3),
        "kv_precision": strategy.kv_precision or "bf16",
        "quantised": "as_published" if strategy.precision == published else strategy.precision,
        "prefix_cache": "used" if work.prefix_hit_rate > 0 else "unused",
        "speculation": work.speculation,
    }


def _kept(shown: Recommendation) -> dict[str, Value]:
    """What rows about past prompts put into their words."""
    if shown.prompt_cache is None:
        return {}
    replicas_of_a_server = max(1, math.ceil(shown.replicas / max(1, shown.servers)))
    return {"kept_bytes": math.ceil(shown.prompt_cache.server_bytes / replicas_of_a_server)}


def _drafting(request: PlanRequest, models: Models) -> dict[str, Value]:
    """What rows about speculation put into their words."""
    work = request.workload
    if not isinstance(work, Serving):
        return {}
    draft = next(iter(models[work.draft_model].huggingface), NO_PATH) if work.draft_model else NO_PATH
    return {"drafted_tokens": work.drafted_tokens, "verified_tokens": work.drafted_tokens + 1, "draft_model": draft}


def _training_settings(work: Training, shown: Recommendation) -> dict[str, Value]:
    strategy = shown.strategy
    per_round = strategy.micro_batch * strategy.dp
    micro_batches = max(1, round(work.global_batch_tokens / work.sequence_tokens / per_round))
    sequences = micro_batches * per_round
    return {
        "nodes": shown.servers,
        "devices_per_node": math.ceil(shown.devices / max(1, shown.servers)),
        "method": work.method,
        "tensor_parallel": strategy.tp,
        "pipeline_parallel": strategy.pp,
        "virtual_stages": strategy.virtual_stages,
        "context_parallel": strategy.cp,
        "expert_parallel": strategy.ep,
        "data_parallel": strategy.dp,
        "sequence_parallel": "yes" if strategy.tp > 1 else "no",
        "zero_stage": strategy.zero_stage,
        "sequence_tokens": work.sequence_tokens,
        "micro_batch": strategy.micro_batch,
        "local_batch": strategy.micro_batch * (micro_batches if strategy.pp > 1 else 1),
        "pipeline_micro_batch": strategy.micro_batch if strategy.pp > 1 else 0,
        "global_batch": sequences,
        "steps": math.ceil(work.tokens / (sequences * work.sequence_tokens)),
        "schedule": strategy.schedule or "1f1b",
        "recompute": strategy.recompute or "none",
        "precision": strategy.precision,
        "optimizer": work.optimizer,
        "offload": "none" if work.offload == "none" else f"{work.offload} {work.offload_to}",
    }


def model_path(request: PlanRequest, models: Models) -> str:
    """The model's first name on the Hugging Face hub, or `NO_PATH` where none is known."""
    if isinstance(request.model, OwnModel):
        return NO_PATH
    return next(iter(models[request.model].huggingface), NO_PATH)


def _notes(request: PlanRequest, shown: Recommendation, path: str, settings: Mapping[str, Value]) -> tuple[str, ...]:
    work = request.workload
    batch = settings.get("global_batch", 0)
    rounded = isinstance(work, Training) and batch != work.global_batch_tokens / work.sequence_tokens
    devices = shown.strategy.tp * shown.strategy.pp * shown.strategy.cp * shown.strategy.dp
    found = {
        "model_path": isinstance(work, Serving) and path == NO_PATH,
        "model_arguments": isinstance(work, Training),
        "replicas": isinstance(work, Serving) and shown.replicas > 1,
        "several_servers": devices > shown.devices / max(1, shown.servers),
        "batch_rounded": rounded,
        "router": settings.get("deployment", "all") != "all",
    }
    return tuple(code for code, holds in found.items() if holds)


def _text(tool: Tool, parts: list[tuple[str, ...] | Mapping[str, Value]], known: Mapping[str, Value]) -> str:
    """The command, quoted for a shell, or the file."""
    if tool.form == "command":
        words = [_filled(word, known) for word in (*tool.command, *(word for part in parts for word in part))]
        return shlex.join(words)
    keys = {key: _typed(value, known) for part in parts if isinstance(part, Mapping) for key, value in part.items()}
    return _toml(keys) if tool.form == "toml" else json.dumps(_nested(keys), indent=2) + "\n"


def _filled(word: str, known: Mapping[str, Value]) -> str:
    """`word` with settings put in where it names them."""
    for name, value in known.items():
        word = word.replace(f"{{{name}}}", str(value))
    return word


def _typed(value: Value, known: Mapping[str, Value]) -> Value:
    """A key's value: of another setting where it names one, keeping its type."""
    return known[value[1:-1]] if isinstance(value, str) and value[:1] == "{" and value[1:-1] in known else value


def _toml(keys: Mapping[str, Value]) -> str:
    tables: dict[str, list[str]] = {}
    for key, value in keys.items():
        table, _, name = key.rpartition(".")
        tables.setdefault(table, []).append(f"{name} = {json.dumps(value)}")
    return "\n".join("\n".join((f"[{table}]", *lines, "")) for table, lines in sorted(tables.items()))


def _nested(keys: Mapping[str, Value]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for key, value in keys.items():
        *parents, leaf = key.split(".")
        branch = tree
        for parent in parents:
            below = branch.setdefault(parent, {})
            assert isinstance(below, dict)  # noqa: S101 the table's keys do not name a value and a branch
            branch = below
        branch[leaf] = value
    return tree
