"""What a cluster consists of for money and power: purchase price and rated power by part, one row a candidate."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from planner.cluster.racks import ROOM_LIMITS
from planner.search.columns import BoolColumn, FloatColumn


@dataclass(frozen=True, slots=True)
class Holdings:
    """Typical purchase prices, USD, and rated power, W, of whole clusters. Power is NaN where a rating is unknown.

    servers_usd   servers with their accelerators
    unpriced      the accelerators or a part of the servers have no price: the cluster cannot be bought at a known price
    at_least      any part has no price
    room_used     use over allowance of each of `ROOM_LIMITS`, shape (rows, 5); (rows, 0) where the room has no limits
    """

    servers_usd: FloatColumn
    network_usd: FloatColumn
    racks_usd: FloatColumn
    accelerators_w: FloatColumn
    hosts_w: FloatColumn
    network_w: FloatColumn
    unpriced: BoolColumn
    at_least: BoolColumn
    room_used: FloatColumn

    @property
    def capital_usd(self) -> FloatColumn:
        """Purchase price of the whole."""
        return self.servers_usd + self.network_usd + self.racks_usd

    def loaded_w(self, load_share: float) -> dict[str, FloatColumn]:
        """Draw by part at a share of the rated maximum (equation 7.1)."""
        parts = {"accelerators": self.accelerators_w, "hosts": self.hosts_w, "network": self.network_w}
        return {part: load_share * watts for part, watts in parts.items()}

    def scaled(self, factor: FloatColumn) -> Holdings:
        """A part of the same cluster, or several of it: money and power."""
        return replace(self, **{name: getattr(self, name) * factor for name in _SCALED})

    def beside(self, other: Holdings, *, counted: BoolColumn) -> Holdings:
        """With a second cluster in the same room in the rows that are `counted`: sums, and the tighter use of what each rack must offer."""
        second = other.scaled(counted.astype(np.float64))
        sums = {name: getattr(self, name) + getattr(second, name) for name in _SCALED}
        used = np.where(counted[:, None], other.room_used, 0.0)
        shared = np.isin(ROOM_LIMITS, _SHARED_BY_CLUSTERS)[: used.shape[1]]
        return replace(
            self,
            **sums,
            unpriced=self.unpriced | (other.unpriced & counted),
            at_least=self.at_least | (other.at_least & counted),
            room_used=np.where(shared, self.room_used + used, np.maximum(self.room_used, used)),
        )


_SHARED_BY_CLUSTERS = ("room_racks", "room_power")  # limits that all clusters of a room use up together
_SCALED = tuple(item.name for item in fields(Holdings) if item.name.endswith(("_usd", "_w")))


def total_w(parts_w: dict[str, FloatColumn]) -> FloatColumn:
    """Sum over the parts."""
    total: FloatColumn = np.sum(list(parts_w.values()), axis=0)
    return total
