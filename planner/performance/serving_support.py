"""Which engine runs which model in which number format on which hardware: dated facts of `serving_support.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

from facts.yaml_files import parse_yaml
from hardware_db.records import Accelerator

Support = Literal["native", "weights", "runs", "none"]
_FILE = "serving_support.yaml"


class EngineSupport(BaseModel):
    """What an engine runs, as of a release; the file says what each field means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    date: str
    read: str
    sources: tuple[str, ...]
    vendors: tuple[str, ...] = ()
    transfers: tuple[str, ...] = ()
    hardware: Mapping[str, Mapping[str, Support]]
    models: frozenset[str]
    only_on: Mapping[str, tuple[str, ...]] = {}


@cache
def serving_support() -> Mapping[str, EngineSupport]:
    """The packaged facts by engine, read once."""
    raw = parse_yaml(resources.files("planner.performance").joinpath(_FILE).read_bytes(), _FILE)
    return {name: EngineSupport.model_validate(entry) for name, entry in raw.items()} if isinstance(raw, dict) else {}


def format_support(engine: str, accelerator: Accelerator, precision: str) -> Support | Literal["unknown"]:
    """How `engine` runs `precision` on `accelerator`: in the chip's units, as weights that are widened, or not at all.

    "unknown" where no source says; an engine without facts is unknown on everything.
    """
    facts = serving_support().get(engine)
    if facts is None:
        return "unknown"
    if facts.vendors and accelerator.vendor not in facts.vendors:
        return "none"
    for key in _keys(accelerator):
        if key in facts.hardware:
            return facts.hardware[key].get(precision, "unknown")
    return "unknown"


def model_support(engine: str, model: tuple[str, ...], accelerator: Accelerator) -> Literal["listed", "none", "unknown"]:
    """Whether `engine` names `model`, by its id or its family, among those that it runs; "none" if not on `accelerator`."""
    facts = serving_support().get(engine)
    if facts is None:
        return "unknown"
    needed = [key for name in model for key in facts.only_on.get(name, ())]
    if needed and not set(needed) & set(_keys(accelerator)):
        return "none"
    return "listed" if facts.models & set(model) else "unknown"


def transfer_support(engine: str, accelerator: Accelerator) -> Literal["known", "unknown"]:
    """Whether `engine` is said to move caches between replicas on such hardware."""
    facts = serving_support().get(engine)
    return "known" if facts and accelerator.vendor in facts.transfers and accelerator.kind != "cpu" else "unknown"


def _keys(accelerator: Accelerator) -> tuple[str, str]:
    """Names of an accelerator's kind in the facts, the closest first."""
    architecture = "CPU" if accelerator.kind == "cpu" else accelerator.architecture.split(" ")[0]
    return f"{accelerator.vendor} {architecture}", accelerator.vendor
