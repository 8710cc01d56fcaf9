"""Which accelerators a request considers, why the others are left out, and which parts the asker has already."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping

from facts.errors import Fault, RackwrightError, shown
from hardware_db import Hardware
from hardware_db.records import Accelerator
from planner.request import Limits, Owned


def admitted(limits: Limits, hardware: Hardware) -> tuple[tuple[str, ...], dict[str, str]]:
    """Ids to plan with, in catalog order, and the reason for each one left out.

    Accelerators named in the request are considered whatever their market status. Raises for a name that the catalog
    does not have, or when nothing is left.
    """
    _known("limits.accelerators", limits.accelerators, tuple(hardware.accelerators))
    _known("limits.vendors", limits.vendors, tuple(sorted({chip.vendor for chip in hardware.accelerators.values()})))
    reasons = {chip.id: _left_out(chip, limits) for chip in hardware.accelerators.values()}
    considered = tuple(id_ for id_, reason in reasons.items() if not reason)
    if not considered:
        raise RackwrightError(Fault("no_accelerator_left", "request", "limits"))
    return considered, {id_: reason for id_, reason in reasons.items() if reason}


def owned(stock: Iterable[Owned], hardware: Hardware) -> Mapping[str, int]:
    """Pieces in stock by catalog id. Raises for an id that the catalog does not have."""
    counts: Counter[str] = Counter()
    for item in stock:
        counts[item.id] += item.quantity
    _known("stock", tuple(counts), stockable(hardware))
    return counts


def stockable(hardware: Hardware) -> tuple[str, ...]:
    """Ids of everything in the catalog that can be had in pieces."""
    shelves: tuple[Mapping[str, object], ...] = (
        hardware.accelerators,
        hardware.servers,
        hardware.nics,
        hardware.switches,
        hardware.fabric_managers,
        hardware.transceivers,
        hardware.cables,
        hardware.memory_modules,
        hardware.storage_classes,
        hardware.facility_parts,
    )
    return tuple(id_ for shelf in shelves for id_ in shelf)


def _left_out(chip: Accelerator, limits: Limits) -> str:
    if limits.accelerators and chip.id not in limits.accelerators:
        return "not_asked_for"
    if limits.vendors and chip.vendor not in limits.vendors:
        return "not_asked_for"
    if not limits.accelerators and chip.status not in limits.statuses:
        return "status"
    if chip.memory_bytes is None or chip.memory_bandwidth_bytes_per_s is None:
        return "memory_unknown"
    if not any(chip.peak_flops_per_s.get(name) for name in ("bf16", "fp16", "fp8")):
        return "peak_unknown"
    return ""


def _known(field: str, asked: tuple[str, ...], known: tuple[str, ...]) -> None:
    faults = []
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            faults.append(Fault("unknown_id", "request", field, shown(name), hint=near[0] if near else ""))
    if faults:
        raise RackwrightError(*faults)
