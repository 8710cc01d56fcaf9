"""Tiers below device memory, host memory and local drives, and how fast an accelerator reaches its share of them (equation 4.2)."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from hardware_db import Hardware
from hardware_db.records import Accelerator, Server
from planner.cluster.host import memory_bandwidth_bytes_per_s
from planner.cluster.ports import devices_per_server
from planner.cluster.templates import templates
from planner.search.columns import FloatColumn

CacheTier = Literal["host", "nvme"]


def read_bytes_per_s(hardware: Hardware, chip: Accelerator, server: Server | None, tier: CacheTier) -> float:
    """Rate at which one accelerator reads its share while all of the server do; NaN where its link to the host is not known.

    Drives are read through host memory.
    """
    link, memory = link_bytes_per_s(hardware, chip), memory_bytes_per_s(hardware, chip, server)
    drives = drive_bytes_per_s(hardware, chip, server)[0] if tier == "nvme" else math.inf
    return link if math.isnan(link) else min(link, memory, drives)


def link_bytes_per_s(hardware: Hardware, chip: Accelerator) -> float:
    """Rate of an accelerator's link to the host, one direction; NaN where it is not known. The memory of a processor is host
    memory: what it keeps there it has already.
    """
    if chip.kind == "cpu":
        return chip.memory_bandwidth_bytes_per_s or math.nan
    return (chip.host_link_bytes_per_s or math.nan) * (hardware.host_buses[templates().host.bus_id].measured_fraction or 1.0)


def memory_bytes_per_s(hardware: Hardware, chip: Accelerator, server: Server | None) -> float:
    """An accelerator's share of the rate of host memory; infinite where the host is not known: the link limits then."""
    cpu = hardware.cpus.get((server.cpu_id if server else None) or "")
    memory = memory_bandwidth_bytes_per_s(hardware, cpu, max(1, server.cpu_count if server else 1))
    return memory / devices_per_server(chip, server) if memory else math.inf


def drive_bytes_per_s(hardware: Hardware, chip: Accelerator, server: Server | None) -> tuple[float, float]:
    """An accelerator's share of sequential reading and writing of a server's drives."""
    rules = templates().host
    drive = hardware.storage[rules.cache_drive_id]
    share = rules.cache_drives / devices_per_server(chip, server)
    return share * (drive.seq_read_bytes_per_s or math.nan), share * (drive.seq_write_bytes_per_s or math.nan)


def tier_drive_bytes(kept_bytes: FloatColumn) -> FloatColumn:
    """Local flash of a server that keeps `kept_bytes`: at least as many drives as the rate is counted with."""
    rules = templates().host
    return np.where(kept_bytes > 0, np.maximum(kept_bytes, rules.cache_drives * rules.drive_bytes), 0.0)
