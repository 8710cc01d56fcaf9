"""Time of collective operations on a scale-up domain and a scale-out fabric (equation 3.4).

Alpha-beta model, one formula for all: a collective puts so many bytes on each device's link of a tier, in so many
dependent steps. A tier's stream takes the pipelined time `x + 2*sqrt(fill*x)` with x = bytes / achieved rate: small chunks
fill the pipe early but cost more steps, and the best chunk gives the square root. The two tiers of a hierarchical
collective stream at the same time; their steps add up (Thakur et al. 2005; Patarasuk and Yuan 2009).

Sizes, ranks and the columns of `Network` are arrays that broadcast. `ranks_in_domain` is how many of a group's ranks
share one scale-up domain; it divides `ranks`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.search.columns import FloatColumn

Column = FloatColumn | np.float64
StepsAndBytes = tuple[FloatColumn, FloatColumn]  # dependent steps, bytes on the wire of each device

_ZERO, _ONE, _NEVER = np.float64(0.0), np.float64(1.0), np.float64(np.inf)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Columns of one length; a column that is the same for all rows may be a scalar."""

    def take(self, rows: NDArray[np.integer]) -> Self:
        """The columns at `rows`; scalars stay scalars."""
        columns = {item.name: np.asarray(getattr(self, item.name)) for item in fields(self)}
        return type(self)(**{name: column.take(rows) if column.ndim else column for name, column in columns.items()})


@dataclass(frozen=True, slots=True)
class Link(_Rows):
    """One tier's link of one device; the defaults describe a non-blocking switch."""

    bytes_per_s: Column  # line rate, one direction
    fraction: Column  # share of the line rate that very large messages reach
    launch_s: Column  # fixed cost of one call
    step_s: Column  # latency of one dependent step
    fill_s: Column  # time constant of filling the pipeline with chunks
    direct_peers: Column = _ONE  # full mesh: links to so many peers; a group of n uses n-1 of them
    torus_axes: Column = _ZERO  # axes of a torus, filled four devices an axis before the next; 0 where there is none
    contention: Column = _ZERO  # shared host bridges: the rate falls with (2/n)**contention
    switch_ranks: Column = _NEVER  # ranks from which the switches reduce
    switch_gain: Column = _ONE  # rate of an all-reduce in the switches over that of a ring
    blocking_ranks: Column = _NEVER  # ranks beyond which traffic crosses an oversubscribed tier
    oversubscription: Column = _ONE

    def rate_bytes_per_s(self, ranks: FloatColumn) -> FloatColumn:
        """Rate that each of `ranks` devices of one group reaches with large messages."""
        n = np.maximum(ranks, 2)
        share = np.minimum(1, (n - 1) / self.direct_peers)
        share = np.where(self.torus_axes > 0, np.minimum(1, np.log2(n) / (2 * np.maximum(self.torus_axes, 1))), share)
        share = np.where(self.contention > 0, share * (2 / n) ** self.contention, share)
        share = np.where(n > self.blocking_ranks, share / self.oversubscription, share)
        return np.asarray(self.bytes_per_s * self.fraction * share)

    def ring_steps(self, ranks: FloatColumn) -> FloatColumn:
        """Dependent steps around a ring of all ranks; on a torus half of each axis, both ways at once."""
        axes = np.maximum(self.torus_axes, 1)
        return np.where(self.torus_axes > 0, np.minimum(ranks - 1, axes * ranks ** (1 / axes) / 2), ranks - 1)


@dataclass(frozen=True, slots=True)
class FusedKernel(_Rows):
    """All-reduce kernels of a serving engine inside one domain, which read the peers' memory directly."""

    fraction: Column = _ONE
    launch_s: Column = _ZERO
    barrier_s: Column = _ZERO  # between the two halves of the two-shot form
    limit_bytes: Column = _ZERO  # larger messages go to the library
    limit_ranks: Column = _ZERO


@dataclass(frozen=True, slots=True)
class Network:
    """What a device sees: the link inside its domain, the link of its NIC, and the engine's own kernels."""

    scale_up: Link
    scale_out: Link
    fused: FusedKernel = field(default_factory=FusedKernel)

    def take(self, rows: NDArray[np.integer]) -> Network:
        """The networks at `rows` of the platforms."""
        places = np.asarray(rows, dtype=np.intp)
        return Network(self.scale_up.take(places), self.scale_out.take(places), self.fused.take(places))


def all_reduce_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time to sum `size_bytes` over all ranks and leave the sum everywhere: reduce-scatter inside, all-reduce across,
    all-gather inside (equation 3.4). Rings inside a domain, the better of ring and double tree across; in-switch
    reduction and the engine's own kernels where they exist.
    """
    size, n, g, domains = _group(size_bytes, ranks, ranks_in_domain)
    up, out = network.scale_up, network.scale_out
    up_wire = 2 * size * (g - 1) / g / np.where(g >= up.switch_ranks, up.switch_gain, 1)
    ring_steps, ring_wire = 2 * out.ring_steps(domains), 2 * size / g * (domains - 1) / domains
    tree_steps, tree_wire = 2 * np.log2(domains), 2 * size / g
    tree = (ring_steps - tree_steps) * out.step_s > (tree_wire - ring_wire) / out.rate_bytes_per_s(n)
    across = (np.where(tree, tree_steps, ring_steps), np.where(tree, tree_wire, ring_wire))
    library = _time_s(network, n, g, (2 * up.ring_steps(g), up_wire), across)
    fused = (g == n) & (n > 1) & (size <= network.fused.limit_bytes) & (n <= network.fused.limit_ranks)
    return np.where(fused, _fused_all_reduce_s(size, n, network), library)


def all_gather_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time until every rank holds all `size_bytes`, of which each brought 1/ranks (equation 3.4)."""
    size, n, g, domains = _group(size_bytes, ranks, ranks_in_domain)
    inside = (network.scale_up.ring_steps(g), size * (g - 1) / g)
    return _time_s(network, n, g, inside, (network.scale_out.ring_steps(domains), size / g * (domains - 1) / domains))


def reduce_scatter_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time to sum `size_bytes` over all ranks and leave 1/ranks of the sum on each: an all-gather run backwards."""
    return all_gather_s(size_bytes, ranks, ranks_in_domain, network)


def all_to_all_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time for each rank to send 1/ranks of its `size_bytes` to every rank: the share (g-1)/n stays in the domain, the
    share (n-g)/n crosses the NIC (equation 3.4).
    """
    size, n, g, domains = _group(size_bytes, ranks, ranks_in_domain)
    inside = (np.log2(g), size * (g - 1) / n * _torus_hops(g, network.scale_up))
    return _time_s(network, n, g, inside, (np.log2(domains), size * (n - g) / n))


def expert_exchange_s(
    tokens: ArrayLike,
    token_bytes: ArrayLike,
    experts_per_token: ArrayLike,
    ranks: ArrayLike,
    ranks_in_domain: ArrayLike,
    network: Network,
) -> FloatColumn:
    """Time to bring each rank's `tokens` to the ranks of their experts, or their results back (equation 3.4).

    A token crosses the fabric once to each other domain that holds one of its experts, (N-1)*(1-(1-1/N)^K) in
    expectation, and is handed on inside to each rank that does.
    """
    sent, n, g, domains = _group(np.asarray(tokens, dtype=np.float64) * np.asarray(token_bytes), ranks, ranks_in_domain)
    k = np.asarray(experts_per_token, dtype=np.float64)
    across = sent * (domains - 1) * (1 - (1 - 1 / domains) ** k)
    inside = sent * n * (1 - (1 - 1 / n) ** k) * (g - 1) / g * _torus_hops(g, network.scale_up)
    return _time_s(network, n, g, (np.log2(g), inside), (np.log2(domains), across))


def broadcast_s(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time until every rank holds the `size_bytes` of one: a pipelined tree whose domains share the NICs of all ranks."""
    size, n, g, domains = _group(size_bytes, ranks, ranks_in_domain)
    return _time_s(network, n, g, (np.log2(g), size), (np.log2(domains), size / g))


def point_to_point_s(size_bytes: ArrayLike, within_domain: ArrayLike, network: Network) -> FloatColumn:
    """Time to send `size_bytes` to one peer, inside the scale-up domain or over the fabric."""
    size, inside = np.asarray(size_bytes, dtype=np.float64), np.asarray(within_domain, dtype=np.bool_)
    pair = np.float64(2)
    up, out = (link.launch_s + link.step_s + _stream_s(size, pair, link) for link in (network.scale_up, network.scale_out))
    return np.where(inside, up, out)


def _group(size_bytes: ArrayLike, ranks: ArrayLike, ranks_in_domain: ArrayLike) -> tuple[FloatColumn, ...]:
    """Size, ranks, ranks in a domain, domains as float columns."""
    n = np.asarray(ranks, dtype=np.float64)
    g = np.minimum(np.asarray(ranks_in_domain, dtype=np.float64), n)
    return np.asarray(size_bytes, dtype=np.float64), n, g, n / g


def _stream_s(wire_bytes: FloatColumn, ranks: Column, link: Link) -> FloatColumn:
    """Time to move `wire_bytes` over a device's link, without the latency of the steps."""
    x = wire_bytes / link.rate_bytes_per_s(np.asarray(ranks))
    return np.asarray(x + 2 * np.sqrt(link.fill_s * x))


def _torus_hops(ranks: FloatColumn, link: Link) -> FloatColumn:
    """Links that a message to a random other rank crosses: a quarter of each axis of a torus; 1 elsewhere."""
    axes, n = np.maximum(link.torus_axes, 1), np.maximum(ranks, 2)
    return np.where(link.torus_axes > 0, np.maximum(1, axes * n ** (1 / axes) / 4 * n / (n - 1)), 1)


def _fused_all_reduce_s(size: FloatColumn, n: FloatColumn, network: Network) -> FloatColumn:
    """The better of one shot (read all of every peer) and two shots (reduce a share each, read the shares)."""
    kernel = network.fused
    rate = network.scale_up.rate_bytes_per_s(n) / network.scale_up.fraction * kernel.fraction
    one_shot = size * (n - 1) / rate
    two_shot = kernel.barrier_s + 2 * size * (n - 1) / n / rate
    return np.asarray(kernel.launch_s + np.minimum(one_shot, two_shot))


def _time_s(network: Network, n: FloatColumn, g: FloatColumn, inside: StepsAndBytes, across: StepsAndBytes) -> FloatColumn:
    """Launch, the steps of both tiers, and the longer of the two streams. `blocking_ranks` counts devices, so the fabric
    is asked for its rate with the whole group.
    """
    up, out = network.scale_up, network.scale_out
    has_inside, has_across = g > 1, n > g
    launch = np.where(has_across, out.launch_s, np.where(has_inside, up.launch_s, 0))
    steps = np.where(has_inside, inside[0] * up.step_s, 0) + np.where(has_across, across[0] * out.step_s, 0)
    streams = np.maximum(np.where(has_inside, _stream_s(inside[1], g, up), 0), np.where(has_across, _stream_s(across[1], n, out), 0))
    return np.asarray(launch + steps + streams)
