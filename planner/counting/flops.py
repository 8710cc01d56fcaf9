"""Forward FLOPs per token and per sample as functions of context (equation 1.2)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model_db.architecture import Architecture, Attention, Conv, GatedDeltaNet, Layer, Lstm, Mamba1, Mamba2, Mla, Stack, State
from planner.counting.layers import cross_key_value_matrix_parameters, layer_matrix_parameters, layer_parts
from planner.counting.parameters import main_stacks

CausalShare = Literal["exact", "full"]


def mean_causal_context(context: ArrayLike, window: float | None = None, *, chunked: bool = False) -> NDArray[np.float64]:
    """Positions a token attends, on average over a causal sequence of `context` tokens (equation 1.2).

    Exact: (s+1)/2 without a window, w - w(w-1)/(2s) with a sliding one shorter than s, and the mean over whole and last
    chunk when `chunked`.
    """
    s = np.asarray(context, dtype=np.float64)
    if window is None:
        return (s + 1) / 2
    w: NDArray[np.float64] = np.minimum(float(window), s)
    if not chunked:
        return w - w * (w - 1) / (2 * s)
    whole = np.floor(s / w)
    rest = s - whole * w
    return (whole * w * (w + 1) / 2 + rest * (rest + 1) / 2) / s


def _seen(layer: Attention, context: NDArray[np.float64], window: int | None, *, all_of_it: bool) -> NDArray[np.float64]:
    """Positions in reach of a token: the whole context (bidirectional, decode, "full" convention) or its causal mean."""
    if layer.mask == "bidirectional" or all_of_it:
        return np.minimum(context, np.inf if window is None else float(window))
    return mean_causal_context(context, window, chunked=layer.chunked and window is not None)


def _attention_core_flops(
    layer: Attention, context: NDArray[np.float64], cross: NDArray[np.float64], *, all_of_it: bool
) -> NDArray[np.float64]:
    """Scores and values of the attended positions, and the scores of an indexer over all it may pick from (equation 1.2)."""
    flops_per_position = 2.0 * layer.heads * (layer.head_dim + (layer.v_head_dim or layer.head_dim))
    if layer.mask == "cross":
        return flops_per_position * (np.full_like(context, layer.kv_positions) if layer.kv_positions else cross)
    merged = _seen(layer, context, None, all_of_it=all_of_it) / layer.kv_ratio
    index = 2.0 * layer.index_heads * layer.index_dim * merged
    if layer.kv_ratio == 1:
        window = min((size for size in (layer.window, layer.index_top_k or None) if size), default=None)
        return flops_per_position * _seen(layer, context, window, all_of_it=all_of_it) + index
    picked = np.minimum(merged, layer.index_top_k) if layer.index_top_k else merged
    near = _seen(layer, context, layer.window, all_of_it=all_of_it) if layer.window else 0.0
    return flops_per_position * (picked + near) + index


def _mla_core_flops(layer: Mla, context: NDArray[np.float64], *, decode: bool, all_of_it: bool) -> NDArray[np.float64]:
    """Prefill multiplies by unpacked keys and values; decode works on the latent directly (absorbed form, equation 1.2)."""
    top_k = layer.index_top_k or np.inf
    seen = context if all_of_it else mean_causal_context(context)
    attended = np.minimum(context, top_k) if all_of_it else mean_causal_context(context, top_k)
    width = 2 * layer.kv_rank + layer.rope_dim if decode else layer.nope_dim + layer.rope_dim + layer.v_head_dim
    return 2.0 * layer.heads * width * attended + 2.0 * layer.index_heads * layer.index_dim * seen


def layer_core_flops_per_token(
    layer: Layer, context: ArrayLike, *, cross_context: ArrayLike | None = None, decode: bool = False, causal: CausalShare = "exact"
) -> NDArray[np.float64]:
    """FLOPs of a layer besides its matrices: attention scores and values, scans, short convolutions (equation 1.2).

    context         tokens of the sequence, or the position of the token when `decode`; an array gives an array
    cross_context   tokens of the other sequence of cross-attention; None: as many as `context`
    causal          "exact" counts the lower triangle; "full" the square, as some published figures do (equation 1.3)
    """
    s = np.asarray(context, dtype=np.float64)
    cross = s if cross_context is None else np.broadcast_to(np.asarray(cross_context, dtype=np.float64), s.shape)
    full = causal == "full"
    if isinstance(layer, Attention):
        return _attention_core_flops(layer, s, cross, all_of_it=decode or full)
    if isinstance(layer, Mla):
        return _mla_core_flops(layer, s, decode=decode, all_of_it=decode or full)
    return np.full_like(s, _scan_flops_per_token(layer))


def _scan_flops_per_token(layer: Layer) -> float:
    """Recurrences: 7*D*n for Mamba (Megatron-LM), 8*H*d_k*d_v for the gated delta net; two FLOPs a tap of short convolutions."""
    taps = 2.0 * layer_parts(layer).get("convolution", 0) if isinstance(layer, (Mamba1, Mamba2, GatedDeltaNet)) else 0.0
    if isinstance(layer, Mamba1):
        return taps + 7.0 * layer.inner * layer.state
    if isinstance(layer, Mamba2):
        return taps + 7.0 * layer.heads * layer.head_dim * layer.state
    if isinstance(layer, GatedDeltaNet):
        return taps + 8.0 * layer.value_heads * layer.key_dim * layer.value_dim
    if isinstance(layer, Lstm):
        return 9.0 * layer.hidden * (1 + layer.bidirectional)
    return float(layer.flops_per_token) if isinstance(layer, State) else 0.0


def stack_flops_per_token(
    stack: Stack, context: ArrayLike, *, cross_context: ArrayLike | None = None, decode: bool = False, causal: CausalShare = "exact"
) -> NDArray[np.float64]:
    """Forward FLOPs of one token of a stack at `context` (equation 1.2): matrices at two FLOPs an element, then cores.

    Convolutions with output positions of their own work once a sample: `stack_flops_per_sample`.

    Keys and values of cross-attention are left out: `cross_flops_per_sample` counts them, once a sequence.
    """
    s = np.asarray(context, dtype=np.float64)
    total = np.zeros_like(s)
    for block in stack.blocks:
        for layer in block.layers:
            core = layer_core_flops_per_token(layer, s, cross_context=cross_context, decode=decode, causal=causal)
            if isinstance(layer, Conv) and layer.positions == 0:
                core = core + 2.0 * layer_parts(layer).get("convolution", 0)
            total = total + block.repeat * (2.0 * layer_matrix_parameters(layer) + core)
    return total


def token_stack(architecture: Architecture) -> Stack | None:
    """The stack whose tokens are counted: the decoder where there is one, else the first without fixed positions."""
    free = [stack for stack in main_stacks(architecture) if stack.positions is None]
    return next((stack for stack in free if stack.name == "decoder"), free[0] if free else None)


def forward_flops_per_token(
    architecture: Architecture,
    context: ArrayLike,
    *,
    cross_context: ArrayLike | None = None,
    decode: bool = False,
    causal: CausalShare = "exact",
) -> NDArray[np.float64]:
    """Forward FLOPs a token of `architecture` (equation 1.2).

    Mean over a sequence of `context` tokens, or of one generated token at position `context` when `decode`. For an
    encoder-decoder it is a token of the decoder. Zero for models whose work is fixed a sample: `forward_flops_per_sample`.
    """
    stack = token_stack(architecture)
    if stack is None:
        return np.zeros_like(np.asarray(context, dtype=np.float64))
    return stack_flops_per_token(stack, context, cross_context=cross_context, decode=decode, causal=causal)


def stack_flops_per_sample(stack: Stack, context: float = 0.0, *, cross_context: float = 0.0, causal: CausalShare = "exact") -> float:
    """Forward FLOPs of one sample (image, clip, sequence) through a stack: convolutions, then every position (equation 1.2)."""
    positions = float(stack.positions or context)
    work = 0.0
    for block in stack.blocks:
        for layer in block.layers:
            if isinstance(layer, Conv):
                work += block.repeat * conv_flops(layer)
            cross = layer.kv_positions if isinstance(layer, Attention) and layer.kv_positions else cross_context
            work += block.repeat * 2.0 * cross_key_value_matrix_parameters(layer) * cross
    if not positions:
        return work
    return work + positions * float(stack_flops_per_token(stack, positions, cross_context=cross_context, causal=causal))


def conv_flops(layer: Conv) -> float:
    """2*C_in/groups*C_out*k*k*H_out*W_out (equation 1.2)."""
    return 2.0 * layer_parts(layer).get("convolution", 0) * layer.positions


def forward_flops_per_sample(
    architecture: Architecture, context: float = 0.0, *, cross_context: float | None = None, causal: CausalShare = "exact"
) -> float:
    """Forward FLOPs of one sample through every stack that runs in serving (equation 1.2).

    `context` is the number of tokens of stacks without fixed positions; an image model needs none.
    """
    other = context if cross_context is None else cross_context
    return sum(
        stack_flops_per_sample(stack, other if stack.name == "encoder" else context, cross_context=other, causal=causal)
        for stack in architecture.stacks
        if stack.runs_in_serving
    )


def diffusion_flops_per_image(denoiser: Architecture, steps: int, *, guided: bool = False) -> float:
    """Forward FLOPs of an image: a pass of the denoiser each step, two with classifier-free guidance (equation 1.2).

    Text encoder and image decoder are models of their own, run once.
    """
    return steps * (1 + guided) * forward_flops_per_sample(denoiser)


def training_flops(architecture: Architecture, tokens: float, context: float, *, causal: CausalShare = "exact") -> float:
    """FLOPs of training on `tokens` in sequences of `context`: backward is twice forward; recomputation not counted (equation 1.2)."""
    return 3.0 * tokens * float(forward_flops_per_token(architecture, context, causal=causal))


def training_flops_rule(params: float, tokens: float) -> float:
    """The rule 6*N*D, without attention, that many published totals follow (equation 1.3)."""
    return 6.0 * params * tokens
