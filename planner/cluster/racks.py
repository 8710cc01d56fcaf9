"""Racks: how many servers one takes by power and height, its way of cooling, and a room as a limit (equation 6.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from facts.errors import Fault
from hardware_db import Hardware
from hardware_db.records import FacilityPart, Price
from planner.cluster.bill import times
from planner.cluster.templates import templates

# The limits of a room, by the code of the fault that says so.
ROOM_LIMITS = ("room_rack_units", "room_rack_power", "room_racks", "room_power", "room_liquid")

_KILO = 1e3
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Load:
    """So many equal things in racks; `whole_racks` if each is a rack by itself."""

    quantity: int
    units: float
    w: float
    liquid: bool = False
    whole_racks: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """An existing room. None: no limit. With two feeds either must carry all of the load."""

    racks: int | None = None
    units_per_rack: float | None = None
    rack_w: float | None = None
    feeds_w: tuple[float, ...] = ()
    liquid: bool = True

    @property
    def power_w(self) -> float:
        """Load that the room can carry, also when one of several feeds is lost."""
        return min(self.feeds_w, default=math.inf)


@dataclass(frozen=True, slots=True)
class Racks:
    """`server_racks` hold the servers, `further_racks` what does not fit beside them."""

    cooling_class: str
    rack_limit_w: float
    units_per_rack: float
    servers_per_rack: int
    server_racks: int
    further_racks: int
    design_rack_w: float  # a bought rack full of servers; 0 where servers are racks
    fullest_rack_w: float
    bought: int  # racks that are not sold with what stands in them
    liquid_w: float
    w: float

    @property
    def racks(self) -> int:
        """All racks."""
        return self.server_racks + self.further_racks


def racks(hardware: Hardware, servers: Load, others: tuple[Load, ...], room: Room) -> Racks:
    """Servers in as few racks as power and height allow, everything else in what they leave and then in further racks."""
    cooling_class, limit_w, units = rack_limits(hardware, servers, room)
    per_rack = max(1, _per_rack(servers, limit_w, units))
    server_racks = servers.quantity if servers.whole_racks else -(-servers.quantity // per_rack)
    open_racks = 0 if servers.whole_racks else server_racks
    spare_units = open_racks * units - servers.quantity * servers.units
    spare_w = open_racks * limit_w - servers.quantity * servers.w
    other_units = sum(load.quantity * load.units for load in others)
    other_w = sum(load.quantity * load.w for load in others)
    further = max(0, math.ceil((other_units - spare_units) / units), math.ceil((other_w - spare_w) / limit_w)) if other_units else 0
    total_w = servers.quantity * servers.w + other_w
    mean_rack_w = (total_w - (servers.quantity * servers.w if servers.whole_racks else 0)) / max(1, open_racks + further)
    return Racks(
        cooling_class=cooling_class,
        rack_limit_w=limit_w,
        units_per_rack=units,
        servers_per_rack=per_rack,
        server_racks=server_racks,
        further_racks=further,
        design_rack_w=0.0 if servers.whole_racks else per_rack * servers.w,
        fullest_rack_w=max(min(per_rack, servers.quantity) * servers.w, mean_rack_w),
        bought=open_racks + further,
        liquid_w=servers.quantity * servers.w if servers.liquid else 0.0,
        w=total_w,
    )


def rack_limits(hardware: Hardware, servers: Load, room: Room) -> tuple[str, float, float]:
    """(class of cooling, W, rack units) of one rack: the first class that takes one server, within what the room allows."""
    rules = templates().racks
    by_class = hardware.facility[rules.limits_id].numbers("rack_max_w")
    names = rules.liquid if servers.liquid else rules.air
    name = next((name for name in names if by_class[name] >= servers.w), names[-1])
    return name, min(by_class[name], room.rack_w or math.inf), min(rules.units, room.units_per_rack or math.inf)


def rack_shares(hardware: Hardware, design_rack_w: float) -> tuple[tuple[str, FacilityPart, float, Price | None], ...]:
    """(kind, part, pieces, price of a piece) of one rack: the rack and its power distribution, by piece or by kW."""
    rules, shelf = templates().racks, hardware.facility_parts
    rack, pdu = shelf[rules.rack_id], shelf[rules.pdu_id]
    by_piece = ("pdu", pdu, float(pdu.units_per_rack or 1), pdu.price)
    by_power = ("pdu_kw", pdu, design_rack_w / _KILO, pdu.price_per_w and times(pdu.price_per_w, _KILO))
    return ("rack", rack, 1.0, rack.price), by_piece if design_rack_w <= rules.pdu_by_power_from_w else by_power


def liquid_share(hardware: Hardware, liquid_w: float) -> tuple[str, FacilityPart, float, Price | None]:
    """(kind, part, kW, price of a kW) of the cooling chain that takes `liquid_w` away."""
    part = hardware.facility_parts[templates().racks.liquid_id]
    return "liquid_kw", part, liquid_w / _KILO, part.price_per_w and times(part.price_per_w, _KILO)


def room_used(plan: Racks, servers: Load, room: Room) -> tuple[float, ...]:
    """Use over allowance of each of `ROOM_LIMITS` (equation 6.4); nothing for a room without limits.

    Infinite where liquid cooling is missing, and where power is limited but the servers' rating is not known.
    """
    if room == Room():
        return ()
    unknown_w = math.inf if not servers.w else 0.0
    units = 0.0 if servers.whole_racks else servers.units
    return (
        units / (room.units_per_rack or math.inf),
        max(plan.fullest_rack_w, unknown_w) / room.rack_w if room.rack_w else 0.0,
        plan.racks / (room.racks or math.inf),
        max(plan.w, unknown_w) / room.power_w if room.feeds_w else 0.0,
        math.inf if plan.liquid_w and not room.liquid else 0.0,
    )


def room_faults(plan: Racks, servers: Load, room: Room) -> tuple[Fault, ...]:
    """Every limit of the room that the racks break."""
    units = 0.0 if servers.whole_racks else servers.units
    checks = (
        _beyond("room_rack_units", units, plan.units_per_rack, "U"),
        _beyond("room_rack_power", plan.fullest_rack_w, plan.rack_limit_w, "W"),
        _beyond("room_racks", plan.racks, math.inf if room.racks is None else room.racks, "racks"),
        _beyond("room_power", plan.w, room.power_w, "W"),
        _beyond("room_liquid", plan.liquid_w, math.inf if room.liquid else 0.0, "W"),
    )
    return tuple(fault for fault in checks if fault)


def _beyond(code: str, used: float, most: float, unit: str) -> Fault | None:
    """The fault `code` where more is used than there may be, but for rounding."""
    if used <= most * (1 + _ROUNDING):
        return None
    return Fault(code, field="room", value=f"{used:g} {unit}", allowed=f"<= {most:g} {unit}")


def _per_rack(servers: Load, limit_w: float, units: float) -> int:
    by_power = math.floor(limit_w / servers.w) if servers.w else math.inf
    return int(min(by_power, math.floor(units / servers.units)))
