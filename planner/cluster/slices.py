"""Slices of torus pods: the shapes that are sold, what they wrap, and the smallest that holds so many devices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import combinations_with_replacement
from math import prod

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from facts.yaml_files import parse_yaml
from hardware_db.records import ScaleUpLink

_LARGEST_SIDE_CUBES = 64


class SliceRule(BaseModel):
    """One entry of `slices.yaml`; without `cube` there are only the boxes listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    axes: int
    boxes: tuple[tuple[int, ...], ...]
    cube: int | None = None
    wraps_from: int
    source: str


@dataclass(frozen=True, slots=True)
class Slice:
    """A box of devices, sides ascending; `wraps` says which axes close to a ring."""

    shape: tuple[int, ...]
    wraps: tuple[bool, ...]

    @property
    def devices(self) -> int:
        """Devices in the slice."""
        return prod(self.shape)

    @property
    def diameter(self) -> int:
        """Links on the longest of the shortest paths: half of an axis that wraps, the whole of one that does not."""
        return sum(side // 2 if wrap else side - 1 for side, wrap in zip(self.shape, self.wraps, strict=True))

    @property
    def links(self) -> tuple[int, ...]:
        """Links along each axis."""
        return tuple(self.devices // side * (side if wrap else side - 1) for side, wrap in zip(self.shape, self.wraps, strict=True))

    @property
    def crossing_links(self) -> int:
        """Links across the middle of the longest axis, both of its cuts where it wraps."""
        side, wrap = max(zip(self.shape, self.wraps, strict=True))
        return (2 if wrap else 1) * self.devices // side if side > 1 else 0

    def bisection_bytes_per_s(self, device_bytes_per_s: float) -> float:
        """Rate across the middle of the longest axis (equation 6.1)."""
        return self.crossing_links * device_bytes_per_s / (2 * len(self.shape))


def torus_axes(link: ScaleUpLink | None) -> int:
    """Axes of the torus that a link forms; 0 where it forms none."""
    return int(link.topology[0]) if link and link.topology.endswith("D torus") else 0


def most_devices(link: ScaleUpLink) -> int:
    """Devices of the largest single slice: what one job may have, or the whole pod."""
    job = link.values.get("max_job_chips")
    return int(job) if isinstance(job, (int, float)) else link.domain_accelerators or 1


@cache
def _rules() -> dict[int, SliceRule]:
    text = resources.files(__package__).joinpath("slices.yaml").read_text(encoding="utf-8")
    rows = parse_yaml(text, "slices.yaml")
    rules = [SliceRule.model_validate(row) for row in rows] if isinstance(rows, list) else []
    return {rule.axes: rule for rule in rules}


@cache
def legal_slices(axes: int, most_devices: int) -> tuple[Slice, ...]:
    """Shapes with up to `most_devices` devices by size, of each size the most compact."""
    rule = _rules()[axes]
    boxes = list(rule.boxes)
    if rule.cube:
        sides = range(rule.cube, rule.cube * _LARGEST_SIDE_CUBES + 1, rule.cube)
        boxes += [box for box in combinations_with_replacement(sides, axes) if prod(box) <= most_devices and box[-1] <= 2 * box[0] * box[1]]
    compact: dict[int, tuple[int, ...]] = {}
    for box in sorted(boxes, key=lambda box: (prod(box), sum(box))):
        if prod(box) <= most_devices:
            compact.setdefault(prod(box), box)
    return tuple(Slice(box, tuple(side >= rule.wraps_from and min(box) >= (rule.cube or 1) for side in box)) for box in compact.values())


def slice_for(link: ScaleUpLink, devices: int) -> Slice:
    """The smallest legal slice with `devices` devices; the largest one where it takes several."""
    known = legal_slices(torus_axes(link), most_devices(link))
    return next((slice_ for slice_ in known if slice_.devices >= devices), known[-1])


def slice_devices(link: ScaleUpLink, devices: NDArray[np.integer]) -> NDArray[np.int64]:
    """Devices of the smallest legal slice for each of `devices`; several of the largest slices beyond its size."""
    sizes = np.array([slice_.devices for slice_ in legal_slices(torus_axes(link), most_devices(link))], dtype=np.int64)
    whole, rest = np.divmod(np.asarray(devices, dtype=np.int64), sizes[-1])
    return np.asarray(whole * sizes[-1] + np.where(rest > 0, sizes[np.searchsorted(sizes, np.maximum(rest, 1))], 0))
