"""How is it wired? The tiers of the network between accelerators, with counts on the switches and the links."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import altair as alt
import pandas as pd

from dashboard.charts.colours import Meaning
from dashboard.charts.figure import BACKGROUND, FONT_SIZE, INK, Figure, layered, meaning_colour
from dashboard.language import language, say
from dashboard.tables import Column, Table
from dashboard.wording import word
from planner.answer import FabricNetwork, Recommendation
from texts import numbers
from texts.numbers import Absent
from texts.translations import mark
from texts.words import FAILURES

MOST_DRAWN = 8  # switches of a tier
ROW = 108
COLUMNS = (
    Column("tier", mark("Tier")),
    Column("count", mark("Count"), 0),
    Column("links_up", mark("Links to the tier above"), 0),
)


@dataclass(frozen=True, slots=True)
class Tier:
    """Equal parts side by side: what they are, how many, how many of them are drawn, and the links to the tier above."""

    name: str
    count: int
    drawn: int
    links_up: int
    meaning: Meaning

    def place(self, index: int) -> float:
        """Where part `index` stands, as a share of the width."""
        return (index + 0.5) / self.drawn


def fabric_figure(network: FabricNetwork, shown: Recommendation) -> Figure:
    """The compute network of `shown`, servers at the bottom; the drawing is of one plane, the counts are of all."""
    tiers = network_tiers(network, shown)
    finding = _finding(network)
    labels = [_tier_label(tier) for tier in tiers] + [text for _, text in _link_labels(tiers, network)]
    rows = tuple((tier.name, tier.count, tier.links_up or Absent.NOT_APPLICABLE) for tier in tiers)
    return Figure(
        "fabric",
        finding,
        " ".join((finding + ".", "; ".join(labels) + ".", *failure_sentences(network))),
        _diagram(tiers, network),
        Table(COLUMNS, rows),
        say(
            "A sketch of one plane; counts are of all planes ({planes}). At most {most} of a kind are drawn.",
            planes=numbers.whole(network.planes, language()),
            most=numbers.whole(MOST_DRAWN, language()),
        ),
    )


def network_tiers(network: FabricNetwork, shown: Recommendation) -> list[Tier]:
    """The tiers that there are, highest first."""
    below, between, above = network.links
    switches = (
        (say("Core switches"), network.cores, 0),
        (say("Spine switches"), network.spines, above),
        (say("Leaf switches"), network.leaves, between),
    )
    tiers = [
        Tier(name, count, min(MOST_DRAWN, max(1, count // network.planes)), links, "network") for name, count, links in switches if count
    ]
    return [*tiers, Tier(say("Servers"), shown.servers, min(MOST_DRAWN, shown.servers), below, "compute")]


def failure_sentences(network: FabricNetwork) -> list[str]:
    """What one failure of each kind leaves, in words."""
    return [
        say(
            "Without {part}: {bisection} of the bisection and {rate} of the worst hit port's rate are left, {ports} ports are cut off.",
            part=word(FAILURES, part),
            bisection=numbers.percent(left.bisection, language(), 3),
            rate=numbers.percent(left.endpoint_rate, language(), 3),
            ports=numbers.whole(left.cut_off, language()),
        )
        for part, left in network.after_failure.items()
    ]


def _finding(network: FabricNetwork) -> str:
    switches = numbers.whole(network.leaves + network.spines + network.cores, language())
    if network.oversubscription <= 1:
        return say("Wiring between accelerators: {switches} switches, not oversubscribed", switches=switches)
    ratio = numbers.number(network.oversubscription, language(), 2)
    return say("Wiring between accelerators: {switches} switches, oversubscribed {ratio} to 1", switches=switches, ratio=ratio)


def _tier_label(tier: Tier) -> str:
    return say("{tier}: {count}", tier=tier.name, count=numbers.whole(tier.count, language()))


def _link_labels(tiers: list[Tier], network: FabricNetwork) -> list[tuple[float, str]]:
    """Where a count of links stands, in rows from the top, and its text."""
    found = []
    for row, tier in enumerate(tiers):
        if not tier.links_up:
            continue
        fields = {"links": numbers.whole(tier.links_up, language())}
        if tier is tiers[-1]:
            text = say("Links: {links}, {rate} each", rate=numbers.link_rate(network.endpoint_bytes_per_s, language()), **fields)
        else:
            text = say("Links: {links}", **fields)
        found.append((max(row - 0.55, -0.45), text))
    return found


def edges(tiers: list[Tier]) -> list[tuple[float, float, float, float]]:
    """Lines between drawn parts: each with all of the tier above; in three tiers within its pod, drawn as two pods."""
    top = tiers[0]
    joined = top.links_up > 0 and top.drawn == 2  # two leaves without a spine
    edges = [(top.place(0), 0.0, top.place(1), 0.0)] if joined else []
    for row, (above, tier) in enumerate(pairwise(tiers), start=1):
        pods = 2 if len(tiers) == 4 and row > 1 else 1
        edges += [
            (tier.place(low), float(row), above.place(high), row - 1.0)
            for low, high in product(range(tier.drawn), range(above.drawn))
            if low * pods // tier.drawn == high * pods // above.drawn
        ]
    return edges


def _diagram(tiers: list[Tier], network: FabricNetwork) -> alt.LayerChart:
    parts = pd.DataFrame(
        [(tier.place(index), float(row), tier.meaning, _tier_label(tier)) for row, tier in enumerate(tiers) for index in range(tier.drawn)],
        columns=["x", "y", "meaning", "label"],
    )
    texts = pd.DataFrame(
        [(row - 0.2, _tier_label(tier)) for row, tier in enumerate(tiers)] + _link_labels(tiers, network), columns=["y", "label"]
    )
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[len(tiers) - 0.8, -0.6], nice=False))
    lines = (
        alt.Chart(pd.DataFrame(edges(tiers), columns=["x", "y", "x2", "y2"]))
        .mark_rule(color=INK, opacity=0.3, aria=False)
        .encode(x=x, y=y, x2="x2:Q", y2="y2:Q")
    )
    nodes = (
        alt.Chart(parts)
        .mark_square(size=320, opacity=1)
        .encode(
            x=x,
            y=y,
            color=meaning_colour("meaning"),
            description=alt.Description("label:N"),
            tooltip=[alt.Tooltip("label:N", title=say("Tier"))],
        )
    )
    words = alt.Chart(texts).encode(x=alt.datum(0), y=y, text="label:N")
    halo = words.mark_text(align="left", baseline="middle", fontSize=FONT_SIZE, aria=False, stroke=BACKGROUND, strokeWidth=6)
    names = words.mark_text(align="left", baseline="middle", fontSize=FONT_SIZE, aria=False, color=INK)
    return layered([lines, nodes, halo, names], ROW * len(tiers))
