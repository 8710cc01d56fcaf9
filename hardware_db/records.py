"""What the rest of the program sees of the catalog: frozen records in SI units, one class a kind of fact.

The loader converts once from the units of the YAML (`GBps`, `TFLOPps`, `GiB`, `kW`, `USD`) to bytes, bytes/s, FLOP/s,
W, s, USD. `None` means unknown or not applicable, never zero. Link rates are one direction, peaks are dense. What a
record has no attribute for stands in its `values`, under the SI name that `data/schema.yaml` gives the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = "Price | bool | int | float | str | tuple[Value, ...] | Mapping[str, Value]"


@dataclass(frozen=True, slots=True)
class Price:
    """USD for one unit (or one byte, one W of load: the attribute says so). `basis` and `date` say how far to trust it.

    Where only a range is known, `typical_usd` is its geometric mean and `basis` is "derived".
    """

    low_usd: float
    typical_usd: float
    high_usd: float
    basis: str
    date: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """What every record of the catalog carries.

    sources   group of fields -> where it was read; "" for the whole entry
    file      file the entry stands in, below hardware_db/data, or the name of a user's own file
    values    all values of the entry under their SI names
    groups    SI name of a field -> group of `sources` that covers it
    """

    id: str
    name: str
    kind: str
    basis: str
    sources: Mapping[str, tuple[str, ...]]
    file: str
    notes: str = ""
    values: Mapping[str, Value] = field(default_factory=dict, repr=False)
    groups: Mapping[str, str] = field(default_factory=dict, repr=False)

    def sources_of(self, name: str, part: str = "") -> tuple[str, ...]:
        """Where the field with the SI name `name` was read; `part` names one value of a map, as `bf16` of the peaks."""
        for group in (f"{name}.{part}", name, part, self.groups.get(name, "specs"), "specs", ""):
            if group in self.sources:
                return self.sources[group]
        return tuple(dict.fromkeys(source for sources in self.sources.values() for source in sources))


@dataclass(frozen=True, slots=True)
class Entry(Fact):
    """A fact whose values are read by name: measurements, rules, facility, reliability, prices over time."""

    def number(self, name: str) -> float:
        """The number called `name`; `KeyError` if the entry has none."""
        value = self.values[name]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        msg = f"{self.id}.{name} is not a number"
        raise KeyError(msg)

    def numbers(self, name: str) -> Mapping[str, float]:
        """The numbers of the map called `name`, by their names; `KeyError` if the entry has no such map."""
        value = self.values[name]
        if isinstance(value, Mapping):
            return {key: number for key, number in value.items() if isinstance(number, (int, float))}
        msg = f"{self.id}.{name} is not a map of numbers"
        raise KeyError(msg)

    def rows(self) -> tuple[Mapping[str, Value], ...]:
        """The rows of the entry; empty if it has none."""
        value = self.values.get("rows", ())
        return tuple(row for row in value if isinstance(row, Mapping)) if isinstance(value, tuple) else ()


@dataclass(frozen=True, slots=True)
class Accelerator(Fact):
    """One accelerator as sold (form factor matters), or a CPU that can run a model."""

    vendor: str = ""
    architecture: str = ""
    status: str = ""  # available | announced | legacy
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
    """A node, rack, cloud instance or server without accelerators, as one buys or rents it.

    Where `cards_included` is false, power and price are the host's alone and the accelerators come on top.
    """

    status: str = ""
    accelerator_ids: tuple[str, ...] = ()
    accelerators: int = 0
    cards_included: bool = True
    cpu_id: str | None = None
    cpu_count: int = 0
    host_dram_bytes: float | None = None
    rack_units: float | None = None
    power_typical_w: float | None = None
    power_max_w: float | None = None
    power_basis: str = ""
    price: Price | None = None
    price_history: tuple[Price, ...] = ()
    nics: tuple[NicSlot, ...] = ()
    network_bytes_per_s: float | None = None  # scale-out rate of the whole node, one direction
    scale_up_id: str | None = None
    scale_up_domain: int | None = None
    fabric_id: str | None = None
    cooling: str = ""


@dataclass(frozen=True, slots=True)
class Cpu(Fact):
    """A host processor, one socket."""

    cpu_cores: int = 0
    tdp_w: float | None = None
    memory_id: str | None = None
    memory_channels: int | None = None
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
    rack_units: float | None = None
    fabric_id: str | None = None
    power_passive_w: float | None = None
    power_typical_w: float | None = None
    power_max_w: float | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class FabricManager(Fact):
    """An appliance that manages a fabric."""

    rack_units: float | None = None
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


@dataclass(frozen=True, slots=True)
class HostBus(Fact):
    """A link between processor and accelerator, network card or drive; one direction."""

    bus_bytes_per_s: float | None = None
    measured_fraction: float | None = None


@dataclass(frozen=True, slots=True)
class HostMemory(Fact):
    """One channel of host memory, or the whole memory of a processor that has it soldered on (`bandwidth_bytes_per_s`)."""

    channel_bytes_per_s: float | None = None
    bandwidth_bytes_per_s: float | None = None
    module_bytes: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryModule(Fact):
    """A memory module as it is bought."""

    module_bytes: tuple[float, ...] = ()
    memory_ids: tuple[str, ...] = ()
    power_w: float | None = None
    price: Price | None = None
    price_per_byte: Price | None = None


@dataclass(frozen=True, slots=True)
class DeviceMemory(Fact):
    """A device memory technology: one chip (GDDR) or one stack (HBM)."""

    pin_bytes_per_s: float = 0.0
    chip_bytes_per_s: float | None = None
    stack_bytes_per_s: float | None = None
    stack_max_bytes: float | None = None
    energy_j_per_bit: float | None = None


@dataclass(frozen=True, slots=True)
class StorageDevice(Fact):
    """A drive. Rates are of the drive itself, with queues deep enough."""

    nand: str = ""
    capacity_bytes: tuple[float, ...] = ()
    capacity_max_bytes: float | None = None
    seq_read_bytes_per_s: float | None = None
    seq_write_bytes_per_s: float | None = None
    rand_read_io_per_s: float | None = None
    rand_write_io_per_s: float | None = None
    dwpd: float | None = None
    power_active_w: float | None = None
    power_idle_w: float | None = None
    mttf_s: float | None = None


@dataclass(frozen=True, slots=True)
class StorageClass(Fact):
    """A class of drives as it is bought: price of a byte, draw of a drive."""

    media: str = ""  # nvme_tlc | nvme_qlc | hdd
    price_per_byte: Price | None = None
    power_active_w: float | None = None
    power_idle_w: float | None = None


@dataclass(frozen=True, slots=True)
class CloudStorage(Fact):
    """Storage that a cloud rents out; throughput steps come with capacity."""

    throughput_bytes_per_s_per_byte: tuple[float, ...] = ()
    price_usd_per_byte_month: float | None = None


@dataclass(frozen=True, slots=True)
class FileSystem(Fact):
    """A file system, object store or database with its redundancy scheme."""

    usable_fraction: float | None = None
    failures_tolerated: int | None = None
    min_failure_domains: int | None = None


@dataclass(frozen=True, slots=True)
class FacilityPart(Fact):
    """A rack or a part that distributes power or takes heat away, priced by unit or by W of IT load."""

    price: Price | None = None
    price_per_w: Price | None = None
    units_per_rack: int | None = None


@dataclass(frozen=True, slots=True)
class CloudOffer:
    """One row of a cloud price list: a whole instance, USD per hour."""

    provider: str
    instance_type: str
    accelerator_id: str
    accelerators: float  # a fraction where a shared card is sold
    date: str
    source: str
    region: str = ""
    flags: tuple[str, ...] = ()
    on_demand_usd_per_h: float | None = None
    spot_usd_per_h: float | None = None
    reserved_1y_usd_per_h: float | None = None
    reserved_3y_usd_per_h: float | None = None
    network_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class ReferenceFabric:
    """One row of a vendor's reference architecture: what a fat-tree calculation should reproduce."""

    design: str
    server_id: str | None
    nodes: int
    gpus: int
    rails_per_node: int
    switch_id: str
    switch_ports: int
    port_bytes_per_s: float
    leaf_switches: int
    spine_switches: int
    core_switches: int
    cables_node_leaf: int | None
    cables_leaf_spine: int | None
    cables_spine_core: int | None
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class StorageBenchmark:
    """One row of MLPerf Storage: emulated accelerators that a storage system kept busy."""

    round: str
    division: str
    submitter: str
    system: str
    workload: str
    emulated_accelerator: str
    accelerators: int
    client_hosts: int
    accelerator_utilisation_fraction: float
    samples_per_s: float
    read_bytes_per_s: float
    accelerator_read_bytes_per_s: float
    runs: int
    source: str
