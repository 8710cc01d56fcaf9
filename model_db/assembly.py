"""From layers one by one to blocks with repeats, and the few pieces every text model starts and ends with."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from model_db.architecture import Block, Embedding, Layer, Linear, Norm


def run_length_blocks(layers: Iterable[tuple[str, tuple[Layer, ...]]]) -> tuple[Block, ...]:
    """Consecutive equal (name, layers) pairs as one `Block` with its repeat, in order; empty ones are left out."""
    runs = [(key, sum(1 for _ in group)) for key, group in groupby(layers)]
    return tuple(Block(name=name, layers=parts, repeat=repeat) for (name, parts), repeat in runs if parts)


def embedding_block(vocab: int, hidden: int, *extra: Layer) -> Block:
    """The token table, then position tables, norms or projections that follow it."""
    return Block(name="embedding", layers=(Embedding(rows=vocab, dim=hidden, name="embedding"), *extra))


def head_block(vocab: int, hidden: int, *, tied: bool, norm: Norm | None = None, bias: bool = False) -> Block:
    """The final norm and the language-model head; a tied head computes but holds no matrix of its own."""
    head = Linear(in_features=hidden, out_features=vocab, bias=bias, sharding="column", tied=tied, name="head")
    return Block(name="head", layers=(head,) if norm is None else (norm, head))
