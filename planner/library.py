"""What the engine knows: hardware, models and fitted efficiency, loaded once, frozen, with a digest of the content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hardware_db import Hardware, load_hardware
from model_db import Models, load_models
from planner.performance.efficiency import EfficiencyTable, load_efficiency
from planner.performance.serving_efficiency import ServingEfficiencyTable, load_serving_efficiency


@dataclass(frozen=True, slots=True)
class Library:
    """Everything a plan reads. Equal digests mean equal knowledge."""

    hardware: Hardware
    models: Models
    training_efficiency: EfficiencyTable
    serving_efficiency: ServingEfficiencyTable
    digest: str


def load_library(hardware_overlays: Sequence[Path | bytes] = ()) -> Library:
    """The packaged catalogs with the asker's own entries on top. Raises `RackwrightError` for a faulty overlay."""
    hardware = load_hardware(tuple(hardware_overlays))
    models = load_models()
    training, serving = load_efficiency(), load_serving_efficiency()
    parts = (hardware.digest, models.digest, training.digest, serving.digest)
    return Library(hardware, models, training, serving, hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16])


@cache
def default_library() -> Library:
    """The packaged catalogs alone."""
    return load_library()
