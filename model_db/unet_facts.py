"""Published facts of the U-Net inside a latent-diffusion image generator, and its lowering: one stack a resolution."""

from __future__ import annotations

from model_db.architecture import Attention, Block, Conv, Frozen, Layer, Linear, Norm, Size, Stack


class UnetFacts(Frozen):
    """A latent-diffusion U-Net: `transformer_depth` transformer layers after every residual block of a level.

    middle_depth   the same at the bottom, where it differs from the last level's
    vector_dim     width of the vector that conditions beside the time step, where there is one
    """

    model_channels: Size
    channel_mult: tuple[Size, ...]
    transformer_depth: tuple[int, ...]
    num_res_blocks: Size
    head_dim: Size
    context_dim: Size
    context_tokens: Size
    vector_dim: Size | None = None
    latent_channels: Size
    latent_size: Size
    middle_depth: int | None = None

    def stacks(self) -> tuple[Stack, ...]:
        """U-Net of Stable Diffusion (arXiv:2112.10752, arXiv:2307.01952): one stack a resolution, and one for what works once an image."""
        net, side, channels = _UnetWalk(self), self.latent_size, self.model_channels
        levels = list(zip(self.channel_mult, self.transformer_depth, strict=True))
        net.add(side, "in", net.conv(self.latent_channels, channels, side))
        skips = [channels]
        for level, (mult, depth) in enumerate(levels):
            for _ in range(self.num_res_blocks):
                net.residual(channels, mult * self.model_channels, side)
                channels = mult * self.model_channels
                net.transformer(channels, depth, side)
                skips.append(channels)
            if level < len(levels) - 1:
                side //= 2
                net.add(side, "down", net.conv(channels, channels, side))
                skips.append(channels)
        net.residual(channels, channels, side)
        net.transformer(channels, levels[-1][1] if self.middle_depth is None else self.middle_depth, side)
        net.residual(channels, channels, side)
        for level, (mult, depth) in reversed(list(enumerate(levels))):
            for _ in range(self.num_res_blocks + 1):
                net.residual(channels + skips.pop(), mult * self.model_channels, side)
                channels = mult * self.model_channels
                net.transformer(channels, depth, side)
            if level:
                side *= 2
                net.add(side, "up", net.conv(channels, channels, side))
        net.add(side, "out", Norm(dim=channels, kind="group"), net.conv(channels, self.latent_channels, side))
        for in_features in (self.model_channels, *((self.vector_dim,) if self.vector_dim else ())):
            for width in (in_features, net.time_dim):
                net.add(0, "conditioning", Linear(in_features=width, out_features=net.time_dim, bias=True, name="conditioning"))
        return tuple(
            Stack(name=f"{side}x{side}" if side else "conditioning", blocks=tuple(blocks), positions=max(side * side, 1))
            for side, blocks in net.blocks.items()
        )


class _UnetWalk:
    """Collects the blocks of a U-Net by resolution while walking down, through the middle, and up."""

    def __init__(self, facts: UnetFacts) -> None:
        self.facts = facts
        self.time_dim = 4 * facts.model_channels
        self.blocks: dict[int, list[Block]] = {}

    def add(self, side: int, name: str, *layers: Layer) -> None:
        self.blocks.setdefault(side, []).append(Block(name=name, layers=layers))

    def conv(self, in_channels: int, out_channels: int, side: int, kernel: int = 3) -> Conv:
        return Conv(in_channels=in_channels, out_channels=out_channels, kernel=(kernel, kernel), bias=True, positions=side * side)

    def residual(self, in_channels: int, out_channels: int, side: int) -> None:
        skip = (self.conv(in_channels, out_channels, side, 1),) if in_channels != out_channels else ()
        self.add(
            side,
            "residual",
            Norm(dim=in_channels, kind="group"),
            self.conv(in_channels, out_channels, side),
            Norm(dim=out_channels, kind="group"),
            self.conv(out_channels, out_channels, side),
            *skip,
        )
        self.add(0, "time", Linear(in_features=self.time_dim, out_features=out_channels, bias=True, name="conditioning"))

    def transformer(self, channels: int, depth: int, side: int) -> None:
        if not depth:
            return
        heads, norm = channels // self.facts.head_dim, Norm(dim=channels, kind="layer")
        outer = Linear(in_features=channels, out_features=channels, bias=True, name="attention")
        shape = {"hidden": channels, "heads": heads, "kv_heads": heads, "head_dim": self.facts.head_dim, "out_bias": True}
        own = Attention(**shape, mask="bidirectional")
        cross = Attention(**shape, mask="cross", kv_hidden=self.facts.context_dim, kv_positions=self.facts.context_tokens)
        up = Linear(in_features=channels, out_features=8 * channels, bias=True, name="mlp")
        down = Linear(in_features=4 * channels, out_features=channels, bias=True, name="mlp")
        self.add(side, "transformer in", Norm(dim=channels, kind="group"), outer)
        layer = Block(name="transformer", layers=(norm, own, norm, cross, norm, up, down), repeat=depth)
        self.blocks[side].append(layer)
        self.add(side, "transformer out", outer)
