"""Leaf-spine fabrics in closed form: switches, links and what they are worth (equation 6.1).

All figures are columns: one row a fabric, so that a million candidates and one exact design use the same formula. Counts
are of one plane; a fabric of several planes is that many equal fabrics, each with its share of every NIC's rate.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.search.columns import BoolColumn, FloatColumn

Counts = NDArray[np.int64]
Failure = Literal["link", "leaf", "spine", "core", "plane"]

FIBRE_S_PER_M = 1.468 / 299_792_458  # group index of single-mode fibre over the speed of light: 4.9 ns/m (ITU-T G.652 fibre)


@dataclass(frozen=True, slots=True)
class Wiring:
    """How a fabric is wired, as columns. Rates are one port, one direction.

    fan            endpoint ports that one switch port is split into
    rails          endpoint ports of a node on one plane
    down           switch ports of a leaf that face endpoints; the rest faces spines
    split          ways that an uplink may be split, so that a spine reaches more leaves
    even           spread each leaf's uplinks evenly over all spines
    core_down      switch ports of a spine that face leaves, in three tiers
    """

    ports: Counts
    port_bytes_per_s: FloatColumn
    fan: Counts
    rails: Counts
    rail_optimised: BoolColumn
    planes: Counts
    down: Counts
    core_down: Counts
    split: Counts
    even: BoolColumn
    minimum_leaves: Counts
    maximum_tiers: Counts

    def take(self, rows: NDArray[np.integer]) -> Self:
        """The wirings at `rows`."""
        return type(self)(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    @property
    def endpoint_bytes_per_s(self) -> FloatColumn:
        """Rate of an endpoint's port on one plane."""
        return self.port_bytes_per_s / self.fan


@dataclass(frozen=True, slots=True)
class FatTree:
    """Switches and links of one plane; `fits` is False where the tiers allowed do not reach so many endpoints."""

    wiring: Wiring
    endpoints: Counts
    tiers: Counts
    hops: Counts  # switches on the longest path
    leaves: Counts
    spines: Counts
    cores: Counts
    leaf_spine_links: Counts
    spine_core_links: Counts
    fits: BoolColumn

    @property
    def switches(self) -> Counts:
        """Switches of all planes."""
        return self.wiring.planes * (self.leaves + self.spines + self.cores)

    @property
    def links(self) -> tuple[Counts, Counts, Counts]:
        """Links of all planes: endpoint to leaf, leaf to spine, spine to core."""
        planes = self.wiring.planes
        return planes * self.endpoints, planes * self.leaf_spine_links, planes * self.spine_core_links

    @property
    def bisection_bytes_per_s(self) -> FloatColumn:
        """Rate between two halves of the endpoints: what they can send, or what the tier between them carries."""
        rate = self.wiring.port_bytes_per_s
        sent = self.endpoints * self.wiring.endpoint_bytes_per_s / 2
        carried = np.where(self.spines > 0, self.leaf_spine_links / 2, self.leaf_spine_links) * rate
        carried = np.where(self.leaves == 1, np.inf, carried)
        carried = np.where(self.cores > 0, np.minimum(carried, self.spine_core_links * rate / 2), carried)
        return np.asarray(self.wiring.planes * np.minimum(sent, carried))

    @property
    def oversubscription(self) -> FloatColumn:
        """What endpoints can send over what crosses the middle; 1 where nothing blocks."""
        sent = self.wiring.planes * self.endpoints * self.wiring.endpoint_bytes_per_s / 2
        return np.asarray(sent / self.bisection_bytes_per_s)

    @property
    def free_ports(self) -> Counts:
        """Endpoint ports of the leaves that are not used: room to grow without a further switch."""
        used_by_peer = np.where(self.spines > 0, 0, self.leaf_spine_links)
        whole = self.leaves * self.wiring.ports - 2 * used_by_peer
        facing = np.where(self.spines > 0, self.leaves * self.wiring.down, whole)
        return self.wiring.planes * (facing * self.wiring.fan - self.endpoints)

    @property
    def most_endpoints(self) -> Counts:
        """Endpoints that the same number of tiers can reach with more switches; one tier is a switch or two joined ones."""
        w = self.wiring
        leaves = np.where(self.tiers == 2, w.ports * w.split, w.ports * w.core_down)
        return np.where(self.tiers == 1, np.maximum(w.ports, 2 * w.down), leaves * w.down) * w.fan

    def remaining_bisection(self, failure: Failure) -> FloatColumn:
        """Share of the bisection that is left after one such part fails (equation 6.3)."""
        count = {"link": self.endpoints, "leaf": self.leaves, "spine": self.spines, "core": self.cores, "plane": np.ones_like(self.leaves)}
        parts = self.wiring.planes * count[failure]
        return np.where(parts > 0, 1 - 1 / np.maximum(parts, 1), 1.0)

    def remaining_endpoint_rate(self, failure: Failure) -> FloatColumn:
        """Share of its rate that the worst hit endpoint has left: nothing if its only plane is lost."""
        if failure in ("spine", "core"):
            return self.remaining_bisection(failure)
        return np.asarray(1 - 1 / self.wiring.planes)

    def endpoints_cut_off(self, failure: Failure) -> Counts:
        """Endpoints without any path after one such part fails."""
        alone = self.wiring.planes == 1
        hit = {"link": np.ones_like(self.endpoints), "leaf": -(-self.endpoints // self.leaves), "plane": self.endpoints}
        only_spine = {"spine": self.spines == 1, "core": self.cores == 1}
        if failure in only_spine:
            return np.where(alone & only_spine[failure], self.endpoints, 0)
        return np.where(alone, hit[failure], 0)


def fat_tree(nodes: ArrayLike, wiring: Wiring, further_endpoints: ArrayLike = 0) -> FatTree:
    """The smallest fabric for `nodes` with `wiring.rails` ports each, and further single ports (equation 6.1).

    One switch if all fit; two joined leaves where two are asked for; else two tiers while every spine reaches every leaf,
    splitting uplinks if that is allowed; else three tiers of pods. Rail-optimised: port i of all nodes of a unit on one leaf.
    """
    w, n_nodes = wiring, np.asarray(nodes, dtype=np.int64)
    up, spine_up = w.ports - w.down, w.ports - w.core_down
    endpoints = n_nodes * w.rails + np.asarray(further_endpoints, dtype=np.int64)
    leaves = np.maximum(_leaves(n_nodes, endpoints, w), w.minimum_leaves)

    single = (endpoints <= w.ports * w.fan) & (w.minimum_leaves <= 1)
    half = _ceil(endpoints, 2 * w.fan)
    joint = _ceil(half * up, w.down)
    pair = ~single & (leaves == 2) & (half + joint <= w.ports)
    split = 2 ** np.ceil(np.log2(np.maximum(leaves / w.ports, 1))).astype(np.int64)
    two = ~single & ~pair & (split <= w.split)
    three = ~single & ~pair & ~two

    two_tier_spines = _even_spines(_ceil(leaves * up, w.ports), up * split, w.even)
    pods = _ceil(leaves, w.core_down)
    pod_spines = pods * _ceil(_ceil(leaves, pods) * up, w.core_down)
    spines = np.where(two, two_tier_spines, np.where(three, pod_spines, 0))
    tiers = np.where(two, 2, np.where(three, 3, 1))
    return FatTree(
        wiring=w,
        endpoints=endpoints,
        tiers=tiers,
        hops=np.where(pair, 2, 2 * tiers - 1),
        leaves=np.where(single, 1, leaves),
        spines=spines,
        cores=np.where(three, _ceil(spines * spine_up, w.ports), 0),
        leaf_spine_links=np.where(single, 0, np.where(pair, joint, leaves * up)),
        spine_core_links=np.where(three, spines * spine_up, 0),
        fits=(tiers <= w.maximum_tiers) & ~(three & (pods > w.ports)),
    )


def _leaves(nodes: Counts, endpoints: Counts, w: Wiring) -> Counts:
    """Leaves by endpoints alone, or by rails: as many rails on a leaf as its ports take, each unit of nodes on its own."""
    capacity = w.down * w.fan
    rails_per_leaf = np.clip(capacity // np.maximum(nodes, 1), 1, w.rails)
    by_rail = np.where(nodes <= capacity, _ceil(w.rails, rails_per_leaf), w.rails * _ceil(nodes, capacity))
    plain = _ceil(endpoints, capacity)
    return np.where(w.rail_optimised, np.maximum(by_rail, plain), plain)


def _even_spines(least: Counts, uplinks: Counts, even: BoolColumn) -> Counts:
    """The smallest number from `least` that divides a leaf's `uplinks`, where spreading is to be even."""
    spines = np.minimum(least, uplinks)
    uneven = np.flatnonzero(even & (uplinks % spines != 0))
    while uneven.size:
        spines[uneven] += 1
        uneven = uneven[uplinks[uneven] % spines[uneven] != 0]
    return spines


def _ceil(a: Counts, b: Counts | int) -> Counts:
    return np.asarray(-(-a // b))
