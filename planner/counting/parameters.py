"""Parameters of a whole model: total, used per token, by component (equations 1.1)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from model_db.architecture import Architecture, Embedding, Layer, Linear, Moe, Parameter, Stack
from planner.counting.layers import layer_active_parameters, layer_parameters, layer_parts

_COMPONENTS = {
    "Attention": "attention",
    "Mla": "attention",
    "Mlp": "feed_forward",
    "Mamba1": "state_space",
    "Mamba2": "state_space",
    "GatedDeltaNet": "linear_attention",
    "Norm": "norm",
    "Conv": "convolution",
    "Lstm": "recurrent",
    "State": "recurrent",
    "Linear": "linear",
    "Parameter": "other",
    "Embedding": "embedding",
}
_MOE_COMPONENTS = {"expert": "routed_experts", "shared_expert": "shared_experts", "router": "router", "vector": "router"}


@dataclass(frozen=True, slots=True)
class Parameters:
    """`total`: every weight once; `active`: what one token uses (head counted, lookup tables not); `by_component` sums to `total`."""

    total: int
    active: int
    by_component: dict[str, int]


def main_stacks(architecture: Architecture) -> tuple[Stack, ...]:
    """The stacks a token of the main sequence passes in serving: no vision or sound towers, no multi-token prediction."""
    main = tuple(stack for stack in architecture.stacks if stack.runs_in_serving and not stack.tower)
    return main or architecture.stacks


def parameters(architecture: Architecture) -> Parameters:
    """Parameters of `architecture`: exact, tied weights once (equations 1.1).

    Active parameters follow the convention "head counted, input embedding not", over `main_stacks`.
    """
    components: Counter[str] = Counter()
    main = main_stacks(architecture)
    prefixed = len({stack.name for stack in main if stack.positions is None}) > 1
    active = 0
    for stack in architecture.stacks:
        for block in stack.blocks:
            for layer in block.layers:
                for name, count in _layer_components(layer).items():
                    components[_component(stack, name, is_main=stack in main, prefixed=prefixed)] += count * block.repeat
                if stack in main:
                    active += layer_active_parameters(layer) * block.repeat
    return Parameters(total=sum(components.values()), active=active, by_component=dict(components))


def stack_parameters(stack: Stack) -> int:
    """Parameters a stack holds (equations 1.1)."""
    return sum(block.repeat * sum(layer_parameters(layer) for layer in block.layers) for block in stack.blocks)


def _component(stack: Stack, name: str, *, is_main: bool, prefixed: bool) -> str:
    if not is_main:
        return stack.name
    return f"{stack.name}.{name}" if prefixed else name


def _layer_components(layer: Layer) -> dict[str, int]:
    if isinstance(layer, Moe):
        components: Counter[str] = Counter()
        for part, count in layer_parts(layer).items():
            components[_MOE_COMPONENTS.get(part, "routed_experts")] += count
        return dict(components)
    count = layer_parameters(layer)
    if not count:
        return {}
    own = layer.name if isinstance(layer, (Linear, Embedding, Parameter)) else ""
    return {own or _COMPONENTS[type(layer).__name__]: count}
