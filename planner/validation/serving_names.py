"""Names, lengths and limits of the serving tables that their rows leave out (`serving_names.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from facts.yaml_files import parse_yaml
from planner.library import Library
from planner.validation.names import accelerator_id, model_id
from planner.validation.serving_runs import UnpredictableError

_NO_MODEL, _NO_ACCELERATOR = "unknown_model", "unknown_accelerator"
_FILE = Path(__file__).with_name("serving_names.yaml")
_DECORATION = re.compile(r"\b(instruct|thinking|nvidia|fp8|16e|it|hf)\b|-\d{4}$", re.IGNORECASE)


class Frozen(BaseModel):
    """Closed and immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(Frozen):
    """A length that no source states."""

    value: float
    basis: str
    source: str


class Lengths(Frozen):
    """Mean tokens of a benchmark."""

    input: float
    output: float


class Setting(Frozen):
    """A setting of servers whose description matches, from a number of clients on."""

    pattern: str
    clients: float = 0.0
    steps: float


class Deployments(Frozen):
    """Settings of a benchmark's servers that rows leave out (meanings: `planner.performance.serving_loop.Load`)."""

    poll_steps: tuple[Setting, ...]
    hold_steps: tuple[Setting, ...]
    pass_tokens: tuple[Setting, ...]


class ServingNames(Frozen):
    """The whole file."""

    models: tuple[tuple[str, str], ...]
    accelerators: tuple[tuple[str, str], ...]
    core_counting: tuple[str, ...]
    narrow_caches: tuple[str, ...]
    input_tokens: Mapping[str, Estimate]
    benchmarks: Mapping[str, Lengths]
    limits: Mapping[str, Mapping[str, tuple[float, float]]]
    mean_over_limit: Mapping[str, tuple[float, float]]
    narrowest_format: tuple[str, ...]
    deployments: Deployments


def names_content() -> bytes:
    """The packaged file as it stands."""
    return _FILE.read_bytes()


@cache
def serving_names() -> ServingNames:
    """The packaged table, read once."""
    return ServingNames.model_validate(parse_yaml(names_content(), _FILE.name))


def _listed(name: str, table: tuple[tuple[str, str], ...]) -> str | None:
    return next((id_ for pattern, id_ in table if re.search(pattern, name.lower())), None)


def served_model(name: str, library: Library) -> str:
    """Id of the model that a row names. Raises `UnpredictableError` if none is meant."""
    plain = re.sub(r"\s+", " ", _DECORATION.sub("", name.rsplit("/", 1)[-1])).strip(" -")
    found = _listed(name, serving_names().models) or model_id(plain, library.models) or model_id(name, library.models)
    if found is None:
        raise UnpredictableError(_NO_MODEL)
    return found


def serving_accelerator(name: str, library: Library) -> str:
    """Id of the accelerator that a row names. Raises `UnpredictableError` if none is meant."""
    listed = _listed(name, serving_names().accelerators)
    found = accelerator_id(name.replace("_", " "), library.hardware.accelerators) if listed is None else listed
    if not found:
        raise UnpredictableError(_NO_ACCELERATOR)
    return found


def deployment_settings(description: str, clients: float) -> dict[str, float]:
    """What a benchmark sets on the servers so described; 0 where it leaves the engine's own default."""
    found: dict[str, float] = {}
    for name in Deployments.model_fields:
        listed: tuple[Setting, ...] = getattr(serving_names().deployments, name)
        fitting = (rule.steps for rule in listed if clients >= rule.clients and re.search(rule.pattern, description))
        found[name] = next(fitting, 0.0)
    return found
