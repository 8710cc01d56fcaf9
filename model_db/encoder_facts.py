"""Published facts of encoders, encoder-decoders and dual encoders, and their lowering to stacks (equations 1.1)."""

from __future__ import annotations

from typing import Literal

from model_db.architecture import (
    Attention,
    Block,
    Conv,
    Count,
    Embedding,
    Frozen,
    Layer,
    Linear,
    Mlp,
    Norm,
    Parameter,
    Size,
    Stack,
)
from model_db.assembly import embedding_block, head_block


def _transformer_layer(
    hidden: int, heads: int, ffn_dim: int, mask: Literal["causal", "bidirectional"] = "bidirectional"
) -> tuple[Layer, ...]:
    """A post- or pre-norm layer with biases everywhere: the same parameters either way."""
    return (Norm(dim=hidden, kind="layer"), self_attention(hidden, heads, mask), *_feed_forward(hidden, ffn_dim))


def self_attention(hidden: int, heads: int, mask: Literal["causal", "bidirectional", "cross"], *, k_bias: bool = True) -> Attention:
    """Multi-head attention with biases; Whisper's keys have none."""
    return Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        mask=mask,
        q_bias=True,
        k_bias=k_bias,
        v_bias=True,
        out_bias=True,
    )


def _feed_forward(hidden: int, ffn_dim: int) -> tuple[Layer, ...]:
    return Norm(dim=hidden, kind="layer"), Mlp(hidden=hidden, ffn=ffn_dim, gated=False, bias=True)


class EncoderFacts(Frozen):
    """A text encoder of the BERT family; `labels` adds the head of a cross-encoder instead of the pooler."""

    layers: Size
    hidden: Size
    heads: Size
    ffn_dim: Size
    vocab: Size
    learned_positions: Size
    type_vocab: Size
    labels: Count = 0

    def stacks(self) -> tuple[Stack, ...]:
        """BERT: three summed tables, layers, pooler; a cross-encoder ends in a dense layer and `labels` scores."""
        h = self.hidden
        tables = (
            Embedding(rows=self.learned_positions, dim=h, name="position"),
            Embedding(rows=self.type_vocab, dim=h, name="position"),
            Norm(dim=h, kind="layer"),
        )
        layers = Block(name="layer", layers=_transformer_layer(h, self.heads, self.ffn_dim), repeat=self.layers)
        ends: tuple[Layer, ...] = (Linear(in_features=h, out_features=h, bias=True, name="pooler"),)
        if self.labels:
            ends += (Linear(in_features=h, out_features=self.labels, bias=True, name="pooler"),)
        return (
            Stack(name="encoder", blocks=(embedding_block(self.vocab, h, *tables), layers)),
            Stack(name="pooler", blocks=(Block(name="pooler", layers=ends),), positions=1),
        )


class T5Facts(Frozen):
    """A T5: encoder and, if `decoder_layers`, decoder; `head_dim * heads` may differ from `hidden`."""

    encoder_layers: Size
    decoder_layers: Count
    hidden: Size
    heads: Size
    head_dim: Size
    ffn_dim: Size
    vocab: Size
    gated_mlp: bool = False
    relative_buckets: Size = 32
    tie_embeddings: bool = True

    def stacks(self) -> tuple[Stack, ...]:
        """T5: no biases, RMS norms, relative position buckets once a stack; the embedding is shared by both stacks."""
        norm = Norm(dim=self.hidden)
        mlp = Mlp(hidden=self.hidden, ffn=self.ffn_dim, gated=self.gated_mlp)
        buckets = Parameter(shape=(self.relative_buckets, self.heads), name="position")

        def attention(mask: Literal["causal", "bidirectional", "cross"]) -> Attention:
            return Attention(hidden=self.hidden, heads=self.heads, kv_heads=self.heads, head_dim=self.head_dim, mask=mask)

        encoder = Stack(
            name="encoder",
            blocks=(
                embedding_block(self.vocab, self.hidden, buckets),
                Block(name="layer", layers=(norm, attention("bidirectional"), norm, mlp), repeat=self.encoder_layers),
                Block(name="norm", layers=(norm,)),
            ),
        )
        if not self.decoder_layers:
            return (encoder,)
        decoder = Stack(
            name="decoder",
            blocks=(
                Block(name="position", layers=(buckets,)),
                Block(
                    name="layer",
                    layers=(norm, attention("causal"), norm, attention("cross"), norm, mlp),
                    repeat=self.decoder_layers,
                ),
                head_block(self.vocab, self.hidden, tied=self.tie_embeddings, norm=norm),
            ),
        )
        return encoder, decoder


class WhisperFacts(Frozen):
    """A Whisper: two convolutions and an encoder over a fixed window of sound, a decoder over text."""

    encoder_layers: Size
    decoder_layers: Size
    hidden: Size
    heads: Size
    ffn_dim: Size
    vocab: Size
    mel_bins: Size
    encoder_positions: Size
    decoder_positions: Size

    def stacks(self) -> tuple[Stack, ...]:
        """Whisper: keys without bias; the stored file also holds the fixed encoder positions."""
        h, norm = self.hidden, Norm(dim=self.hidden, kind="layer")
        feed_forward = _feed_forward(h, self.ffn_dim)
        frames = 2 * self.encoder_positions
        front = (
            Conv(in_channels=self.mel_bins, out_channels=h, kernel=(3,), bias=True, positions=frames),
            Conv(in_channels=h, out_channels=h, kernel=(3,), bias=True, positions=self.encoder_positions),
            Embedding(rows=self.encoder_positions, dim=h, name="position"),
        )
        encoder_layer = (norm, self_attention(h, self.heads, "bidirectional", k_bias=False), *feed_forward)
        decoder_layer = (
            norm,
            self_attention(h, self.heads, "causal", k_bias=False),
            norm,
            self_attention(h, self.heads, "cross", k_bias=False).model_copy(update={"kv_positions": self.encoder_positions}),
            *feed_forward,
        )
        return (
            Stack(
                name="encoder",
                blocks=(
                    Block(name="front", layers=front),
                    Block(name="layer", layers=encoder_layer, repeat=self.encoder_layers),
                    Block(name="norm", layers=(norm,)),
                ),
                positions=self.encoder_positions,
            ),
            Stack(
                name="decoder",
                blocks=(
                    embedding_block(self.vocab, h, Embedding(rows=self.decoder_positions, dim=h, name="position")),
                    Block(name="layer", layers=decoder_layer, repeat=self.decoder_layers),
                    head_block(self.vocab, h, tied=True, norm=norm),
                ),
            ),
        )


class TowerFacts(Frozen):
    """A vision transformer over patches of one image; also the vision tower of a multimodal model."""

    layers: Size
    hidden: Size
    heads: Size
    ffn_dim: Size
    patch: Size
    image_size: Size
    temporal_patch: Size = 1
    norm: Literal["rmsnorm", "layernorm"] = "layernorm"
    norms_per_layer: Size = 2
    gated_mlp: bool = False
    biases: bool = True  # of every projection and feed-forward
    qk_norm: Literal["per_head"] | None = None
    patch_bias: bool = True
    class_token: bool = False
    learned_positions: Count | None = None  # None: one a patch and class token
    pre_norm: bool = False
    post_norm: bool = True
    classes: Count = 0  # of the classifier
    projector: tuple[Layer, ...] = ()  # merger, adapter and projection to the text model
    image_tokens: Size | None = None  # positions the projector works on; None: all
    per_image: tuple[Layer, ...] = ()  # works on one vector an image

    def stacks(self, name: str = "image", *, tower: bool = False) -> tuple[Stack, ...]:
        """A vision transformer: patches, layers, and what follows for every position or once an image."""
        h = self.hidden
        patches = (self.image_size // self.patch) ** 2
        positions = patches + self.class_token
        norm = Norm(dim=h, kind="rms" if self.norm == "rmsnorm" else "layer")
        kernel = (self.patch, self.patch) if self.temporal_patch == 1 else (self.temporal_patch, self.patch, self.patch)
        rows = positions if self.learned_positions is None else self.learned_positions
        front: list[Layer] = [Conv(in_channels=3, out_channels=h, kernel=kernel, bias=self.patch_bias, positions=patches, name="patch")]
        front += [Parameter(shape=(h,), name="class token")] if self.class_token else []
        front += [Embedding(rows=rows, dim=h, name="position")] if rows else []
        front += [norm] if self.pre_norm else []
        attention = self_attention(h, self.heads, "bidirectional").model_copy(
            update={
                **dict.fromkeys(("q_bias", "k_bias", "v_bias", "out_bias"), self.biases),
                "qk_norm": "head" if self.qk_norm else "none",
            }
        )
        mlp = Mlp(hidden=h, ffn=self.ffn_dim, gated=self.gated_mlp, bias=self.biases)
        layer = (*(norm,) * self.norms_per_layer, attention, mlp)
        blocks = [Block(name="patch", layers=tuple(front)), Block(name="layer", layers=layer, repeat=self.layers)]
        blocks += [Block(name="norm", layers=(norm,))] if self.post_norm else []
        last = (
            *((Linear(in_features=h, out_features=self.classes, bias=True, name="classifier"),) if self.classes else ()),
            *self.per_image,
        )
        stacks = [Stack(name=name, blocks=tuple(blocks), positions=positions, tower=tower)]
        if self.projector:
            projector = Block(name="projector", layers=self.projector)
            stacks.append(Stack(name=f"{name} projector", blocks=(projector,), positions=self.image_tokens or positions, tower=tower))
        if last:
            stacks.append(Stack(name=f"{name} head", blocks=(Block(name="head", layers=last),), positions=1, tower=tower))
        return tuple(stacks)


class ClipFacts(Frozen):
    """An image tower and a text tower that end in one space of `embed_dim`."""

    image: TowerFacts
    text_layers: Size
    text_hidden: Size
    text_heads: Size
    text_ffn_dim: Size
    text_context: Size
    vocab: Size
    embed_dim: Size

    def stacks(self) -> tuple[Stack, ...]:
        """CLIP: patches without bias and a norm before the layers; both towers project one vector to `embed_dim`."""
        project_image = Linear(in_features=self.image.hidden, out_features=self.embed_dim, name="projection")
        image = self.image.model_copy(update={"per_image": (project_image,)})
        h, norm = self.text_hidden, Norm(dim=self.text_hidden, kind="layer")
        text = Stack(
            name="text",
            blocks=(
                embedding_block(self.vocab, h, Embedding(rows=self.text_context, dim=h, name="position")),
                Block(name="layer", layers=_transformer_layer(h, self.text_heads, self.text_ffn_dim, "causal"), repeat=self.text_layers),
                Block(name="norm", layers=(norm,)),
            ),
            positions=self.text_context,
        )
        projection = (Linear(in_features=h, out_features=self.embed_dim, name="projection"), Parameter(shape=(1,), name="logit scale"))
        return (*image.stacks(), text, Stack(name="text head", blocks=(Block(name="head", layers=projection),), positions=1))
