"""Parameters of collective operations by kind of link, as fitted to `kernels/collectives.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from facts.yaml_files import Yaml, parse_yaml


@dataclass(frozen=True, slots=True)
class CollectiveLink:
    """Fitted parameters of one kind of link (see `planner.performance.collectives.Link`)."""

    id: str
    fraction: float
    launch_s: float
    step_s: float
    fill_s: float
    contention: float = 0.0
    switch_ranks: float = float("inf")
    switch_gain: float = 1.0
    measured: bool = True  # False: borrowed from its nearest relative


@cache
def collective_links() -> Mapping[str, CollectiveLink]:
    """Parameters by catalog id of the link or fabric."""
    text = resources.files("measurements").joinpath("kernels/collectives.yaml").read_text(encoding="utf-8")
    rows = parse_yaml(text, "collectives.yaml")
    links: dict[str, CollectiveLink] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            for key, measured in (("links", True), ("borrowers", False)):
                ids = row[key]
                links.update((str(id_), _link(row, measured=measured)) for id_ in (ids if isinstance(ids, list) else []))
    return MappingProxyType(links)


def _link(row: Mapping[str, Yaml], *, measured: bool) -> CollectiveLink:
    def number(key: str, missing: float = 0.0) -> float:
        value = row.get(key)
        return float(value) if isinstance(value, (int, float)) else missing

    return CollectiveLink(
        id=str(row["id"]),
        fraction=number("fraction"),
        launch_s=number("launch_us") * 1e-6,
        step_s=number("step_us") * 1e-6,
        fill_s=number("fill_us") * 1e-6,
        contention=number("contention"),
        switch_ranks=number("switch_ranks", float("inf")),
        switch_gain=number("switch_gain", 1.0),
        measured=measured,
    )
