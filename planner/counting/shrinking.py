"""Smaller shapes of a model: structured pruning, and a student of a given size for distillation (equation 8.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from facts.errors import Fault, RackwrightError
from model_db.architecture import Architecture, Attention, Block, GatedDeltaNet, Layer, Mamba1, Mamba2, Mla, Mlp, Moe, Stack
from planner.counting.compression import CompressedModel
from planner.counting.flops import forward_flops_per_token
from planner.counting.parameters import parameters

_MIXERS = (Attention, Mla, Mamba1, Mamba2, GatedDeltaNet)
_WIDTH_STEP = 64
_STUDENT_SHARES = 400


def prune_structured(
    model: CompressedModel, *, depth: float = 1.0, hidden: float = 1.0, ffn: float = 1.0, heads: float = 1.0, experts: float = 1.0
) -> CompressedModel:
    """The shape with these shares of its layers, width, feed-forwards, heads and routed experts kept (equation 8.2).

    Layers of each kind go evenly over the depth; widths are rounded to multiples of 64, heads to whole groups of a key-value head.
    """
    pruned = shrunk(model.architecture, depth=depth, hidden=hidden, ffn=ffn, heads=heads, experts=experts)
    return replace(model, architecture=pruned, levers=(*model.levers, "structured"))


def distil(model: CompressedModel, student: Architecture) -> CompressedModel:
    """The student in place of its teacher, its weights in the same format."""
    return replace(model, architecture=student, kept=1.0, index_bits=0.0, sparse_units=False, levers=(*model.levers, "distillation"))


def student_of_size(teacher: Architecture, params: float) -> Architecture:
    """The teacher's shape with depth and widths shrunk alike to come as near to `params` as whole layers and heads let it."""
    if not 0 < params <= parameters(teacher).total:
        raise RackwrightError(Fault("out_of_range", field="student", value=f"{params:,.0f}", allowed=f"1 to {parameters(teacher).total:,}"))
    wide = not any(stack.tower for stack in teacher.stacks)
    shares = (step / _STUDENT_SHARES for step in range(_STUDENT_SHARES, 0, -1))
    best, distance = teacher, abs(parameters(teacher).total - params)
    for share in shares:
        student = shrunk(teacher, depth=share, hidden=share if wide else 1.0, ffn=share, heads=share)
        size = parameters(student).total
        if abs(size - params) < distance:
            best, distance = student, abs(size - params)
        if size < params:
            break
    return best


def distillation_flops_per_token(teacher: Architecture, student: Architecture, context: float, *, teacher_passes: float = 1.0) -> float:
    """Training FLOPs of a token: three forward passes of the student, and the teacher's (equation 8.2).

    `teacher_passes` is 1 where the teacher runs along, one over the number of epochs where its outputs are stored.
    """
    return 3.0 * float(forward_flops_per_token(student, context)) + teacher_passes * float(forward_flops_per_token(teacher, context))


def shrunk(
    architecture: Architecture, *, depth: float = 1.0, hidden: float = 1.0, ffn: float = 1.0, heads: float = 1.0, experts: float = 1.0
) -> Architecture:
    """`architecture` with a share of its shape kept; towers and multi-token prediction keep theirs except for the width."""
    shares = {"depth": depth, "hidden": hidden, "ffn": ffn, "heads": heads, "experts": experts}
    for name, share in shares.items():
        if not 0 < share <= 1:
            raise RackwrightError(Fault("out_of_range", field=name, value=str(share), allowed="above 0 to 1"))
    if hidden < 1 and (not architecture.hidden or any(stack.tower for stack in architecture.stacks)):
        raise RackwrightError(Fault("not_allowed", field="hidden", value=str(hidden), allowed="1 (models with towers)"))
    width = _stepped(architecture.hidden, hidden) if hidden < 1 else architecture.hidden

    def smaller(layer: Layer) -> Layer:
        return _with_width(_with_shares(layer, ffn=ffn, heads=heads, experts=experts), architecture.hidden, width)

    stacks = tuple(stack if stack.tower else _smaller_stack(stack, depth, smaller) for stack in architecture.stacks)
    return architecture.model_copy(update={"stacks": stacks, "hidden": width})


def _stepped(size: int, share: float) -> int:
    """A share of a width: a multiple of 64 where the width is one, at least one step."""
    step = _WIDTH_STEP if size % _WIDTH_STEP == 0 else 1
    return max(step, round(size * share / step) * step)


def _smaller_stack(stack: Stack, depth: float, smaller: Callable[[Layer], Layer]) -> Stack:
    blocks = [block.model_copy(update={"layers": tuple(smaller(layer) for layer in block.layers)}) for block in stack.blocks]
    if depth < 1:
        blocks = _fewer_layers(blocks, depth)
    return stack.model_copy(update={"blocks": tuple(blocks)})


def _is_layer(block: Block) -> bool:
    return any(isinstance(layer, (*_MIXERS, Mlp, Moe)) for layer in block.layers)


def _kind(block: Block) -> tuple[tuple[str, bool], ...]:
    """What blocks of one kind share, whatever their sizes: the layers in them, and whether these have a window."""
    return tuple((type(layer).__name__, isinstance(layer, Attention) and layer.window is not None) for layer in block.layers)


def _fewer_layers(blocks: list[Block], depth: float) -> list[Block]:
    """The share `depth` of the layers of each kind, spread evenly; at least one of each."""
    totals: Counter[tuple[tuple[str, bool], ...]] = Counter()
    for block in blocks:
        totals[_kind(block)] += block.repeat
    seen: Counter[tuple[tuple[str, bool], ...]] = Counter()
    fewer = []
    for block in blocks:
        kind = _kind(block)
        total = totals[kind]
        kept = max(1, round(total * depth)) if _is_layer(block) else total
        repeat = (seen[kind] + block.repeat) * kept // total - seen[kind] * kept // total
        seen[kind] += block.repeat
        if repeat:
            fewer.append(block.model_copy(update={"repeat": repeat}))
    return fewer


def _with_shares(layer: Layer, *, ffn: float, heads: float, experts: float) -> Layer:
    changes: dict[str, int] = {}
    if isinstance(layer, Mlp):
        changes = {"ffn": _stepped(layer.ffn, ffn)}
    elif isinstance(layer, Moe):
        shared = _stepped(layer.shared_ffn, ffn) if layer.shared_ffn else 0
        kept = max(layer.top_k, round(layer.experts * experts))
        changes = {"expert_ffn": _stepped(layer.expert_ffn, ffn), "shared_ffn": shared, "experts": kept}
    elif isinstance(layer, Attention):
        kv_heads = max(1, round(layer.kv_heads * heads))
        changes = {"kv_heads": kv_heads, "heads": max(1, round(layer.heads / layer.kv_heads * kv_heads))}
    elif isinstance(layer, (Mla, Mamba2)):
        changes = {"heads": max(1, round(layer.heads * heads))}
    elif isinstance(layer, Mamba1):
        changes = {"inner": _stepped(layer.inner, heads)}
    elif isinstance(layer, GatedDeltaNet):
        key_heads = max(1, round(layer.key_heads * heads))
        changes = {"key_heads": key_heads, "value_heads": max(1, round(layer.value_heads / layer.key_heads * key_heads))}
    return layer.model_copy(update=changes) if changes else layer


_WIDTHS = ("hidden", "kv_hidden", "in_features", "out_features", "dim", "in_channels", "out_channels")


def _with_width(layer: Layer, old: int, new: int) -> Layer:
    """Sizes of a layer that are the model's width, changed to the new one."""
    if old == new:
        return layer
    changes: dict[str, int | tuple[int, ...]] = {name: new for name in _WIDTHS if getattr(layer, name, None) == old}
    shape: tuple[int, ...] = getattr(layer, "shape", ())
    if old in shape:
        changes["shape"] = tuple(new if size == old else size for size in shape)
    return layer.model_copy(update=changes)
