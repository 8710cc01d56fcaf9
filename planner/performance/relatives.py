"""Which measured accelerator an unmeasured one resembles, and how their power limits compare.

A relative is of the same vendor if there is one, and near in 16-bit peak, memory bandwidth and make. Within a generation a
FLOP costs about the same energy, so the rated power for each FLOP of peak decides at which share of the peak's clock a device
can work for long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from hardware_db.records import Accelerator

_OTHER_MAKE = 1.0  # counts as much as rates that differ by a factor of e
_GRAPHICS_DIE = re.compile(r"\b[A-Z]{2}\d\d[1-9]\b")  # GA102 and AD104 beside GA100 and GH100


def nearest_relative(chip: Accelerator, known: Mapping[str, Accelerator]) -> str:
    """The accelerator of `known` that is nearest to `chip`."""

    def distance(name: str) -> tuple[bool, float, str]:
        other = known[name]
        gaps = (abs(math.log(mine / theirs)) if mine and theirs else 1.0 for mine, theirs in zip(_rates(chip), _rates(other), strict=True))
        return other.vendor != chip.vendor, sum(gaps, 0.0 if _make(chip) == _make(other) else _OTHER_MAKE), name

    return min(known, key=distance)


def power_ratio(chip: Accelerator, relative: Accelerator) -> float:
    """Rated power for each FLOP of 16-bit peak, over the relative's; 1 where they are not of one make or it is unknown.

    Power that a processor on the package may share does not compare with power that is the accelerator's alone.
    """
    mine, theirs = (_rates(one)[0] for one in (chip, relative))
    alike = (chip.vendor, _make(chip), _with_processor(chip)) == (relative.vendor, _make(relative), _with_processor(relative))
    if not (alike and mine and theirs and chip.tdp_w and relative.tdp_w):
        return 1.0
    return (chip.tdp_w / mine) / (relative.tdp_w / theirs)


def generation(chip: Accelerator) -> str:
    """First word of the architecture: "Hopper" of "Hopper GH100" and of "Hopper + Grace"."""
    return chip.architecture.partition(" ")[0]


def _make(chip: Accelerator) -> tuple[str, bool]:
    """Generation, and whether the die is one for graphics."""
    return generation(chip), _GRAPHICS_DIE.search(chip.architecture) is not None


def _rates(chip: Accelerator) -> tuple[float | None, float | None]:
    return chip.peak_flops_per_s.get("bf16"), chip.memory_bandwidth_bytes_per_s


def _with_processor(chip: Accelerator) -> bool:
    return "+" in chip.architecture
