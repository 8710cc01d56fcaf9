"""Measured collective operations, and the few physical parameters fitted to them by kind of link.

`kernels/collectives.csv` and `kernels/collectives_experts.csv` hold the measured rows with their sources,
`kernels/collectives.yaml` what `planner.performance.collectives_fit` fits to them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from facts.yaml_files import parse_yaml

Mode = Literal["normal", "low_latency"]
Tier = Literal["host_bus", "scale_up", "scale_out"]
Fraction = Annotated[float, Field(gt=0, le=1.5)]
Microseconds = Annotated[float, Field(ge=0)]
_MICRO = 1e-6


class Fitted(BaseModel):
    """Closed record of one fit; `rows` = 0 where nothing was measured and the parameters are borrowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measured_on: tuple[str, ...]  # catalog ids of links or fabrics with measured rows
    lent_to: tuple[str, ...] = ()  # ids without measurements that use these parameters
    borrowed: Mapping[str, str] = {}  # parameter that the rows do not decide -> "name of another set/its parameter"
    rows: int = 0
    median_error: float | None = None
    p90_error: float | None = None
    basis: str = "measured"
    note: str = ""


class CollectiveLink(Fitted):
    """Library collectives on one kind of link (see `planner.performance.collectives.Link`)."""

    id: str
    tier: Tier
    default: bool = False  # of links of this tier that are not known
    fraction: Fraction
    launch_us: Microseconds
    step_us: Microseconds
    fill_us: Microseconds
    contention: float = 0.0
    switch_ranks: float = float("inf")
    switch_gain: float = 1.0
    elsewhere: str = ""  # set that holds on other hosts, where the measured machine is not typical

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.id

    @property
    def seconds(self) -> tuple[float, float, float]:
        """Launch, step and fill in s."""
        return self.launch_us * _MICRO, self.step_us * _MICRO, self.fill_us * _MICRO


class EngineAllReduce(Fitted):
    """A serving engine's own all-reduce inside a domain (see `planner.performance.collectives.FusedKernel`)."""

    engine: str
    fraction: Fraction
    launch_us: Microseconds
    barrier_us: Microseconds
    limit_bytes: float
    limit_ranks: float

    @property
    def name(self) -> str:
        """Name of the set."""
        return f"{self.engine} {self.measured_on[0]}"


class ExpertKernel(Fitted):
    """Dispatch and combine of experts: a link inside the domain and one across, without pipeline fill."""

    mode: Mode
    fraction: Fraction
    launch_us: Microseconds
    step_us: Microseconds
    across_fraction: Fraction
    across_launch_us: Microseconds
    across_step_us: Microseconds

    @property
    def name(self) -> str:
        """Name of the set."""
        return f"{self.mode} {self.measured_on[0]}"


class CollectiveFits(BaseModel):
    """The whole of `collectives.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    links: tuple[CollectiveLink, ...]
    engines: tuple[EngineAllReduce, ...]
    experts: tuple[ExpertKernel, ...]

    def link(self, link_id: str, tier: Tier) -> CollectiveLink:
        """Parameters of a link or fabric of the catalog, or the tier's default if it has none."""
        known = (row for row in self.links if link_id in row.measured_on + row.lent_to)
        return next(known, None) or next(row for row in self.links if row.tier == tier and row.default)

    def typical_link(self, link_id: str, tier: Tier) -> CollectiveLink:
        """The same on a host as servers have it, where the measured machine is not one."""
        measured = self.link(link_id, tier)
        return next((row for row in self.links if row.id == measured.elsewhere), measured)

    def engine(self, name: str, link_id: str) -> EngineAllReduce | None:
        """All-reduce kernel of a serving engine on a link, if it has one."""
        return next((row for row in self.engines if row.engine == name and link_id in row.measured_on + row.lent_to), None)

    def expert(self, mode: Mode, link_id: str) -> ExpertKernel:
        """Dispatch kernel on a link; the first of its mode where the link has no measurement."""
        rows = [row for row in self.experts if row.mode == mode]
        return next((row for row in rows if link_id in row.measured_on + row.lent_to), rows[0])


@dataclass(frozen=True, slots=True)
class MeasuredCollectives:
    """Columns of the measured rows, text as object arrays; `used` is False where `note` says why not."""

    text: Mapping[str, NDArray[np.str_]]
    number: Mapping[str, NDArray[np.float64]]
    used: NDArray[np.bool_]


def collectives_file() -> Traversable:
    """The packaged fits."""
    return _data("collectives.yaml")


@cache
def collective_fits() -> CollectiveFits:
    """The packaged fits, read once."""
    return CollectiveFits.model_validate(parse_yaml(collectives_file().read_bytes(), "collectives.yaml"))


@cache
def measured_collectives() -> MeasuredCollectives:
    """Collectives of the libraries and of the engines' own all-reduce kernels; `size_bytes`, `ranks`, `time_us`."""
    return _measured("collectives.csv", ("ranks", "ranks_in_domain", "size_bytes", "time_us"))


@cache
def measured_expert_exchanges() -> MeasuredCollectives:
    """Dispatch and combine kernels; `tokens` of a rank, `token_bytes`, `time_us`."""
    return _measured("collectives_experts.csv", ("ranks", "ranks_in_domain", "token_bytes", "tokens", "experts_per_token", "time_us"))


def _measured(name: str, numbers: tuple[str, ...]) -> MeasuredCollectives:
    with _data(name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    notes = columns.get("note", [""] * len(rows))
    return MeasuredCollectives(
        text=MappingProxyType({key: np.array(values) for key, values in columns.items() if key not in numbers}),
        number=MappingProxyType({key: np.array(columns[key], dtype=np.float64) for key in numbers}),
        used=np.array([not note.startswith("unused") for note in notes]),
    )


def _data(name: str) -> Traversable:
    return resources.files("measurements").joinpath("kernels", name)
