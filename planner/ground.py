"""What candidates stand on: the platforms considered, their prices, and the number formats worth trying on each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hardware_db import Hardware
from planner.cluster.platform import Platforms, platforms
from planner.economics.charges import Network
from planner.economics.tariffs import Tariffs, tariffs
from planner.request import PlanRequest, Training
from planner.search.columns import PRECISIONS, IntColumn
from planner.subject import Subject


@dataclass(frozen=True, slots=True)
class Ground:
    """Shared by training and serving; rows of `platforms`, `tariffs` and `precisions` are the same accelerators."""

    request: PlanRequest
    subject: Subject
    hardware: Hardware
    platforms: Platforms
    tariffs: Tariffs
    precisions: tuple[tuple[int, ...], ...]  # indices into PRECISIONS, of each platform

    def network(self, platform: IntColumn, devices: IntColumn) -> Network:
        """The scale-out network of clusters of `devices` on rows `platform`, in closed form."""
        return Network.none(len(platform))


def ground(request: PlanRequest, about: Subject, hardware: Hardware, accelerator_ids: tuple[str, ...]) -> Ground:
    """The platforms of `accelerator_ids` with their tariffs and formats."""
    stands = platforms(hardware, accelerator_ids)
    has_units = ~np.isnan(stands.peak_flops_per_s)
    formats = tuple(_formats(request, about.native_format, {PRECISIONS[i] for i in np.flatnonzero(units)}) for units in has_units)
    return Ground(request, about, hardware, stands, tariffs(hardware, accelerator_ids, request), formats)


def _formats(request: PlanRequest, native: str, units: set[str]) -> tuple[int, ...]:
    """Formats to try on a chip with arithmetic `units`: the asker's, else the usual ones.

    Training needs the units. Serving widens weights on the way in where they are missing, so a published format always
    runs; 16-bit models are also tried in FP8 where the chip computes in it.
    """
    half = "bf16" if "bf16" in units or "fp16" not in units else "fp16"
    if isinstance(request.workload, Training):
        usual = [half, "fp8"] if request.workload.method in {"pretrain", "finetune"} else [half]
        names = [name for name in request.precisions or usual if name in units]
    elif request.precisions:
        names = [half if name in {"bf16", "fp16"} and name not in units else name for name in request.precisions]
    else:
        names = [half, *({"fp8"} & units)] if native in {"bf16", "fp16", "fp32"} else [native]
    return tuple(dict.fromkeys(PRECISIONS.index(name) for name in names))
