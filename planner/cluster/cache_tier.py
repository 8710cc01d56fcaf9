"""Tiers below device memory that keep the KV cache of past prompts, and how fast an accelerator reads them (equation 4.2)."""

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

    Drives are read through host memory. The memory of a processor is host memory: what it keeps there it has already.
    """
    if chip.kind == "cpu":
        link = chip.memory_bandwidth_bytes_per_s or math.nan
    else:
        rules = templates().host
        link = (chip.host_link_bytes_per_s or math.nan) * (hardware.host_buses[rules.bus_id].measured_fraction or 1.0)
    count = devices_per_server(chip, server)
    cpu = hardware.cpus.get((server.cpu_id if server else None) or "")
    memory = memory_bandwidth_bytes_per_s(hardware, cpu, max(1, server.cpu_count if server else 1))
    shared = [memory / count] if memory else []
    if tier == "nvme":
        shared.append(drives_bytes_per_s(hardware) / count)
    return min(link, *shared) if shared and not math.isnan(link) else link


def drives_bytes_per_s(hardware: Hardware) -> float:
    """Sequential reading of all drives of a server that keep the cache."""
    rules = templates().host
    return rules.cache_drives * (hardware.storage[rules.cache_drive_id].seq_read_bytes_per_s or math.nan)


def tier_drive_bytes(kept_bytes: FloatColumn) -> FloatColumn:
    """Local flash of a server that keeps `kept_bytes`: at least as many drives as the rate is counted with."""
    rules = templates().host
    return np.where(kept_bytes > 0, np.maximum(kept_bytes, rules.cache_drives * rules.drive_bytes), 0.0)
