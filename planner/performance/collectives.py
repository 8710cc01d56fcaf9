"""Time of collective operations on a scale-up domain and a scale-out fabric (equation 3.4).

Alpha-beta model, one formula for all: a collective puts so many bytes on each device's link of a tier, in so many
dependent steps. A tier's stream takes the pipelined time `x + 2*sqrt(fill*x)` with x = bytes / achieved rate: chunks that
are small enough to fill the pipe early cost more steps, and the best chunk gives the square root. The two tiers of a
hierarchical collective stream at the same time; their steps add up (Thakur et al. 2005; Patarasuk and Yuan 2009).

Sizes, ranks and the columns of `Network` are arrays that broadcast. `ranks_in_domain` is how many of a group's ranks
share one scale-up domain; it divides `ranks`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.search.columns import FloatColumn

_NONE = np.float64(0.0)
_ONE = np.float64(1.0)
_NEVER = np.float64(np.inf)
Column = FloatColumn | np.float64


@dataclass(frozen=True, slots=True)
class Link:
    """One tier's link of one device, as columns; the defaults describe a non-blocking switch."""

    bytes_per_s: Column  # line rate, one direction
    fraction: Column  # share of the line rate that very large messages reach
    launch_s: Column  # fixed cost of one call
    step_s: Column  # latency of one dependent step
    fill_s: Column  # time constant of filling the pipeline with chunks
    direct_peers: Column = _ONE  # full mesh: links to so many peers; a group of n uses n-1 of them
    torus_axes: Column = _NONE  # axes of a torus that is filled four devices an axis at a time; 0 where there is none
    contention: Column = _NONE  # shared host bridges: the rate falls with (2/n)**contention
    switch_ranks: Column = _NEVER  # ranks from which the switches reduce
    switch_gain: Column = _ONE  # rate of an all-reduce in the switches over that of a ring
    blocking_ranks: Column = _NEVER  # ranks beyond which traffic crosses an oversubscribed tier
    oversubscription: Column = _ONE
    one_shot: Column = _NONE  # 1: kernels that read all peers at once serve small all-reduces

    def take(self, rows: NDArray[np.integer]) -> Link:
        """The links at `rows`, as columns; what is the same for all rows stays a scalar."""
        columns = {item.name: np.asarray(getattr(self, item.name)) for item in fields(self)}
        return Link(**{name: column[rows] if column.ndim else column for name, column in columns.items()})

    def rate_bytes_per_s(self, ranks: FloatColumn) -> FloatColumn:
        """Rate that each of `ranks` devices of one group reaches with large messages."""
        others = np.maximum(ranks - 1, 1)
        share = np.minimum(1, others / self.direct_peers)
        share = np.where(self.torus_axes > 0, np.minimum(1, np.log2(others + 1) / (2 * np.maximum(self.torus_axes, 1))), share)
        share = share * (2 / (others + 1)) ** self.contention
        share = np.where(ranks > self.blocking_ranks, share / self.oversubscription, share)
        return np.asarray(self.bytes_per_s * self.fraction * share)

    def stream_s(self, wire_bytes: FloatColumn, ranks: FloatColumn) -> FloatColumn:
        """Time to move `wire_bytes` over this device's link without the steps' latency."""
        x = wire_bytes / self.rate_bytes_per_s(ranks)
        return np.asarray(x + 2 * np.sqrt(self.fill_s * x))


@dataclass(frozen=True, slots=True)
class Network:
    """The two tiers a device sees."""

    scale_up: Link
    scale_out: Link

    def take(self, rows: NDArray[np.integer]) -> Network:
        """The networks at `rows` of the platforms."""
        return Network(self.scale_up.take(rows), self.scale_out.take(rows))


def all_reduce_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time to sum `size_bytes` over all ranks and leave the sum everywhere: reduce-scatter inside, all-reduce across,
    all-gather inside (equation 3.4). Each tier takes the better of ring and double tree; in-switch reduction where it
    exists; one-shot kernels for small sizes inside a domain.
    """
    size, n, g, domains = _group(size_bytes, ranks, ranks_in_domain)
    up_steps, up_wire = _ring_or_tree(size, g, network.scale_up)
    out_steps, out_wire = _ring_or_tree(size / g, domains, network.scale_out)
    up_wire = up_wire / np.where(g >= network.scale_up.switch_ranks, network.scale_up.switch_gain, 1)
    out_wire = out_wire / np.where(domains >= network.scale_out.switch_ranks, network.scale_out.switch_gain, 1)
    two_tier = _time_s(network, n, g, (up_steps, up_wire), (out_steps, out_wire))
    one_shot = _time_s(network, n, g, (np.sign(g - 1), size * (g - 1)), (_zero(n), _zero(n)))
    return np.where((network.scale_up.one_shot > 0) & (g == n), np.minimum(one_shot, two_tier), two_tier)


def all_gather_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time until every rank holds all `size_bytes`, of which each brought 1/ranks (equation 3.4)."""
    size, n, g, domains = _group(size_bytes, ranks, ranks_in_domain)
    return _time_s(network, n, g, (g - 1, size * (g - 1) / g), (domains - 1, size / g * (domains - 1) / domains))


def reduce_scatter_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time to sum `size_bytes` over all ranks and leave 1/ranks of the sum on each: an all-gather run backwards."""
    return all_gather_s(size_bytes, ranks, ranks_in_domain, network)


def all_to_all_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time for each rank to send 1/ranks of its `size_bytes` to every rank: the share (g-1)/n stays in the domain, the
    share (n-g)/n crosses the NIC (equation 3.4). On a torus, messages travel a quarter of each axis on average.
    """
    size, n, g, domains = _group(size_bytes, ranks, ranks_in_domain)
    axes = np.maximum(network.scale_up.torus_axes, 1)
    hops = np.where(network.scale_up.torus_axes > 0, np.maximum(1, axes * g ** (1 / axes) / 4), 1)
    up = (np.log2(g), size * (g - 1) / n * hops)
    return _time_s(network, n, g, up, (np.log2(domains), size * (n - g) / n))


def broadcast_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time until every rank holds the `size_bytes` of one: a pipelined tree whose domains share the NICs of all ranks."""
    size, n, g, domains = _group(size_bytes, ranks, ranks_in_domain)
    out = np.where(domains > 1, size / g, 0)
    return _time_s(network, n, g, (np.log2(g), np.where(g > 1, size, 0)), (np.log2(domains), out))


def point_to_point_s(size_bytes: ArrayLike, within_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time to send `size_bytes` to one peer, inside the scale-up domain or over the fabric."""
    size = np.asarray(size_bytes, dtype=np.float64)
    inside = np.asarray(within_domain, dtype=np.bool_)
    two = np.full_like(size, 2.0)
    up = network.scale_up.launch_s + network.scale_up.step_s + network.scale_up.stream_s(size, two)
    out = network.scale_out.launch_s + network.scale_out.step_s + network.scale_out.stream_s(size, two)
    return np.where(inside, up, out)


def _group(
    size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike
) -> tuple[FloatColumn, FloatColumn, FloatColumn, FloatColumn]:
    """Size, ranks, ranks in a domain and domains as float columns."""
    n = np.asarray(ranks, dtype=np.float64)
    g = np.minimum(np.asarray(ranks_in_domain, dtype=np.float64), n)
    return np.asarray(size_bytes, dtype=np.float64), n, g, n / g


def _zero(like: FloatColumn) -> FloatColumn:
    return np.zeros_like(like)


def _ring_or_tree(size: FloatColumn, n: FloatColumn, link: Link) -> tuple[FloatColumn, FloatColumn]:
    """Steps and bytes on the wire of the faster of ring and double binary tree."""
    ring_steps, ring_wire = 2 * (n - 1), 2 * size * (n - 1) / n
    tree_steps, tree_wire = 2 * np.log2(n), np.where(n > 1, 2 * size, 0)
    saved_s = (ring_steps - tree_steps) * link.step_s
    tree = saved_s > (tree_wire - ring_wire) / link.rate_bytes_per_s(n)
    return np.where(tree, tree_steps, ring_steps), np.where(tree, tree_wire, ring_wire)


def _time_s(
    network: Network,
    ranks: FloatColumn,
    ranks_in_domain: FloatColumn,
    up: tuple[FloatColumn, FloatColumn],
    out: tuple[FloatColumn, FloatColumn],
) -> FloatColumn:
    """Time of (steps, bytes on the wire) on each tier: launch, all steps, and the longer of the two streams."""
    domains = ranks / ranks_in_domain
    crosses, inside = domains > 1, ranks_in_domain > 1
    launch = np.where(crosses, network.scale_out.launch_s, np.where(inside, network.scale_up.launch_s, 0))
    steps = up[0] * network.scale_up.step_s + out[0] * network.scale_out.step_s
    stream_up = np.where(inside, network.scale_up.stream_s(up[1], ranks_in_domain), 0)
    # blocking_ranks counts devices, so the fabric is asked with the whole group
    stream_out = np.where(crosses, network.scale_out.stream_s(out[1], ranks), 0)
    return np.asarray(launch + steps + np.maximum(stream_up, stream_out))
