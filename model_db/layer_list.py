"""Any model as a list of layers, from YAML or a table: names as the frameworks use them, sizes inferred where they follow.

    name: classifier
    input: [3, 224, 224]                    # channels, height, width; a number for rows of features; left out: no inference
    layers:
    - conv: {out: 64, kernel: 7, stride: 2, padding: 3}
    - pool: {kernel: 3, stride: 2, padding: 1}
    - repeat: 2
      layers: [{conv: {out: 64, kernel: 3, padding: 1, bias: false}}, batchnorm, relu]
    - parallel: [[{conv: {out: 128, kernel: 1}}], [{conv: {out: 128, kernel: 3, padding: 1}}]]
    - pool: {global: true}
    - linear: 1000                          # [1000, 2000, 4000] is a chain of linears
    - {type: moe, hidden: 512, experts: 8, top_k: 2, expert_ffn: 1024}

A layer is a word, a word with its sizes, or the fields of `model_db.architecture` with their `type`. Linear and convolution
have a bias unless they say `bias: false`, as in the frameworks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import NoReturn

from pydantic import TypeAdapter, ValidationError

from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import Yaml
from model_db.architecture import Architecture, Layer, Stack
from model_db.assembly import run_length_blocks

_LAYER: TypeAdapter[Layer] = TypeAdapter(Layer)
_MOST_LAYERS = 20_000
_MOST_STEPS = 100_000
_WORDS: dict[str, tuple[str, dict[str, Yaml]]] = {  # what frameworks call a layer: our type, and the fields the word implies
    "linear": ("linear", {}),
    "dense": ("linear", {}),
    "conv": ("conv", {}),
    "conv1d": ("conv", {"dimensions": 1}),
    "conv2d": ("conv", {"dimensions": 2}),
    "conv3d": ("conv", {"dimensions": 3}),
    "norm": ("norm", {"kind": "layer"}),
    "layernorm": ("norm", {"kind": "layer"}),
    "rmsnorm": ("norm", {"kind": "rms"}),
    "batchnorm": ("norm", {"kind": "batch"}),
    "groupnorm": ("norm", {"kind": "group"}),
    "multiheadattention": ("attention", {}),
    "pool": ("pool", {}),
    "maxpool": ("pool", {}),
    "avgpool": ("pool", {}),
    "globalpool": ("pool", {"global": True}),
    "flatten": ("flatten", {}),
    "activation": ("activation", {}),
    **dict.fromkeys(("relu", "gelu", "silu", "sigmoid", "tanh", "softmax", "dropout"), ("activation", {})),
}
_FIELDS = {  # short names of fields
    "linear": {"in": "in_features", "out": "out_features", "units": "out_features"},
    "conv": {"in": "in_channels", "out": "out_channels", "filters": "out_channels", "kernel_size": "kernel"},
    "embedding": {"vocab": "rows", "num_embeddings": "rows", "out": "dim", "embedding_dim": "dim"},
    "lstm": {"in": "in_features", "out": "hidden", "units": "hidden", "hidden_size": "hidden"},
    "norm": {"features": "dim"},
    "attention": {"embed_dim": "hidden", "num_heads": "heads"},
}
_OWN_SIZE = {"linear": "out_features", "conv": "out_channels", "lstm": "hidden", "norm": "dim"}  # of a bare number


@dataclass(frozen=True)
class _Shape:
    """What flows between layers: features (channels) at each of the grid's positions; unknown features are `None`."""

    features: int | None = None
    grid: tuple[int, ...] = ()

    @property
    def positions(self) -> int:
        return prod(self.grid)


class _Reader:
    """Walks the list once, carrying the shape and collecting layers; every fault names its place."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.layers: list[Layer] = []
        self.steps = 0

    def refuse(self, place: str, value: object, allowed: str) -> NoReturn:
        raise RackwrightError(Fault("layer_list", self.where, place, shown(value), allowed=allowed))

    def sequence(self, entries: Yaml, shape: _Shape, place: str) -> _Shape:
        if not isinstance(entries, list):
            self.refuse(place, entries, "a list of layers")
        self.step(place)
        for number, entry in enumerate(entries, 1):
            self.step(place)
            shape = self.entry(entry, shape, f"{place}[{number}]")
        return shape

    def step(self, place: str) -> None:
        """Count an entry or a pass over a list, so that nested repeats end."""
        self.steps += 1
        if self.steps > _MOST_STEPS or len(self.layers) > _MOST_LAYERS:
            self.refuse(place, len(self.layers), f"at most {_MOST_LAYERS} layers, repeats counted")

    def entry(self, entry: Yaml, shape: _Shape, place: str) -> _Shape:
        if isinstance(entry, str):
            return self.layer(entry, {}, shape, place)
        if not isinstance(entry, dict):
            self.refuse(place, entry, "a layer")
        if "repeat" in entry:
            return self.repeated(entry, shape, place)
        if "parallel" in entry:
            return self.parallel(entry["parallel"], shape, place)
        if "type" in entry:
            return self.layer(entry["type"], {key: value for key, value in entry.items() if key != "type"}, shape, place)
        if len(entry) != 1:
            self.refuse(place, sorted(entry), "one word with its sizes, or fields with a type")
        word, sizes = next(iter(entry.items()))
        return self.sized(word, sizes, shape, place)

    def repeated(self, entry: Mapping[str, Yaml], shape: _Shape, place: str) -> _Shape:
        times = entry["repeat"]
        if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= _MOST_LAYERS:
            self.refuse(f"{place}.repeat", times, f"1 to {_MOST_LAYERS}")
        for _ in range(times):
            shape = self.sequence(entry.get("layers"), shape, f"{place}.layers")
        return shape

    def parallel(self, branches: Yaml, shape: _Shape, place: str) -> _Shape:
        if not isinstance(branches, list) or not branches:
            self.refuse(f"{place}.parallel", branches, "a list of branches")
        ends = [self.sequence(branch, shape, f"{place}.parallel[{number}]") for number, branch in enumerate(branches, 1)]
        if any(end != ends[0] for end in ends):
            self.refuse(f"{place}.parallel", [(end.features or 0) for end in ends], "branches that end in one shape")
        return ends[0]

    def sized(self, word: str, sizes: Yaml, shape: _Shape, place: str) -> _Shape:
        """A word with a mapping of fields, with one number, or with the sizes of a chain of linears."""
        kind = _WORDS.get(word.lower(), (word.lower(), {}))[0]
        if isinstance(sizes, dict):
            return self.layer(word, sizes, shape, place)
        if sizes is None:
            return self.layer(word, {}, shape, place)
        if isinstance(sizes, list) and kind == "linear" and len(sizes) > 1:
            for into, out in pairwise(sizes):
                shape = self.layer(word, {"in": into, "out": out}, shape, place)
            return shape
        if isinstance(sizes, list) and kind == "embedding" and len(sizes) == 2:
            return self.layer(word, {"rows": sizes[0], "dim": sizes[1]}, shape, place)
        if kind not in _OWN_SIZE or isinstance(sizes, list):
            self.refuse(place, sizes, "a size or fields")
        return self.layer(word, {_OWN_SIZE[kind]: sizes}, shape, place)

    def layer(self, word: Yaml, given: Mapping[str, Yaml], shape: _Shape, place: str) -> _Shape:
        if not isinstance(word, str):
            self.refuse(place, word, "the name of a layer")
        kind, implied = _WORDS.get(word.lower(), (word.lower(), {}))
        short = _FIELDS.get(kind, {})
        fields: dict[str, Yaml] = {**implied, **{short.get(key, key): value for key, value in given.items()}}
        if kind == "activation":
            return shape
        if kind == "flatten":
            return _Shape(None if shape.features is None else shape.features * shape.positions)
        if kind == "pool":
            return self.pooled(fields, shape, place)
        prepare = _PREPARE.get(kind)
        after = shape if prepare is None else prepare(self, fields, shape, place)
        plain = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
        try:
            self.layers.append(_LAYER.validate_python({"type": kind, **plain}, strict=True))
        except ValidationError as error:
            faults = [(".".join(str(part) for part in problem["loc"] if part != kind), problem) for problem in error.errors()]
            raise RackwrightError(
                *(
                    Fault("layer_list", self.where, f"{place}.{field}".rstrip("."), shown(problem["input"]), allowed=problem["msg"])
                    for field, problem in faults
                )
            ) from None
        return after

    def number(self, fields: Mapping[str, Yaml], key: str, place: str, default: int | None = None) -> int:
        value = fields.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9:
            self.refuse(f"{place}.{key}", value, "a whole number")
        return value

    def numbers(self, fields: Mapping[str, Yaml], key: str, dimensions: int, place: str, default: int) -> tuple[int, ...]:
        """One number for every dimension, given once or for each."""
        value = fields.get(key, default)
        many = value if isinstance(value, list) else [value] * dimensions
        whole = tuple(n for n in many if isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 10**6)
        if len(whole) != dimensions or len(many) != dimensions:
            self.refuse(f"{place}.{key}", value, f"a number, or {dimensions} of them")
        return whole

    def slid(
        self, fields: Mapping[str, Yaml], grid: tuple[int, ...], kernel: tuple[int, ...], place: str, stride: int | None
    ) -> tuple[int, ...]:
        """Positions a sliding kernel leaves: floor((size + 2*padding - kernel)/stride) + 1 in every direction."""
        strides = kernel if stride is None and "stride" not in fields else self.numbers(fields, "stride", len(grid), place, stride or 1)
        padding = self.numbers(fields, "padding", len(grid), place, 0)
        if 0 in strides:
            self.refuse(f"{place}.stride", 0, "1 or more")
        left = tuple((size + 2 * p - k) // s + 1 for size, p, k, s in zip(grid, padding, kernel, strides, strict=True))
        if any(size < 1 for size in left):
            self.refuse(place, list(grid), "an input no smaller than the kernel")
        return left

    def pooled(self, fields: Mapping[str, Yaml], shape: _Shape, place: str) -> _Shape:
        if fields.get("global"):
            return _Shape(shape.features)
        if not shape.grid:
            return shape
        kernel = self.numbers(fields, "kernel", len(shape.grid), place, 2)
        return _Shape(shape.features, self.slid(fields, shape.grid, kernel, place, stride=None))


def _linear(reader: _Reader, fields: dict[str, Yaml], shape: _Shape, place: str) -> _Shape:
    fields.setdefault("in_features", shape.features)
    fields.setdefault("bias", True)
    into = reader.number(fields, "in_features", place)
    if shape.features is not None and into != shape.features:
        reader.refuse(f"{place}.in_features", into, f"the {shape.features} features of the layer before")
    return _Shape(reader.number(fields, "out_features", place), shape.grid)


def _conv(reader: _Reader, fields: dict[str, Yaml], shape: _Shape, place: str) -> _Shape:
    fields.setdefault("in_channels", shape.features)
    fields.setdefault("bias", True)
    stated = fields.pop("dimensions", None)
    given = fields.get("kernel")
    dimensions = len(shape.grid) or (stated if isinstance(stated, int) else len(given) if isinstance(given, list) else 2)
    kernel = reader.numbers(fields, "kernel", dimensions, place, 1)
    into = reader.number(fields, "in_channels", place)
    if shape.features is not None and into != shape.features:
        reader.refuse(f"{place}.in_channels", into, f"the {shape.features} channels of the layer before")
    grid = reader.slid(fields, shape.grid, kernel, place, stride=1) if shape.grid else ()
    for key in ("stride", "padding"):
        fields.pop(key, None)
    fields["kernel"] = list(kernel)
    if grid:
        fields["positions"] = prod(grid)
    return _Shape(reader.number(fields, "out_channels", place), grid)


def _norm(reader: _Reader, fields: dict[str, Yaml], shape: _Shape, place: str) -> _Shape:
    fields.setdefault("dim", shape.features)
    reader.number(fields, "dim", place)
    return shape


def _embedding(reader: _Reader, fields: dict[str, Yaml], shape: _Shape, place: str) -> _Shape:
    return _Shape(reader.number(fields, "dim", place), shape.grid)


def _attention(reader: _Reader, fields: dict[str, Yaml], shape: _Shape, place: str) -> _Shape:
    fields.setdefault("hidden", shape.features)
    hidden, heads = reader.number(fields, "hidden", place), reader.number(fields, "heads", place)
    if heads < 1:
        reader.refuse(f"{place}.heads", heads, "1 or more")
    fields.setdefault("kv_heads", heads)
    fields.setdefault("head_dim", hidden // heads)
    bias = fields.pop("bias", None)
    if bias is not None:
        fields.update(dict.fromkeys(("q_bias", "k_bias", "v_bias", "out_bias"), bias))
    return _Shape(hidden, shape.grid)


def _lstm(reader: _Reader, fields: dict[str, Yaml], shape: _Shape, place: str) -> _Shape:
    fields.setdefault("in_features", shape.features)
    reader.number(fields, "in_features", place)
    return _Shape(reader.number(fields, "hidden", place) * (2 if fields.get("bidirectional") else 1), shape.grid)


_PREPARE: dict[str, Callable[[_Reader, dict[str, Yaml], _Shape, str], _Shape]] = {
    "linear": _linear,
    "conv": _conv,
    "norm": _norm,
    "embedding": _embedding,
    "attention": _attention,
    "lstm": _lstm,
}


def layer_list_architecture(document: Yaml, where: str = "layers") -> Architecture:
    """The architecture a layer list describes: one stack, for a sample if `input` is a grid, else for each token or row.

    Raises RackwrightError with the place of a layer that is unknown, incomplete, or does not fit the one before.
    """
    reader = _Reader(where)
    if not isinstance(document, dict) or "layers" not in document:
        raise RackwrightError(Fault("missing_field", where, "layers"))
    unknown = sorted(set(document) - {"name", "input", "layers", "source"})
    if unknown:
        raise RackwrightError(*(Fault("unknown_field", where, field) for field in unknown))
    sizes = document.get("input")
    many = sizes if isinstance(sizes, list) else [] if sizes is None else [sizes]
    whole = [size for size in many if isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= 10**9]
    if len(whole) != len(many):
        reader.refuse("input", sizes, "features, or channels and the grid: whole numbers")
    reader.sequence(document["layers"], _Shape(whole[0] if whole else None, tuple(whole[1:])), "layers")
    if not reader.layers:
        reader.refuse("layers", [], "at least one layer that holds parameters")
    blocks = run_length_blocks((layer.name or layer.type, (layer,)) for layer in reader.layers)
    return Architecture(stacks=(Stack(name="layers", blocks=blocks, positions=1 if len(whole) > 1 else None),))
