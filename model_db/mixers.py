"""Mixers that are several layers: attention over merged positions (DeepSeek-V4), Kimi delta attention, hyper-connections.

Their projections are ordinary linears; an attention core without projections, or a state, says what a sequence keeps.
"""

from __future__ import annotations

from model_db.architecture import Attention, Conv, Layer, Linear, Norm, Parameter, State


def _linear(in_features: int, out_features: int, name: str = "attention") -> Linear:
    return Linear(in_features=in_features, out_features=out_features, name=name)


def _vector(*shape: int, name: str = "attention") -> Parameter:
    return Parameter(shape=shape, name=name)


def compressed_attention(
    hidden: int,
    heads: int,
    head_dim: int,
    q_rank: int,
    out_groups: int,
    out_rank: int,
    window: int,
    ratio: int,
    index: tuple[int, int, int] | None,
) -> tuple[Layer, ...]:
    """Attention with one shared key-value head that sees a window and, if `ratio`, every `ratio` earlier positions merged in one.

    index   (heads, head dimension, top-k) of the indexer that picks merged positions; a compressor with an indexer
            merges overlapping groups and is twice as wide
    """
    core = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=1,
        head_dim=head_dim,
        shared_kv=True,
        window=window,
        kv_ratio=max(ratio, 1),
        sinks=True,
        projections=False,
        index_heads=index[0] if index else 0,
        index_dim=index[1] if index else 0,
        index_top_k=index[2] if index else 0,
    )
    query = (_linear(hidden, q_rank), Norm(dim=q_rank), _linear(q_rank, heads * head_dim))
    key_value = (_linear(hidden, head_dim), Norm(dim=head_dim))
    out = (_linear(heads * head_dim // out_groups, out_groups * out_rank), _linear(out_groups * out_rank, hidden))
    layers: tuple[Layer, ...] = (*query, *key_value, core, *out)
    if not ratio:
        return layers
    width = 2 * head_dim if index else head_dim
    layers += (_linear(hidden, width), _linear(hidden, width), _vector(ratio, width), Norm(dim=head_dim))
    if index is None:
        return layers
    index_heads, index_dim, _ = index
    gates = (_linear(hidden, 2 * index_dim), _linear(hidden, 2 * index_dim), _vector(ratio, 2 * index_dim), Norm(dim=index_dim))
    return (*layers, *gates, _linear(q_rank, index_heads * index_dim), _linear(hidden, index_heads))


def hyper_connection(hidden: int, streams: int) -> tuple[Layer, ...]:
    """Mixes `streams` residual streams before and after one sublayer (arXiv:2409.19606)."""
    weights = (2 + streams) * streams
    return _linear(streams * hidden, weights, "hyper_connections"), _vector(weights, name="hyper_connections")


def kimi_delta_attention(hidden: int, heads: int, head_dim: int, conv: int) -> tuple[Layer, ...]:
    """Kimi delta attention (arXiv:2510.26692): a gated delta rule with a decay per channel, full-rank output gate."""
    width = heads * head_dim
    short_conv = Conv(in_channels=3 * width, out_channels=3 * width, kernel=(conv,), groups=3 * width)
    return (
        _linear(hidden, 3 * width, "linear_attention"),
        short_conv,
        _linear(hidden, head_dim, "linear_attention"),
        _linear(head_dim, width, "linear_attention"),
        _linear(hidden, heads, "linear_attention"),
        _linear(hidden, width, "linear_attention"),
        _vector(2, width, name="linear_attention"),
        State(elements=heads * head_dim * head_dim, flops_per_token=8 * heads * head_dim * head_dim),
        _linear(width, hidden, "linear_attention"),
    )
