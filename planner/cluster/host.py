"""The host of a node: memory modules and drives by rule, and the device memory it stands beside (equation 5.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from hardware_db import Hardware
from hardware_db.records import Accelerator, Cpu, DeviceMemory, MemoryModule, Price, Server, StorageClass
from planner.cluster.bill import Part, times
from planner.cluster.templates import templates
from planner.search.columns import FloatColumn

Number = TypeVar("Number", float, FloatColumn)
_ROWS_A_CHANNEL = 2  # DIMM slots that a channel of current servers has


@dataclass(frozen=True, slots=True)
class MemoryChoice:
    """Modules to add to a host: the same on every channel, the cheapest set that is large enough."""

    module: MemoryModule
    quantity: int
    size_bytes: float
    bandwidth_bytes_per_s: float | None  # of all channels; None where the processor or its memory is not known

    def part(self, servers: int) -> Part:
        """The modules of `servers` hosts."""
        return Part("memory", self.module.id, servers * self.quantity, self.module.power_w, self.module.price)


@dataclass(frozen=True, slots=True)
class DriveChoice:
    """Local drives to add to a host."""

    drives: StorageClass
    quantity: int
    drive_bytes: float
    price: Price | None  # of one drive

    def part(self, servers: int) -> Part:
        """The drives of `servers` hosts."""
        return Part("drive", self.drives.id, servers * self.quantity, self.drives.power_active_w, self.price)


def training_memory_bytes(device_memory_bytes: Number) -> Number:
    """Host memory of a training node: twice its device memory, so that a checkpoint is copied while the next step runs
    and offloaded states have room (equation 5.6).
    """
    return 2 * device_memory_bytes


def with_headroom_bytes(kept_bytes: Number) -> Number:
    """Host memory that holds `kept_bytes` and leaves room for the system (equation 5.6)."""
    return kept_bytes + templates().host.memory_headroom_bytes


def serving_memory_bytes(weight_bytes: Number, pinned_cache_bytes: Number) -> Number:
    """Host memory of a serving node: the weights, the pinned KV tier, and room for the system (equation 5.6)."""
    return with_headroom_bytes(weight_bytes + pinned_cache_bytes)


def training_drive_bytes(checkpoint_share_bytes: Number, dataset_share_bytes: Number) -> Number:
    """Local flash of a training node: two checkpoints of its share, and its shard of the data (equation 5.6)."""
    return 2 * checkpoint_share_bytes + dataset_share_bytes


def memory_choice(hardware: Hardware, server: Server | None, required_bytes: float) -> MemoryChoice | None:
    """Modules to add so that the host has `required_bytes`; None if it has them already, or is sold complete with memory
    that the catalog does not know.

    Channels are filled evenly with one or two modules; where no set is large enough, the largest is taken.
    """
    included = server.host_dram_bytes if server else None
    missing = required_bytes - (included or 0.0)
    if missing <= 0 or (included is None and _is_complete(server)):
        return None
    cpu = hardware.cpus.get((server.cpu_id if server else None) or "")
    sockets = max(1, server.cpu_count if server else 1)
    channels = sockets * ((cpu.memory_channels if cpu else None) or 1)
    choices = [
        MemoryChoice(module, rows * channels, rows * channels * size, memory_bandwidth_bytes_per_s(hardware, cpu, sockets))
        for module in hardware.memory_modules.values()
        if module.price and (cpu is None or cpu.memory_id in module.memory_ids)
        for size in module.module_bytes
        for rows in (range(1, _ROWS_A_CHANNEL + 1) if cpu else (math.ceil(missing / size / channels),))
    ]
    enough = [choice for choice in choices if choice.size_bytes >= missing]
    if enough:
        return min(enough, key=_usd)
    return max(choices, key=lambda choice: choice.size_bytes, default=None)


def memory_bandwidth_bytes_per_s(hardware: Hardware, cpu: Cpu | None, sockets: int) -> float | None:
    """Rate of a host's memory: channels times the rate of one, or that of soldered memory."""
    memory = hardware.host_memory.get((cpu.memory_id if cpu else None) or "")
    if cpu is None or memory is None:
        return None
    if memory.bandwidth_bytes_per_s:
        return sockets * memory.bandwidth_bytes_per_s
    if not memory.channel_bytes_per_s or not cpu.memory_channels:
        return None
    return sockets * cpu.memory_channels * memory.channel_bytes_per_s


def drive_choice(hardware: Hardware, server: Server | None, required_bytes: float) -> DriveChoice | None:
    """Drives to add so that the host has `required_bytes` of local flash; None if it has them already, or is sold complete
    with drives that the catalog does not know.
    """
    included = included_drive_bytes(server)
    if included is None and _is_complete(server):
        return None
    rules = templates().host
    quantity = math.ceil((required_bytes - (included or 0.0)) / rules.drive_bytes)
    if quantity <= 0:
        return None
    drives = hardware.storage_classes[rules.storage_class_id]
    return DriveChoice(drives, quantity, rules.drive_bytes, drives.price_per_byte and times(drives.price_per_byte, rules.drive_bytes))


def included_drive_bytes(server: Server | None) -> float | None:
    """Local flash that the server is sold with; None where the catalog does not say."""
    values = server.values if server else {}
    count, size = values.get("data_drives"), values.get("data_drive_bytes")
    return float(count * size) if isinstance(count, (int, float)) and isinstance(size, (int, float)) else None


def _is_complete(server: Server | None) -> bool:
    """Whether a server is sold ready to run, or is not known at all and to be quoted so."""
    return server is None or server.cards_included


def device_memory(hardware: Hardware, chip: Accelerator) -> DeviceMemory | None:
    """The technology of a device's memory, by the name that the vendor gives it."""
    names = {memory.name.split(" ")[0].lower(): memory for memory in hardware.device_memory.values()}
    return names.get(chip.memory_type.split(" ")[0].lower())


def _usd(choice: MemoryChoice) -> float:
    return choice.quantity * (choice.module.price.typical_usd if choice.module.price else math.inf)
