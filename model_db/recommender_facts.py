"""Published facts of a deep learning recommendation model, and their lowering to one stack: work is counted a sample."""

from __future__ import annotations

from model_db.architecture import Block, Embedding, Frozen, Layer, Linear, Size, Stack


class RecommenderFacts(Frozen):
    """A DLRM with cross layers (DLRM-DCNv2): tables beside a dense network, low-rank crosses, a network on top.

    rows     rows of each table of categories
    lookups  rows that a sample reads of each table
    """

    rows: tuple[Size, ...]
    lookups: tuple[Size, ...] = ()
    dim: Size
    dense_features: Size
    bottom: tuple[Size, ...]
    cross_layers: Size
    cross_rank: Size
    top: tuple[Size, ...]

    def stacks(self) -> tuple[Stack, ...]:
        """Tables, dense features up to the tables' width, crosses of all of them, and the network that scores."""
        tables = tuple(Embedding(rows=rows, dim=self.dim, name="tables") for rows in self.rows)
        joined = (len(self.rows) + 1) * self.dim
        cross = (
            Linear(in_features=joined, out_features=self.cross_rank, name="crosses"),
            Linear(in_features=self.cross_rank, out_features=joined, bias=True, name="crosses"),
        )
        blocks = (
            Block(name="tables", layers=tables),
            Block(name="bottom", layers=_dense(self.dense_features, self.bottom, "bottom")),
            Block(name="cross", layers=cross, repeat=self.cross_layers),
            Block(name="top", layers=_dense(joined, self.top, "top")),
        )
        return (Stack(name="recommender", blocks=blocks, positions=1),)

    @property
    def rows_read(self) -> int:
        """Rows a sample reads: these bytes, not FLOPs, bound a recommender."""
        return sum(self.lookups) if self.lookups else len(self.rows)


def _dense(features: int, widths: tuple[int, ...], name: str) -> tuple[Layer, ...]:
    sizes = (features, *widths)
    return tuple(Linear(in_features=old, out_features=new, bias=True, name=name) for old, new in zip(sizes, widths, strict=False))
