"""What the rest of the program sees of the catalog: frozen records in SI units, one class a kind of fact.

The loader converts once from the units of the YAML (`GBps`, `TFLOP/s`, `GiB`, `kW`, `USD`) to bytes, bytes/s, FLOP/s,
W, USD. `None` means unknown or not applicable, never zero. Link rates are one direction, peaks are dense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Basis = Literal["spec", "measured", "derived", "estimate", "list", "street"]


@dataclass(frozen=True, slots=True)
class Price:
    """USD for one unit. `basis` and `date` say how far to trust it."""

    low_usd: float
    typical_usd: float
    high_usd: float
    basis: str
    date: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """What every record of the catalog carries."""

    id: str
    name: str
    kind: str
    basis: str
    sources: Mapping[str, tuple[str, ...]]  # group of fields -> where it was read; "" for the whole entry
    file: str
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Accelerator(Fact):
    """One accelerator as sold (form factor matters), or a CPU that can run a model."""

    vendor: str = ""
    architecture: str = ""
    status: str = ""  # announced | available | legacy
    release: str = ""  # YYYY-MM
    form_factor: str = ""
    confidence: str = ""
    memory_type: str = ""
    memory_bytes: float | None = None
    memory_bandwidth_bytes_per_s: float | None = None
    peak_flops_per_s: Mapping[str, float] = field(default_factory=dict)  # bf16, fp16, fp8, int8, fp4, ...; dense
    matmul_fraction: Mapping[str, float] = field(default_factory=dict)  # best measured matmul / listed peak, by format
    scale_up_link_id: str | None = None
    scale_up_bytes_per_s: float | None = None
    scale_up_domain: int = 1
    host_link_bytes_per_s: float | None = None
    nic_id: str | None = None
    server_id: str | None = None
    server_accelerators: int | None = None
    tdp_w: float | None = None
    all_in_power_w: float | None = None
    price: Price | None = None
    embodied_kgco2e: float | None = None
    cpu_cores: int | None = None
    memory_channels: int | None = None


@dataclass(frozen=True, slots=True)
class NicSlot:
    """`count` cards of one kind in a server; rate of one port, one direction."""

    nic_id: str
    count: int
    ports: int
    port_bytes_per_s: float
    role: str


@dataclass(frozen=True, slots=True)
class Server(Fact):
    """A node, rack, cloud instance or server without accelerators, as one buys or rents it."""

    status: str = ""
    accelerator_ids: tuple[str, ...] = ()
    accelerators: int = 0
    cpu_id: str | None = None
    cpu_count: int = 0
    host_dram_bytes: float | None = None
    rack_units: float | None = None
    power_typical_w: float | None = None
    power_max_w: float | None = None
    price: Price | None = None
    nics: tuple[NicSlot, ...] = ()
    network_bytes_per_s: float | None = None  # scale-out rate of the whole node, one direction
    scale_up_id: str | None = None
    scale_up_domain: int | None = None
    fabric_id: str | None = None
    cooling: str = ""


@dataclass(frozen=True, slots=True)
class CloudOffer:
    """One row of a cloud price list: a whole instance, USD per hour."""

    provider: str
    instance_type: str
    accelerator_id: str
    accelerators: float  # a fraction where a shared card is sold
    region: str
    date: str
    flags: tuple[str, ...]
    source: str
    on_demand_usd_per_h: float | None = None
    spot_usd_per_h: float | None = None
    reserved_1y_usd_per_h: float | None = None
    reserved_3y_usd_per_h: float | None = None
    network_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Cpu(Fact):
    """A host processor, one socket."""

    cores: int = 0
    tdp_w: float | None = None
    memory_id: str | None = None
    memory_channels: int = 0
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Nic(Fact):
    """A network card; `port_bytes_per_s` is one port, one direction."""

    port_bytes_per_s: float = 0.0
    ports: int = 1
    protocol: str = ""
    host_bus_id: str | None = None
    power_typical_w: float | None = None
    power_max_w: float | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Switch(Fact):
    """A switch: `ports` logical ports of one rate. `power_passive_w` with copper cables, `power_max_w` full of optics."""

    ports: int = 0
    port_bytes_per_s: float = 0.0
    cages: int | None = None
    rack_units: int | None = None
    fabric_id: str | None = None
    power_passive_w: float | None = None
    power_typical_w: float | None = None
    power_max_w: float | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Transceiver(Fact):
    """One optical module; `reach_m` is `None` where the source gives none."""

    port_bytes_per_s: float = 0.0
    reach_m: float | None = None
    power_typical_w: float | None = None
    power_max_w: float | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Cable(Fact):
    """One cable with its fixed ends (copper or active optical), or a fibre (`port_bytes_per_s` is then `None`)."""

    port_bytes_per_s: float | None = None
    reach_m: float | None = None
    power_typical_w: float | None = None
    power_max_w: float | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Fabric(Fact):
    """A scale-out network technology, or what a cloud sells as one. Rates are one direction."""

    port_bytes_per_s: float | None = None
    node_bytes_per_s: float | None = None
    nic_bytes_per_s: float | None = None
    nics_per_node: int | None = None
    switch_ids: tuple[str, ...] = ()
    nic_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScaleUpLink(Fact):
    """A scale-up interconnect; rates are one accelerator, one direction."""

    per_accel_bytes_per_s: float = 0.0
    p2p_bytes_per_s: float | None = None
    domain_accelerators: int | None = None
    links: int | None = None
    topology: str = ""
