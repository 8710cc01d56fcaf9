"""Choices about wiring, racks and hosts where neither the catalog nor the asker says how: `templates.yaml`, read once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from facts.yaml_files import parse_yaml

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Closed(BaseModel):
    """Immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FabricTemplate(Closed):
    """How a fabric is wired, whatever its size (see `planner.cluster.fabric.Wiring`)."""

    switches: tuple[str, ...]  # catalog ids; the first whose ports are fast enough is taken
    rail_optimised: bool = False
    oversubscription: Annotated[float, Field(ge=1, le=32)] = 1
    core_oversubscription: Annotated[float, Field(ge=1, le=32)] = 1
    planes: Annotated[int, Field(ge=1, le=8)] = 1
    uplink_split: Annotated[int, Field(ge=1, le=8)] = 1
    even_spreading: bool = True
    minimum_leaves: Annotated[int, Field(ge=1, le=2)] = 1
    maximum_tiers: Annotated[int, Field(ge=1, le=3)] = 3
    endpoint_m: Positive = 30
    leaf_spine_m: Positive = 30
    spine_core_m: Positive = 100
    manager_id: str = ""


class DefaultNic(Closed):
    """Card of servers whose network is not known: one an accelerator, or shared by several in hosts that are sold without
    cards, and in pods whose domain has `pod_from` devices or more.
    """

    nic_id: str
    host_devices_per_nic: Count
    pod_from: Count
    pod_devices_per_nic: Count


class ServiceNic(Closed):
    """Card for storage and front end of servers whose list names none."""

    nic_id: str
    ports: Count


class Management(Closed):
    """The 1 GbE network of service processors."""

    switch_id: str
    ports_per_server: Count
    ports_per_switch: Count


class RackRules(Closed):
    """Which rack, and how full."""

    rack_id: str
    pdu_id: str
    liquid_id: str
    limits_id: str
    units: Count
    air: tuple[str, ...]
    liquid: tuple[str, ...]
    server_units: Positive
    pdu_by_power_from_w: Positive


class HostRules(Closed):
    """Memory and drives of a host."""

    memory_headroom_bytes: Positive
    storage_class_id: str
    drive_bytes: Positive
    cache_drive_id: str
    cache_drives: Count
    bus_id: str


class Templates(Closed):
    """The whole file."""

    fabrics: Mapping[str, FabricTemplate]
    compute_by_protocol: Mapping[str, str]
    compute_otherwise: str
    default_nic: DefaultNic
    default_service_nic: ServiceNic
    power_rule_id: str
    management: Management
    racks: RackRules
    host: HostRules


@cache
def templates() -> Templates:
    """The packaged choices."""
    text = resources.files(__package__).joinpath("templates.yaml").read_text(encoding="utf-8")
    return Templates.model_validate(parse_yaml(text, "templates.yaml"))
