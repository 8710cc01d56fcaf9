"""Which engine runs which number format on which hardware: dated facts of `serving_support.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

from facts.yaml_files import parse_yaml
from hardware_db.records import Accelerator

Support = Literal["native", "weights", "none"]
_FILE = "serving_support.yaml"


class EngineSupport(BaseModel):
    """Formats by hardware, as of a release."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    date: str
    sources: tuple[str, ...]
    hardware: Mapping[str, Mapping[str, Support]]


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
    family = "CPU" if accelerator.kind == "cpu" else accelerator.architecture.split(" ")[0]
    for key in (f"{accelerator.vendor} {family}", accelerator.vendor):
        if key in facts.hardware:
            return facts.hardware[key].get(precision, "unknown")
    return "unknown"
