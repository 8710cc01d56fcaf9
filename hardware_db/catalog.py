"""First cut of the loader: reads the YAML of `data/` into records (overlays, schema and cache follow)."""

from __future__ import annotations

import csv
import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from hardware_db.records import (
    Accelerator,
    Cable,
    CloudOffer,
    Cpu,
    Fabric,
    Nic,
    NicSlot,
    Price,
    ScaleUpLink,
    Server,
    Switch,
    Transceiver,
)

DATA = Path(__file__).with_name("data")
Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hardware:
    """Everything the catalog knows, by id, in SI units."""

    accelerators: Mapping[str, Accelerator]
    servers: Mapping[str, Server]
    cpus: Mapping[str, Cpu]
    nics: Mapping[str, Nic]
    switches: Mapping[str, Switch]
    transceivers: Mapping[str, Transceiver]
    cables: Mapping[str, Cable]
    fabrics: Mapping[str, Fabric]
    scale_up_links: Mapping[str, ScaleUpLink]
    cloud_offers: tuple[CloudOffer, ...]
    digest: str
    release: str


def _gbit(value: float | None) -> float | None:
    return None if value is None else value * 1e9 / 8


def _gb(value: float | None) -> float | None:
    return None if value is None else value * 1e9


def _price(raw: Raw) -> Price | None:
    p = raw.get("price_USD")
    if not p:
        return None
    return Price(
        float(p["low"]),
        float(p["typical"]),
        float(p["high"]),
        raw.get("price_basis", "estimate"),
        str(raw.get("price_date", "")),
        tuple(raw["sources"]),
    )


def _base(raw: Raw, file: str) -> dict[str, Any]:
    return {
        "id": raw["id"],
        "name": raw["name"],
        "kind": raw["kind"],
        "basis": raw.get("basis", "spec"),
        "sources": {"": tuple(raw["sources"])},
        "file": file,
        "notes": raw.get("notes", ""),
    }


def _accelerator(raw: Raw) -> Accelerator:
    memory = raw["memory"]
    unit = raw["unit_price_usd"]
    mamf = raw["measured_mamf_tflops"] or {}
    server = raw["server"] or {}
    scale_up = raw["scale_up"] or {}
    owner = raw["owner_cost_model"] or {}
    cpu = raw.get("cpu") or {}
    status = raw["status"].split()[0].strip(",")
    price = None
    if unit:
        price = Price(
            float(unit["low"]),
            math.sqrt(unit["low"] * unit["high"]),
            float(unit["high"]),
            unit["basis"] if unit["low"] == unit["high"] else "derived",
            unit["date"],
            tuple(unit["source"]),
        )
    return Accelerator(
        id=raw["id"],
        name=raw["name"],
        kind=raw["kind"],
        basis="spec",
        sources={k: tuple(v) for k, v in raw["sources"].items()},
        file="accelerators.yaml",
        notes=raw["notes"],
        vendor=raw["vendor"],
        architecture=raw["architecture"],
        status=status if status in ("announced", "available", "legacy") else "announced",
        release=raw["release"],
        form_factor=raw["form_factor"],
        confidence=raw["confidence"],
        memory_type=memory["type"],
        memory_bytes=memory["capacity_gib"] * 2**30,
        memory_bandwidth_bytes_per_s=_gb(memory["bandwidth_GBps"]),
        peak_flops_per_s={k: v * 1e12 for k, v in raw["dense_peak_tflops"].items() if v is not None},
        matmul_fraction={k: v["fraction_of_listed_peak"] for k, v in mamf.items()},
        scale_up_link_id=scale_up.get("link_id"),
        scale_up_bytes_per_s=_gb(scale_up.get("uni_GBps")),
        scale_up_domain=scale_up.get("domain_size") or 1,
        host_link_bytes_per_s=_gb((raw["host_link"] or {}).get("uni_GBps")),
        nic_id=server.get("nic_id"),
        server_id=server.get("server_id"),
        server_accelerators=server.get("accelerators"),
        tdp_w=raw["tdp_w"],
        all_in_power_w=owner["all_in_power_kw_per_gpu"] * 1e3 if owner else None,
        price=price,
        embodied_kgco2e=(raw["embodied_carbon_kgco2e"] or {}).get("value"),
        cpu_cores=cpu.get("cores"),
        memory_channels=cpu.get("memory_channels"),
    )


def _server(raw: Raw) -> Server:
    kw = {k: v * 1e3 if v is not None else None for k, v in (("t", raw.get("power_typical_kW")), ("m", raw.get("power_max_kW")))}
    nics = tuple(NicSlot(n.get("nic_id", ""), n["count"], n["ports"], n["port_Gbps"] * 1e9 / 8, n["role"]) for n in raw.get("nics", []))
    scale_out = sum(n.count * n.ports * n.port_bytes_per_s for n in nics if n.role == "scale_out") or None
    return Server(
        **_base(raw, "servers.yaml"),
        status=raw.get("status", ""),
        accelerator_ids=tuple(raw.get("accelerator_ids", [])),
        accelerators=raw.get("accelerators", 0),
        cpu_id=raw.get("cpu_id"),
        cpu_count=raw.get("cpu_count", 0),
        host_dram_bytes=raw["host_dram_GiB"] * 2**30 if "host_dram_GiB" in raw else None,
        rack_units=raw.get("rack_units"),
        power_typical_w=kw["t"],
        power_max_w=kw["m"],
        price=_price(raw),
        nics=nics,
        network_bytes_per_s=_gbit(raw.get("network_Gbps")) or scale_out,
        scale_up_id=raw.get("scale_up_id"),
        scale_up_domain=raw.get("scale_up_domain"),
        fabric_id=raw.get("fabric_id"),
        cooling=raw.get("cooling", ""),
    )


def _part(raw: Raw, cls: type[Any], **more: object) -> Any:
    return cls(**_base(raw, "network.yaml"), **more)


def _powered(raw: Raw) -> dict[str, Any]:
    return {
        "port_bytes_per_s": _gbit(raw.get("port_Gbps")),
        "power_typical_w": raw.get("power_typical_W"),
        "power_max_w": raw.get("power_max_W"),
        "price": _price(raw),
    }


def _network(raw: Raw) -> Any:
    kind = raw["kind"]
    if kind == "nic":
        return _part(
            raw, Nic, **_powered(raw), ports=raw.get("ports", 1), protocol=raw.get("protocol", ""), host_bus_id=raw.get("host_bus_id")
        )
    if kind == "switch":
        return _part(
            raw,
            Switch,
            **_powered(raw),
            ports=raw["ports"],
            cages=raw.get("cages"),
            rack_units=raw.get("rack_units"),
            fabric_id=raw.get("fabric_id"),
            power_passive_w=raw.get("power_passive_W"),
        )
    if kind in ("transceiver", "cable"):
        return _part(raw, Transceiver if kind == "transceiver" else Cable, **_powered(raw), reach_m=raw.get("reach_m"))
    if kind == "fabric":
        return _part(
            raw,
            Fabric,
            port_bytes_per_s=_gbit(raw.get("port_Gbps")),
            node_bytes_per_s=_gbit(raw.get("node_Gbps")),
            nic_bytes_per_s=_gbit(raw.get("nic_Gbps")),
            nics_per_node=raw.get("nics_per_node"),
            switch_ids=tuple(raw.get("switch_ids", [])),
            nic_ids=tuple(raw.get("nic_ids", [])),
        )
    if kind == "scale_up":
        return _part(
            raw,
            ScaleUpLink,
            per_accel_bytes_per_s=raw["per_accel_uni_GBps"] * 1e9,
            p2p_bytes_per_s=_gb(raw.get("p2p_uni_GBps")),
            domain_accelerators=raw.get("domain_accelerators"),
            links=raw.get("links"),
            topology=raw.get("topology", ""),
        )
    return None


def _number(text: str) -> float | None:
    return float(text) if text else None


def _offers(path: Path) -> tuple[CloudOffer, ...]:
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(
            CloudOffer(
                provider=row["provider"],
                instance_type=row["instance_type"],
                accelerator_id=row["accelerator_id"],
                accelerators=float(row["accelerator_count"]),
                region=row["region"],
                date=row["date"],
                flags=tuple(row["flags"].split(";")) if row["flags"] else (),
                source=row["source"],
                on_demand_usd_per_h=_number(row["on_demand_USD_h"]),
                spot_usd_per_h=_number(row["spot_USD_h"]),
                reserved_1y_usd_per_h=_number(row["reserved_1y_USD_h"]),
                reserved_3y_usd_per_h=_number(row["reserved_3y_USD_h"]),
                network_bytes_per_s=_gbit(_number(row["network_Gbps"])),
            )
            for row in csv.DictReader(file)
        )


def _by_id(records: list[Any]) -> Mapping[str, Any]:
    return MappingProxyType({record.id: record for record in records})


@functools.cache
def load_hardware() -> Hardware:
    """The packaged catalog."""
    raw = {
        n: yaml.load((DATA / f"{n}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
        for n in ("accelerators", "servers", "network")
    }
    net = [record for record in map(_network, raw["network"]) if record]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(DATA.iterdir()))).hexdigest()
    node_kinds = {"server", "rack", "cloud_instance", "storage_server", "management_server"}
    return Hardware(
        accelerators=_by_id([_accelerator(entry) for entry in raw["accelerators"]]),
        servers=_by_id([_server(entry) for entry in raw["servers"] if entry["kind"] in node_kinds]),
        cpus=_by_id(
            [
                Cpu(
                    **_base(e, "servers.yaml"),
                    cores=e["cores"],
                    tdp_w=e["power_max_W"],
                    memory_id=e["memory_id"],
                    memory_channels=e["memory_channels"],
                    price=_price(e),
                )
                for e in raw["servers"]
                if e["kind"] == "cpu"
            ]
        ),
        nics=_by_id([r for r in net if isinstance(r, Nic)]),
        switches=_by_id([r for r in net if isinstance(r, Switch)]),
        transceivers=_by_id([r for r in net if isinstance(r, Transceiver)]),
        cables=_by_id([r for r in net if isinstance(r, Cable)]),
        fabrics=_by_id([r for r in net if isinstance(r, Fabric)]),
        scale_up_links=_by_id([r for r in net if isinstance(r, ScaleUpLink)]),
        cloud_offers=_offers(DATA / "cloud_prices.csv"),
        digest=digest,
        release="2026-11-22",
    )
