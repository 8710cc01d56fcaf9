"""The header of a GGUF file: metadata by key, then name, shape, type and place of every tensor.

Only the header is read, through a window of bounded size; counts and lengths are checked before anything is made of them.
Format: https://github.com/ggml-org/ggml (docs/gguf.md).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from facts.errors import Fault, RackwrightError, shown
from model_db.model_files.tensors import MOST_DIMENSIONS, MOST_ELEMENTS, MOST_SIZE, MOST_TENSORS, Tensor, TensorTable

_LONGEST_HEADER_BYTES = 64_000_000  # vocabularies of 250,000 pieces take about 10 MB
_LONGEST_TEXT_BYTES = 1_000_000
_MOST_KEYS = 100_000
_MOST_ENTRIES = 2_000_000  # of one array
_DEEPEST = 4
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9

# Type number: name, elements of a block, bytes of a block (ggml.h, ggml-common.h)
_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip

Metadata = Mapping[str, "int | float | str | bool | list[int]"]


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Metadata (plain values, and arrays of integers) and tensors of a GGUF file."""

    metadata: Metadata
    table: TensorTable


class _Window:
    """Reads forward within the header's bound; running past the end of the file is a fault."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.file, self.where, self.left = file, where, _LONGEST_HEADER_BYTES

    def refuse(self, field: str, value: object, allowed: str) -> NoReturn:
        raise RackwrightError(Fault("model_file_damaged", self.where, shown(field), shown(value), allowed))

    def take(self, count: int, field: str) -> bytes:
        self.left -= count
        content = self.file.read(count) if self.left >= 0 else b""
        if len(content) != count:
            self.refuse(field, f"{len(content)} bytes", f"{count} bytes, header <= {_LONGEST_HEADER_BYTES} bytes")
        return content

    def number(self, form: str, field: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(form, self.take(struct.calcsize(form), field))[0]
        return value

    def count(self, form: str, most: int, field: str) -> int:
        value = int(self.number(form, field))
        if value > most:
            self.refuse(field, value, f"<= {most}")
        return value

    def text(self, field: str) -> str:
        return self.take(self.count("<Q", _LONGEST_TEXT_BYTES, field), field).decode("utf-8", "replace")


def read_gguf_header(path: Path, *, cut: bool = False) -> GgufHeader:
    """Metadata and tensors of the file `path`, from its header alone. Raises RackwrightError for a damaged one.

    `cut`: the file may be the beginning of a longer one, ending anywhere after the header.
    """
    try:
        with path.open("rb") as file:
            return _header(_Window(file, path.name), sys.maxsize if cut else path.stat().st_size)
    except OSError as error:
        raise RackwrightError(Fault("file_unreadable", path.name, value=error.strerror or "")) from None


def _header(window: _Window, size_bytes: int) -> GgufHeader:
    magic = window.take(4, "magic")
    if magic != b"GGUF":
        window.refuse("magic", magic, "GGUF")
    version = int(window.number("<I", "version"))
    if version not in {2, 3}:
        window.refuse("version", version, "2 or 3")
    tensor_count = window.count("<Q", MOST_TENSORS, "tensor count")
    key_count = window.count("<Q", _MOST_KEYS, "key count")
    metadata: dict[str, int | float | str | bool | list[int]] = {}
    for _ in range(key_count):
        key = window.text("key")
        value = _value(window, int(window.number("<I", key)), key, 0)
        if value is not None:
            metadata[key] = value
    tensors = tuple(_tensor(window, size_bytes) for _ in range(tensor_count))
    return GgufHeader(metadata, TensorTable(tensors))


def _value(window: _Window, kind: int, key: str, depth: int) -> int | float | str | bool | list[int] | None:
    if kind in _SCALARS:
        return window.number(_SCALARS[kind], key)
    if kind == _TEXT:
        return window.text(key)
    if kind != _ARRAY or depth >= _DEEPEST:
        window.refuse(key, kind, "a known value type")
    inner = int(window.number("<I", key))
    count = window.count("<Q", _MOST_ENTRIES, key)
    if inner in _SCALARS:
        form = _SCALARS[inner]
        content = window.take(struct.calcsize(form) * count, key)
        numbers = [value for (value,) in struct.iter_unpack(form, content)]
        return [int(value) for value in numbers] if form[1] not in "fd" and count <= 100_000 else None
    for _ in range(count):
        _value(window, inner, key, depth + 1)
    return None


def _tensor(window: _Window, size_bytes: int) -> Tensor:
    name = window.text("tensor name")
    dimensions = window.count("<I", MOST_DIMENSIONS, name)
    sizes = [int(window.number("<Q", name)) for _ in range(dimensions)]
    elements = 1
    for size in sizes:
        elements *= size
        if size > MOST_SIZE or elements > MOST_ELEMENTS:
            window.refuse(name, sizes, f"sizes of 0 to {MOST_SIZE}, at most {MOST_ELEMENTS} elements")
    kind = int(window.number("<I", name))
    if kind not in _TYPES:
        window.refuse(name, kind, "a known tensor type")
    type_name, block, block_bytes = _TYPES[kind]
    if elements % block:
        window.refuse(name, sizes, f"whole blocks of {block}")
    stored = elements // block * block_bytes
    if int(window.number("<Q", name)) + stored > size_bytes:
        window.refuse(name, f"{stored} bytes", f"inside the file of {size_bytes} bytes")
    return Tensor(name, tuple(reversed(sizes)), type_name, stored)
