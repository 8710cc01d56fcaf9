"""Published facts of convolutional networks and diffusion transformers, and their lowering to stacks.

Work is counted for one image of the stated size, so each stack has its number of positions.
"""

from __future__ import annotations

from model_db.architecture import Attention, Block, Conv, Frozen, Layer, Linear, Mlp, Norm, Size, Stack


class ResnetFacts(Frozen):
    """A bottleneck ResNet: `blocks` of each of the four stages."""

    blocks: tuple[Size, ...]
    image_size: Size = 224
    classes: Size = 1000

    def stacks(self) -> tuple[Stack, ...]:
        """ResNet v1.5 (arXiv:1512.03385, stride in the 3x3 convolution): bottlenecks of 1x1, 3x3 and 1x1 convolutions."""

        def conv(in_channels: int, out_channels: int, kernel: int, side: int) -> tuple[Layer, Layer]:
            layer = Conv(in_channels=in_channels, out_channels=out_channels, kernel=(kernel, kernel), positions=side * side)
            return layer, Norm(dim=out_channels, kind="batch")

        side = self.image_size // 2
        blocks = [Block(name="stem", layers=conv(3, 64, 7, side))]
        side //= 2  # max pooling
        in_channels = 64
        for stage, count in enumerate(self.blocks):
            width, out = 64 << stage, 256 << stage
            entry_side = side
            side = side if stage == 0 else side // 2
            first = (
                *conv(in_channels, width, 1, entry_side),
                *conv(width, width, 3, side),
                *conv(width, out, 1, side),
                *conv(in_channels, out, 1, side),
            )
            rest = (*conv(out, width, 1, side), *conv(width, width, 3, side), *conv(width, out, 1, side))
            blocks.append(Block(name=f"stage {stage + 1} first", layers=first))
            blocks += [Block(name=f"stage {stage + 1}", layers=rest, repeat=count - 1)] if count > 1 else []
            in_channels = out
        head = Linear(in_features=in_channels, out_features=self.classes, bias=True, name="classifier")
        blocks.append(Block(name="classifier", layers=(head,)))
        return (Stack(name="image", blocks=tuple(blocks), positions=1),)


class FluxFacts(Frozen):
    """A diffusion transformer with double blocks (own weights for image and text) and single blocks (shared)."""

    hidden: Size
    heads: Size
    head_dim: Size
    double_blocks: Size
    single_blocks: Size
    mlp_ratio: Size
    in_channels: Size
    context_dim: Size
    pooled_dim: Size
    time_dim: Size
    guidance: bool
    image_tokens: Size
    text_tokens: Size

    def stacks(self) -> tuple[Stack, ...]:
        """FLUX.1 transformer: image and text tokens meet in joint attention; modulation works once an image."""
        h, inner = self.hidden, self.mlp_ratio * self.hidden
        joint_tokens = self.image_tokens + self.text_tokens

        def linear(in_features: int, out_features: int, name: str = "") -> Linear:
            return Linear(in_features=in_features, out_features=out_features, bias=True, name=name)

        def embedder(in_features: int) -> tuple[Layer, ...]:
            return linear(in_features, h, "conditioning"), linear(h, h, "conditioning")

        head_norms = (Norm(dim=self.head_dim), Norm(dim=self.head_dim))
        own = (linear(h, 3 * h, "attention"), *head_norms, linear(h, h, "attention"), Mlp(hidden=h, ffn=inner, gated=False, bias=True))
        core = Attention(hidden=h, heads=self.heads, kv_heads=self.heads, head_dim=self.head_dim, mask="bidirectional", projections=False)
        single = (linear(h, 3 * h + inner, "single block"), *head_norms, linear(h + inner, h, "single block"), core)
        conditioning = (
            *embedder(self.time_dim),
            *embedder(self.pooled_dim),
            *(embedder(self.time_dim) if self.guidance else ()),
        )
        modulation = linear(h, 6 * h, "modulation")
        image = (
            Block(name="in", layers=(linear(self.in_channels, h, "in"),)),
            Block(name="double", layers=own, repeat=self.double_blocks),
            Block(name="out", layers=(linear(h, self.in_channels, "out"),)),
        )
        text = (Block(name="in", layers=(linear(self.context_dim, h, "in"),)), Block(name="double", layers=own, repeat=self.double_blocks))
        joint = (
            Block(name="joint attention", layers=(core,), repeat=self.double_blocks),
            Block(name="single", layers=single, repeat=self.single_blocks),
        )
        once = (
            Block(name="conditioning", layers=conditioning),
            Block(name="modulation, double", layers=(modulation, modulation), repeat=self.double_blocks),
            Block(name="modulation, single", layers=(linear(h, 3 * h, "modulation"),), repeat=self.single_blocks),
            Block(name="modulation, out", layers=(linear(h, 2 * h, "modulation"),)),
        )
        return (
            Stack(name="image tokens", blocks=image, positions=self.image_tokens),
            Stack(name="text tokens", blocks=text, positions=self.text_tokens),
            Stack(name="joint", blocks=joint, positions=joint_tokens),
            Stack(name="conditioning", blocks=once, positions=1),
        )
