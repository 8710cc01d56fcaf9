"""Figures that cannot be: sparse peaks sold as dense, bandwidth that the channels do not give, prices out of all bounds."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from facts.errors import Fault, shown
from facts.yaml_files import Yaml
from hardware_db.convert import Draft, record_of, row_of
from hardware_db.records import Accelerator, CloudOffer, HostMemory, ScaleUpLink, Server, Switch
from hardware_db.schema.table import Schema
from hardware_db.validity import where

DOUBLING = 2.05  # a format of half the width may run at twice the rate, and rounding
CLOSE = 0.02  # two printings of one figure agree within this
LONGEST_RENT_H = 10 * 8766.0  # rent below the purchase price spread over ten years is a wrong price
SHORTEST_RENT_H = 730.0  # and so is rent that pays for the purchase within a month
UNVERIFIED = re.compile(r"unverified|from memory|recollection", re.IGNORECASE)
_BYTES_PER_TRANSFER = 8
_FULL_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def plausibility_faults(drafts: Sequence[Draft], schema: Schema) -> Iterator[Fault]:
    """Faults of valid entries that contradict physics, each other or the market."""
    facts = {draft.id: record_of(draft, schema) for draft in drafts if not schema.kinds[draft.kind].from_table}
    for draft in drafts:
        place = where(draft)
        yield from _dates(draft.values, place)
        yield from _sources(draft.values.get("sources"), place)
        if schema.kinds[draft.kind].record == "CloudOffer":
            offer = row_of(draft, CloudOffer, schema)
            yield from _offer(offer, cast("Accelerator", facts[offer.accelerator_id]), place)
            continue
        record = facts.get(draft.id)
        if isinstance(record, Accelerator):
            link = facts.get(record.scale_up_link_id or "")
            yield from _accelerator(record, link if isinstance(link, ScaleUpLink) else None, place)
        elif isinstance(record, Server):
            yield from _server(record, [facts[identity] for identity in record.accelerator_ids], place)
        elif isinstance(record, Switch):
            yield from _agrees(record.values.get("switch_bytes_per_s"), record.ports * record.port_bytes_per_s, place, "switch_Tbps")
        elif isinstance(record, HostMemory):
            yield from _agrees(record.channel_bytes_per_s, _channels(record.values, 1), place, "channel_GBps")
        elif isinstance(record, ScaleUpLink):
            yield from _agrees(
                record.values.get("per_accel_duplex_bytes_per_s"), 2 * record.per_accel_bytes_per_s, place, "per_accel_duplex_GBps"
            )


def _dates(values: Mapping[str, Yaml], place: str) -> Iterator[Fault]:
    """Days that do not exist; the form was checked by the models."""
    for name, value in values.items():
        if isinstance(value, str) and _FULL_DATE.fullmatch(value):
            try:
                dt.date.fromisoformat(value)
            except ValueError:
                yield Fault("catalog_bad_date", place, name, value, "a day that exists")


def _sources(sources: Yaml, place: str) -> Iterator[Fault]:
    groups = list(sources.values()) if isinstance(sources, Mapping) else [sources]
    for source in (source for group in groups if isinstance(group, list) for source in group):
        if UNVERIFIED.search(str(source)):
            yield Fault("catalog_unverified_source", place, "sources", shown(source))


def _accelerator(record: Accelerator, link: ScaleUpLink | None, place: str) -> Iterator[Fault]:
    yield from _peaks(record, place)
    for name, fraction in record.matmul_fraction.items():
        if fraction > 1:
            yield Fault("catalog_implausible", place, "measured_matmul", f"{fraction:.2f} of the {name} peak", "<= 1")
    yield from _agrees(
        record.memory_bandwidth_bytes_per_s, _channels(record.values, record.memory_channels), place, "memory_bandwidth_GBps"
    )
    if link and record.scale_up_bytes_per_s and record.scale_up_bytes_per_s > link.per_accel_bytes_per_s * (1 + CLOSE):
        allowed = f"<= {link.per_accel_bytes_per_s / 1e9:g} GBps of {link.id}"
        yield Fault("catalog_implausible", place, "scale_up_GBps", f"{record.scale_up_bytes_per_s / 1e9:g}", allowed)


def _peaks(record: Accelerator, place: str) -> Iterator[Fault]:
    """Halving the width may double the rate; more is the mark of a rate with structured sparsity."""
    if record.values.get("uneven_peaks"):
        return
    peaks = record.peak_flops_per_s
    half = max(peaks.get("bf16", 0), peaks.get("fp16", 0))
    byte = max(peaks.get("fp8", 0), peaks.get("int8", 0)) or 2 * half
    wider = {"fp8": half, "int8": half, "fp6": max(byte, half), "fp4": byte, "int4": byte, "tf32": half / 2}
    for name, rate in wider.items():
        if rate and peaks.get(name, 0) > DOUBLING * rate:
            yield Fault("catalog_sparse_peak", place, f"peak_TFLOPps.{name}", f"{peaks[name] / 1e12:g}", f"<= {DOUBLING * rate / 1e12:g}")


def _channels(values: Mapping[str, object], channels: int | None) -> float | None:
    """Bandwidth of DDR channels; `None` for memory that is not built of them (LPDDR channels are narrower)."""
    rate = values.get("memory_transfers_per_s")
    if not channels or not isinstance(rate, (int, float)) or str(values.get("memory_type", "DDR")).startswith("LP"):
        return None
    return channels * rate * _BYTES_PER_TRANSFER


def _agrees(written: object, derived: float | None, place: str, field: str) -> Iterator[Fault]:
    if isinstance(written, (int, float)) and derived and not math.isclose(written, derived, rel_tol=CLOSE):
        yield Fault("catalog_disagrees", place, field, f"{written:.4g}", f"{derived:.4g} in SI units")


def _server(record: Server, accelerators: Sequence[object], place: str) -> Iterator[Fault]:
    if record.power_typical_w and record.power_max_w and record.power_typical_w > record.power_max_w:
        yield Fault(
            "catalog_implausible", place, "power_typical_kW", f"{record.power_typical_w / 1e3:g}", f"<= {record.power_max_w / 1e3:g} kW"
        )
    first = accelerators[0] if accelerators else None
    if isinstance(first, Accelerator) and first.tdp_w and record.power_max_w and record.cards_included:
        least_w = record.accelerators * first.tdp_w
        if record.power_max_w < least_w:
            allowed = f">= {least_w / 1e3:g} kW of its accelerators"
            yield Fault("catalog_implausible", place, "power_max_kW", f"{record.power_max_w / 1e3:g}", allowed)


def _offer(offer: CloudOffer, accelerator: Accelerator, place: str) -> Iterator[Fault]:
    prices = {
        "on_demand_USD_per_h": offer.on_demand_usd_per_h,
        "spot_USD_per_h": offer.spot_usd_per_h,
        "reserved_1y_USD_per_h": offer.reserved_1y_usd_per_h,
        "reserved_3y_USD_per_h": offer.reserved_3y_usd_per_h,
    }
    if all(price is None for price in prices.values()):
        yield Fault("catalog_missing_field", place, "on_demand_USD_per_h", allowed="at least one price")
    if accelerator.price:
        low = accelerator.price.low_usd / LONGEST_RENT_H * offer.accelerators
        high = accelerator.price.high_usd / SHORTEST_RENT_H * offer.accelerators
        for name, price in prices.items():
            if price is not None and not low <= price <= high:
                allowed = f"{low:.3g} to {high:.3g} USD per hour, by the purchase price of {accelerator.id}"
                yield Fault("catalog_price_bounds", place, name, f"{price:g}", allowed)
    odd = "spot_above_on_demand"
    if (offer.spot_usd_per_h or 0) > (offer.on_demand_usd_per_h or math.inf) and odd not in offer.flags:
        yield Fault("catalog_flag_missing", place, "flags", f"spot {offer.spot_usd_per_h:g}", odd)
