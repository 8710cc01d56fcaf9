"""What a sequence holds on the device: KV cache, its windows, recurrent state (equations 4.1.1 and 4.1.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model_db.architecture import Architecture, Attention, GatedDeltaNet, Layer, Lstm, Mamba1, Mamba2, Mla, State
from planner.counting.layers import layers_with_counts
from planner.counting.parameters import main_stacks


def layer_kv_elements(layer: Layer) -> int:
    """Elements a causal attention layer caches for one position: keys and values, or the latent (equation 4.1.1); else 0.

    Latent attention with an indexer caches its index keys besides, see `index_cache_bytes_per_token`.
    """
    if isinstance(layer, Mla):
        return layer.kv_rank + layer.rope_dim
    if isinstance(layer, Attention) and layer.mask == "causal" and not layer.reuses_kv:
        return layer.kv_heads * (layer.head_dim + (0 if layer.shared_kv else layer.v_head_dim or layer.head_dim))
    return 0


def _window(layer: Layer) -> int | None:
    return layer.window if isinstance(layer, Attention) else None


def growing_elements(layer: Layer) -> float:
    """Elements a layer adds for every further token: none where a window caps the cache, a share where positions are merged."""
    if not isinstance(layer, Attention):
        return layer_kv_elements(layer)
    if layer.kv_ratio > 1:
        return layer_kv_elements(layer) / layer.kv_ratio
    return 0 if layer.window else layer_kv_elements(layer)


def main_layers(architecture: Architecture) -> list[tuple[Layer, int]]:
    """Layers that run for every token, each with how often it stands in the model."""
    main = {stack.name for stack in main_stacks(architecture)}
    return [(layer, count) for stack, layer, count in layers_with_counts(architecture) if stack in main]


def kv_cache_bytes_per_token(architecture: Architecture, element_bytes: float = 2.0) -> float:
    """Growth of the KV cache per token of context, all layers (equation 4.1.1); layers with a window do not grow."""
    return element_bytes * sum(count * growing_elements(layer) for layer, count in main_layers(architecture))


def kv_cache_bytes(architecture: Architecture, context: ArrayLike, element_bytes: float = 2.0) -> NDArray[np.float64]:
    """KV cache of one sequence of `context` tokens; windows and chunks cap their layers (equation 4.1.1). No recurrent state."""
    tokens = np.asarray(context, dtype=np.float64)
    total = np.zeros_like(tokens)
    for layer, count in main_layers(architecture):
        total = total + count * element_bytes * growing_elements(layer) * tokens
        window = _window(layer)
        if window is not None:
            total = total + count * element_bytes * layer_kv_elements(layer) * np.minimum(tokens, window)
    return total


def index_cache_bytes_per_token(architecture: Architecture, element_bytes: float = 1.0) -> float:
    """Index keys of sparse attention, per token of context (equation 4.1.1); they are kept in FP8. Not in `kv_cache_bytes`."""
    return element_bytes * sum(
        count * layer.index_dim / (layer.kv_ratio if isinstance(layer, Attention) else 1)
        for layer, count in main_layers(architecture)
        if isinstance(layer, (Attention, Mla))
    )


def cross_kv_cache_bytes_per_token(architecture: Architecture, element_bytes: float = 2.0) -> float:
    """Keys and values of cross-attention per position of the other sequence (encoder), once a sequence (equation 4.1.1)."""
    return element_bytes * sum(
        count * layer.kv_heads * (layer.head_dim + (layer.v_head_dim or layer.head_dim))
        for layer, count in main_layers(architecture)
        if isinstance(layer, Attention) and layer.mask == "cross"
    )


def layer_state_bytes(layer: Layer) -> int:
    """Recurrent state of a sequence in a layer: state in 32 bits, short-convolution inputs in 16 (equation 4.1.2)."""
    if isinstance(layer, Mamba1):
        return layer.inner * layer.state * 4 + layer.inner * (layer.conv - 1) * 2
    if isinstance(layer, Mamba2):
        inner = layer.heads * layer.head_dim
        return inner * layer.state * 4 + (inner + 2 * layer.groups * layer.state) * (layer.conv - 1) * 2
    if isinstance(layer, GatedDeltaNet):
        mixed = 2 * layer.key_heads * layer.key_dim + layer.value_heads * layer.value_dim
        return layer.value_heads * layer.key_dim * layer.value_dim * 4 + mixed * (layer.conv - 1) * 2
    if isinstance(layer, Lstm):
        return 2 * layer.hidden * (1 + layer.bidirectional) * 4
    return layer.elements * 4 + layer.conv_elements * 2 if isinstance(layer, State) else 0


def recurrent_state_bytes_per_sequence(architecture: Architecture) -> int:
    """State of recurrent mixers, constant whatever the context (equation 4.1.2)."""
    return sum(count * layer_state_bytes(layer) for layer, count in main_layers(architecture))


def fixed_state_bytes_per_sequence(architecture: Architecture, element_bytes: float = 2.0) -> float:
    """What a long sequence holds besides the cache that grows: filled windows and recurrent state (equation 4.1.2).

    `kv_cache_bytes` already contains the windows: add `recurrent_state_bytes_per_sequence` to it, not this.
    """
    windows = sum(count * layer_kv_elements(layer) * (_window(layer) or 0) for layer, count in main_layers(architecture))
    return element_bytes * windows + recurrent_state_bytes_per_sequence(architecture)
