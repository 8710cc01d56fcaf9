"""The hardware catalog as the rest of the program sees it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from facts.cache import digest_of
from facts.errors import Fault, RackwrightError, shown
from hardware_db.catalog_files import packaged
from hardware_db.convert import Draft, record_of, row_of
from hardware_db.records import (
    Accelerator,
    Cable,
    CloudOffer,
    CloudStorage,
    Cpu,
    DeviceMemory,
    Entry,
    Fabric,
    FabricManager,
    FacilityPart,
    Fact,
    FileSystem,
    HostBus,
    HostMemory,
    MemoryModule,
    Nic,
    ReferenceFabric,
    ScaleUpLink,
    Server,
    StorageBenchmark,
    StorageClass,
    StorageDevice,
    Switch,
    Transceiver,
)
from hardware_db.schema.table import Schema

_Record = TypeVar("_Record", bound=Fact)


@dataclass(frozen=True, slots=True, eq=False)
class Hardware:
    """Everything the catalog knows, by id, in SI units. `digest` changes with any content, `release` dates the catalog.

    Equal only to itself, so that what follows from a catalog can be kept by it.
    """

    accelerators: Mapping[str, Accelerator]
    servers: Mapping[str, Server]
    cpus: Mapping[str, Cpu]
    nics: Mapping[str, Nic]
    switches: Mapping[str, Switch]
    fabric_managers: Mapping[str, FabricManager]
    transceivers: Mapping[str, Transceiver]
    cables: Mapping[str, Cable]
    fabrics: Mapping[str, Fabric]
    scale_up_links: Mapping[str, ScaleUpLink]
    host_buses: Mapping[str, HostBus]
    host_memory: Mapping[str, HostMemory]
    memory_modules: Mapping[str, MemoryModule]
    device_memory: Mapping[str, DeviceMemory]
    cxl: Mapping[str, Entry]
    storage: Mapping[str, StorageDevice]
    storage_classes: Mapping[str, StorageClass]
    cloud_storage: Mapping[str, CloudStorage]
    filesystems: Mapping[str, FileSystem]
    stores: Mapping[str, Entry]
    facility: Mapping[str, Entry]
    facility_parts: Mapping[str, FacilityPart]
    reliability: Mapping[str, Entry]
    topologies: Mapping[str, Entry]
    measurements: Mapping[str, Entry]
    requirements: Mapping[str, Entry]
    rules: Mapping[str, Entry]
    studies: Mapping[str, Entry]
    cloud_offers: tuple[CloudOffer, ...]
    reference_fabrics: tuple[ReferenceFabric, ...]
    storage_benchmark: tuple[StorageBenchmark, ...]
    digest: str
    release: str

    def get(self, group: str, entry_id: str) -> Fact:
        """The record `entry_id` of `group` (an attribute of this class, such as "accelerators").

        Raises `RackwrightError` naming the nearest id of the group.
        """
        known: Mapping[str, Fact] = getattr(self, group)
        if entry_id not in known:
            raise RackwrightError(unknown_id(entry_id, known, field=group))
        return known[entry_id]

    def find(self, entry_id: str) -> Fact:
        """The record `entry_id`, whatever group it is in; raises `RackwrightError` naming the nearest id."""
        everything = {record.id: record for record in self.facts()}
        if entry_id not in everything:
            raise RackwrightError(unknown_id(entry_id, everything, field="id"))
        return everything[entry_id]

    def facts(self) -> Iterable[Fact]:
        """All records that have an id, group by group."""
        for field in fields(self):
            group = getattr(self, field.name)
            if isinstance(group, Mapping):
                yield from group.values()


def unknown_id(entry_id: str, known: Iterable[str], field: str) -> Fault:
    """The fault of an id that is not in `known`, with the nearest one as hint."""
    ids = tuple(known)
    nearest = difflib.get_close_matches(entry_id, ids, 1, cutoff=0.4)
    return Fault("catalog_unknown_id", field=field, value=shown(entry_id), allowed=f"{len(ids)} ids", hint="".join(nearest))


def load_hardware(overlays: Sequence[Path | bytes] = ()) -> Hardware:
    """The packaged catalog with the entries of `overlays` (files of a user's own, later ones win) added or put in place.

    Raises `RackwrightError` with every fault of an overlay. Without overlays the same object is returned every time.
    """
    if not overlays:
        return _packaged_hardware()
    from hardware_db.overlay import read_overlays, with_overlays  # noqa: PLC0415 - pydantic is only needed for overlays

    base = packaged()
    read = read_overlays(overlays)
    own = digest_of((f"{number:04d}", overlay.content) for number, overlay in enumerate(read))
    drafts = with_overlays(base.drafts, read, base.schema)
    return _hardware(base.schema, drafts, digest_of([(base.digest, own.encode())]), base.release)


@cache
def _packaged_hardware() -> Hardware:
    base = packaged()
    return _hardware(base.schema, base.drafts, base.digest, base.release)


def _hardware(schema: Schema, drafts: Sequence[Draft], digest: str, release: str) -> Hardware:
    groups: dict[str, list[Fact]] = {}
    rows: dict[str, list[Draft]] = {}
    for draft in drafts:
        kind = schema.kinds[draft.kind]
        if kind.from_table:
            rows.setdefault(kind.group, []).append(draft)
        else:
            groups.setdefault(kind.group, []).append(record_of(draft, schema))

    def group(name: str, record: type[_Record]) -> Mapping[str, _Record]:
        return MappingProxyType({fact.id: fact for fact in groups.get(name, ()) if isinstance(fact, record)})

    return Hardware(
        accelerators=group("accelerators", Accelerator),
        servers=group("servers", Server),
        cpus=group("cpus", Cpu),
        nics=group("nics", Nic),
        switches=group("switches", Switch),
        fabric_managers=group("fabric_managers", FabricManager),
        transceivers=group("transceivers", Transceiver),
        cables=group("cables", Cable),
        fabrics=group("fabrics", Fabric),
        scale_up_links=group("scale_up_links", ScaleUpLink),
        host_buses=group("host_buses", HostBus),
        host_memory=group("host_memory", HostMemory),
        memory_modules=group("memory_modules", MemoryModule),
        device_memory=group("device_memory", DeviceMemory),
        cxl=group("cxl", Entry),
        storage=group("storage", StorageDevice),
        storage_classes=group("storage_classes", StorageClass),
        cloud_storage=group("cloud_storage", CloudStorage),
        filesystems=group("filesystems", FileSystem),
        stores=group("stores", Entry),
        facility=group("facility", Entry),
        facility_parts=group("facility_parts", FacilityPart),
        reliability=group("reliability", Entry),
        topologies=group("topologies", Entry),
        measurements=group("measurements", Entry),
        requirements=group("requirements", Entry),
        rules=group("rules", Entry),
        studies=group("studies", Entry),
        cloud_offers=tuple(row_of(draft, CloudOffer, schema) for draft in rows.get("cloud_offers", ())),
        reference_fabrics=tuple(row_of(draft, ReferenceFabric, schema) for draft in rows.get("reference_fabrics", ())),
        storage_benchmark=tuple(row_of(draft, StorageBenchmark, schema) for draft in rows.get("storage_benchmark", ())),
        digest=digest,
        release=release,
    )
