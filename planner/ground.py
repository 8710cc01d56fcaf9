"""What candidates stand on: the platforms considered, their parts and prices, and the number formats worth trying on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from hardware_db import Hardware
from hardware_db.records import Accelerator, Price, Server
from planner.admission import owned
from planner.cluster.host import training_memory_bytes
from planner.cluster.infrastructure import Infrastructure, infrastructure
from planner.cluster.network import compute_fabric_id, compute_template
from planner.cluster.platform import Platforms, platforms
from planner.cluster.racks import Room
from planner.cluster.servers import is_rented, rated_w
from planner.cluster.templates import FabricTemplate
from planner.economics.holdings import Holdings
from planner.economics.rates import HourlyRate, hourly_rate
from planner.request import FabricChoice, OwnPrice, PlanRequest, RoomLimits, Serving, Training
from planner.search.columns import PRECISIONS, BoolColumn, FloatColumn, IntColumn
from planner.subject import Subject

_TYPICAL = 1  # of (low, typical, high)


@dataclass(frozen=True)
class Ground:
    """Shared by training and serving; rows of `platforms`, `rates` and `precisions` are the same accelerators."""

    request: PlanRequest
    subject: Subject
    hardware: Hardware  # with the asker's own prices in it
    platforms: Platforms
    infrastructure: Infrastructure
    compute: tuple[FabricTemplate, ...]  # of each platform; none where the request leaves it to the defaults
    stock: Mapping[str, int]
    rates: tuple[HourlyRate | None, ...]
    precisions: tuple[tuple[int, ...], ...]  # indices into PRECISIONS, of each platform

    def holdings(self, platform: IntColumn, devices: IntColumn, joined: BoolColumn | None = None) -> Holdings:
        """Clusters of `devices` accelerators on rows `platform`, in closed form: never above the exact bill.

        Clusters beyond the limit on devices are refused anyway and get the network of one at the limit. Those that are `joined` to
        another one have a network even around a single server.
        """
        each = self.infrastructure.per_device(platform, np.minimum(devices, self.request.limits.max_devices), joined)
        accelerators_w = self._accelerator_w[platform]
        parts = Holdings(
            servers_usd=each.server_usd[:, _TYPICAL],
            network_usd=each.network_usd[:, _TYPICAL],
            racks_usd=each.rack_usd[:, _TYPICAL],
            accelerators_w=accelerators_w,
            hosts_w=each.server_w - accelerators_w,
            network_w=each.network_w,
            unpriced=each.unpriced,
            at_least=each.at_least,
            room_used=each.room_used,
        )
        return parts.scaled(devices.astype(np.float64))

    def servers_alone(self, platform: IntColumn, devices: IntColumn) -> Holdings:
        """Clusters without network and racks, a share of a server for a share of its accelerators, in any room: what a bound
        may assume. What is in stock is taken off as if a cluster of the least size could use all of it (method: search).
        """
        per_server, count = self.infrastructure.devices_per_server[platform], devices.astype(np.float64)
        accelerators_w, none = self._accelerator_w[platform], np.zeros(len(platform))
        owned_usd = self.infrastructure.server_owned_usd[platform, _TYPICAL]
        parts = Holdings(
            servers_usd=np.maximum(0.0, self.infrastructure.server_usd[platform, _TYPICAL] / per_server - owned_usd / count),
            network_usd=none,
            racks_usd=none,
            accelerators_w=accelerators_w,
            hosts_w=self.infrastructure.server_w[platform] / per_server - accelerators_w,
            network_w=none,
            unpriced=self.infrastructure.server_unpriced[platform],
            at_least=self.infrastructure.server_unpriced[platform],
            room_used=none[:, None][:, :0],
        )
        return parts.scaled(count)

    @cached_property
    def rent_usd_per_h(self) -> FloatColumn:
        """Typical rental of one accelerator of each platform; NaN where nobody rents it out."""
        return np.array([rate.typical_usd if rate else np.nan for rate in self.rates])

    @cached_property
    def rented_together(self) -> BoolColumn:
        """Pairs of platforms, shape (platforms, platforms), that one provider of the price list rents out, or the asker has a price for."""
        providers = [set(rate.providers) if rate else set() for rate in self.rates]
        return np.array([[not one or not other or bool(one & other) for other in providers] for one in providers])

    @cached_property
    def _accelerator_w(self) -> FloatColumn:
        """Rated power of each platform's accelerator, at most its share of the server; NaN where neither is known."""
        chips = [self.hardware.accelerators[id_] for id_ in self.platforms.accelerator_id]
        servers = [self.hardware.servers.get(id_) for id_ in self.platforms.server_id]
        whole = np.array([rated_w(self.hardware, chip, server) or np.nan for chip, server in zip(chips, servers, strict=True)])
        share = whole / self.infrastructure.devices_per_server
        return np.where(np.isnan(share), np.nan, np.fmin([chip.tdp_w or np.nan for chip in chips], share))


def ground(request: PlanRequest, about: Subject, hardware: Hardware, accelerator_ids: tuple[str, ...]) -> Ground:
    """The platforms of `accelerator_ids` with their parts, prices and formats. Raises for stock that the catalog does not know."""
    priced, stock = with_prices(hardware, request.prices), owned(request.stock, hardware)
    compute, fabric_ids = _fabrics(priced, accelerator_ids, request.fabric)
    engine = request.workload.engine if isinstance(request.workload, Serving) else ""
    stands, around = _stands(
        priced,
        accelerator_ids,
        fabric_ids,
        compute,
        "" if engine == "generic" else engine,
        tuple(sorted(stock.items())),
        existing_room(request.room),
        trains=isinstance(request.workload, Training),
    )
    has_units = ~np.isnan(stands.peak_flops_per_s)
    return Ground(
        request=request,
        subject=about,
        hardware=priced,
        platforms=stands,
        infrastructure=around,
        compute=compute,
        stock=stock,
        rates=tuple(hourly_rate(id_, hardware.cloud_offers, request.site.cloud_term, request.prices) for id_ in accelerator_ids),
        precisions=tuple(_formats(request, about.native_format, {PRECISIONS[i] for i in np.flatnonzero(units)}) for units in has_units),
    )


@lru_cache(maxsize=8)
def _stands(
    hardware: Hardware,
    accelerator_ids: tuple[str, ...],
    fabric_ids: tuple[str, ...] | None,
    compute: tuple[FabricTemplate, ...],
    engine: str,
    stock: tuple[tuple[str, int], ...],
    room: Room,
    *,
    trains: bool,
) -> tuple[Platforms, Infrastructure]:
    """Platforms and what stands around them: the same for every question about one catalog, site and set of accelerators.

    The host memory that a training run needs is the same for all candidates, so that its servers have it from the start.
    """
    stands = platforms(hardware, accelerator_ids, fabric_ids=fabric_ids, compute=compute, engine=engine)
    host_bytes: list[float] = training_memory_bytes(stands.memory_bytes * stands.devices_per_server).tolist() if trains else []
    around = infrastructure(hardware, stands, compute=compute, host_memory_bytes=host_bytes, stock=dict(stock), room=room)
    return stands, around


def existing_room(limits: RoomLimits) -> Room:
    """The room of a request; without a word about cooling, liquid is no limit."""
    feeds_w = tuple(feed for feed in (limits.feed_a_w, limits.feed_b_w) if feed is not None)
    return Room(limits.racks, limits.rack_units, limits.rack_w, feeds_w, liquid=limits.liquid is not False)


def _fabrics(
    hardware: Hardware, accelerator_ids: tuple[str, ...], choice: FabricChoice
) -> tuple[tuple[FabricTemplate, ...], tuple[str, ...] | None]:
    """Template and catalog id of the fabric between the servers of each accelerator; none where all stays with the defaults.

    Cloud instances keep the network that they come with.
    """
    if choice == FabricChoice():
        return (), None
    chips = [hardware.accelerators[id_] for id_ in accelerator_ids]
    pairs = [(chip, hardware.servers.get(chip.server_id or "")) for chip in chips]
    choices = [FabricChoice() if is_rented(server) else choice for _, server in pairs]
    compute = tuple(compute_template(hardware, *pair, chosen) for pair, chosen in zip(pairs, choices, strict=True))
    ids = (
        (server.fabric_id if server else None) or "" if chosen.technology == "auto" else compute_fabric_id(hardware, chip, server, template)
        for (chip, server), chosen, template in zip(pairs, choices, compute, strict=True)
    )
    return compute, tuple(ids)


def with_prices(hardware: Hardware, own: tuple[OwnPrice, ...]) -> Hardware:
    """The catalog with the asker's purchase prices in place of its own.

    A server sold with its accelerators gets dearer or cheaper by what its accelerators do, unless it has an own price itself.
    """
    mine = {price.id: price.buy_usd for price in own if price.buy_usd is not None}
    if not mine:
        return hardware
    servers = {id_: _repriced_server(server, hardware.accelerators, mine) for id_, server in hardware.servers.items()}
    accelerators = {id_: replace(chip, price=_own_price(mine[id_])) if id_ in mine else chip for id_, chip in hardware.accelerators.items()}
    return replace(hardware, accelerators=accelerators, servers=servers)


def _own_price(usd: float) -> Price:
    return Price(usd, usd, usd, "own price", "")


def _repriced_server(server: Server, chips: Mapping[str, Accelerator], mine: Mapping[str, float]) -> Server:
    if server.id in mine:
        return replace(server, price=_own_price(mine[server.id]))
    chip = chips.get(server.accelerator_ids[0]) if server.accelerator_ids else None
    if chip is None or chip.id not in mine or not server.cards_included or server.price is None or chip.price is None:
        return server
    more_usd = server.accelerators * (mine[chip.id] - chip.price.typical_usd)
    return replace(server, price=_own_price(max(server.accelerators * mine[chip.id], server.price.typical_usd + more_usd)))


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
