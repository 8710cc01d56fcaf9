"""Words for the codes of a plan, as they stand in a sentence: what limits, which limit is passed."""

from __future__ import annotations

from collections.abc import Mapping

from texts.translations import Language, mark, tr

RESOURCES: Mapping[str, str] = {
    "compute": mark("arithmetic"),
    "memory": mark("memory bandwidth"),
    "network": mark("network"),
    "storage": mark("storage"),
    "host": mark("hosts"),
    "overhead": mark("fixed overheads"),
}

LIMITS: Mapping[str, str] = {
    "format": mark("number format"),
    "engine": mark("serving software"),
    "memory": mark("device memory"),
    "ttft": mark("time to first token"),
    "tpot": mark("time per output token"),
    "end_to_end": mark("time to the last token"),
    "deadline": mark("deadline"),
    "rate": mark("traffic"),
    "devices": mark("number of accelerators"),
    "budget": mark("budget"),
    "power": mark("facility power"),
    "room_racks": mark("racks of the room"),
    "room_rack_units": mark("height free in a rack"),
    "room_rack_power": mark("power of a rack"),
    "room_power": mark("power feeds of the room"),
    "room_liquid": mark("liquid cooling of the room"),
    "memory_unknown": mark("unknown memory capacity"),
    "peak_unknown": mark("unknown peak rate"),
}

NETWORKS: Mapping[str, str] = {
    "compute": mark("network between accelerators"),
    "storage": mark("network to storage"),
    "front_end": mark("front-end network"),
}

COOLING: Mapping[str, str] = {
    "air_standard": mark("cooled by air"),
    "air_high_density": mark("cooled by air, dense"),
    "direct_liquid": mark("cooled by liquid"),
    "liquid_future": mark("cooled by liquid, denser than is usual"),
}

FAILURES: Mapping[str, str] = {
    "link": mark("a link"),
    "leaf": mark("a leaf switch"),
    "spine": mark("a spine switch"),
    "core": mark("a core switch"),
    "plane": mark("a whole plane"),
}

CELLS = (  # words of a plan's columns, shown in the reader's language and written to files as they are
    mark("at least"),
    mark("buy"),
    mark("complete"),
    mark("compute"),
    mark("end_to_end"),
    mark("host"),
    mark("memory"),
    mark("network"),
    mark("no"),
    mark("overhead"),
    mark("rent"),
    mark("rate"),
    mark("storage"),
    mark("tpot"),
    mark("ttft"),
    mark("yes"),
)


def word(table: Mapping[str, str], code: str, language: Language) -> str:
    """The word for `code` in `language`. Raises `KeyError` for a code that has none."""
    return tr(table[code], language)
