"""The clusters that a deployment stands in: one, or two side by side where other accelerators prefill than decode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from planner import sizing
from planner.cluster.design import ClusterDesign
from planner.economics.charges import Charges, charges_of
from planner.economics.cost import SECONDS_PER_YEAR
from planner.economics.holdings import Holdings
from planner.exact import cluster_designs, exact_holdings
from planner.ground import Ground
from planner.hosts import HostNeeds
from planner.search.columns import BoolColumn, DeploymentColumns, IntColumn

Designs = list[ClusterDesign | None]


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of each deployment; 0 servers: there is none. `used` are the accelerators of its replicas."""

    platform: IntColumn
    servers: IntColumn
    devices: NDArray[np.int64]
    used: NDArray[np.int64]

    @classmethod
    def of(cls, ground: Ground, platform: IntColumn, servers: IntColumn, used: NDArray[np.int64]) -> Self:
        """`servers` whole servers on rows `platform`."""
        return cls(platform, servers, servers.astype(np.int64) * ground.platforms.devices_per_server[platform], used)


@dataclass(frozen=True, slots=True)
class Clusters:
    """`first` holds what decodes, and what prefills on the same accelerators; `second` what prefills on others."""

    first: Cluster
    second: Cluster

    @classmethod
    def of(cls, ground: Ground, deployments: DeploymentColumns, replicas: IntColumn) -> Self:
        """Whole servers for the `replicas` that decode and those that prefill."""
        prefill, count = deployments.prefill, deployments.prefill_replicas
        used, also_used = replicas.astype(np.int64) * deployments.devices, count.astype(np.int64) * prefill.devices
        per_server = ground.platforms.devices_per_server
        own, other = per_server[deployments.platform], per_server[prefill.platform]
        apart = deployments.disaggregated & (prefill.platform != deployments.platform)
        shared = sizing.shared_servers((replicas, count), (deployments.devices, prefill.devices), own)
        first = np.where(apart, sizing.servers(replicas, deployments.devices, own), shared)
        second = np.where(apart, sizing.servers(count, prefill.devices, other), 0)
        return cls(
            Cluster.of(ground, deployments.platform, first, used + np.where(apart, 0, also_used)),
            Cluster.of(ground, prefill.platform, second, np.where(apart, also_used, 0)),
        )

    @property
    def apart(self) -> BoolColumn:
        """Rows with two clusters."""
        return np.asarray(self.second.servers > 0)

    @property
    def servers(self) -> IntColumn:
        """Servers of both."""
        return self.first.servers + self.second.servers

    def paid_devices(self, rented: BoolColumn) -> IntColumn:
        """Accelerators paid for: those in use where rented, else whole servers."""
        bought, used = self.first.devices + self.second.devices, self.first.used + self.second.used
        return np.minimum(np.where(rented, used, bought), np.iinfo(np.int32).max).astype(np.int32)

    def charges(self, ground: Ground, exact: tuple[Designs, Designs] | None = None) -> Charges:
        """Money and power over the period, in closed form or of the exact designs. Both are bought, or both rented of one provider."""
        site, rows = ground.request.site, len(self.servers)
        holdings, used = self._held(ground, self.first, exact[0] if exact else None)
        rent = self.first.used * ground.rent_usd_per_h[self.first.platform]
        if self.apart.any():
            more, more_used = self._held(ground, self.second, exact[1] if exact else None)
            holdings, used = holdings.beside(more, counted=self.apart), used.beside(more_used, counted=self.apart)
            more_rent = np.where(
                ground.rented_together[self.first.platform, self.second.platform],
                self.second.used * ground.rent_usd_per_h[self.second.platform],
                np.nan,
            )
            rent = rent + np.where(self.apart, more_rent, 0.0)
        period_s = np.full(rows, site.years * SECONDS_PER_YEAR)
        return charges_of(holdings, used, rent, period_s, site, ground.request.assumptions)

    def _held(self, ground: Ground, cluster: Cluster, designs: Designs | None) -> tuple[Holdings, Holdings]:
        """Holdings of whole servers, of one where there is none, and of the accelerators in use."""
        devices = np.maximum(cluster.devices, ground.platforms.devices_per_server[cluster.platform])
        whole = exact_holdings(ground.holdings(cluster.platform, devices, self.apart), designs)
        return whole, whole.scaled(cluster.used / devices)

    def designs(self, ground: Ground, rented: BoolColumn, needs: tuple[HostNeeds, HostNeeds]) -> tuple[Designs, Designs]:
        """The exact clusters of the rows that are bought; each of two has a network even around a single server."""
        first = cluster_designs(ground, self.first.platform, self.first.devices, needs[0], bought=~rented, joined=self.apart)
        wanted = ~rented & self.apart
        second = cluster_designs(ground, self.second.platform, self.second.devices, needs[1], bought=wanted, joined=self.apart, after=first)
        return first, second
