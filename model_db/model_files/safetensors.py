"""The header of a safetensors file: eight bytes of length, then JSON with name, element format, shape and place of every tensor.

Only the header is read. Everything it says is checked against the size of the file: hostile headers must cost nothing.
Format: https://github.com/huggingface/safetensors (README, "Format").
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from facts.errors import Fault, RackwrightError, shown
from model_db.model_files.tensors import MOST_DIMENSIONS, MOST_ELEMENTS, MOST_SIZE, MOST_TENSORS, Tensor, TensorTable

_LONGEST_HEADER_BYTES = 100_000_000  # the library's own limit
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16,
    "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4,
    "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


class _Entry(BaseModel):
    """One tensor of the header."""

    model_config = ConfigDict(strict=True, frozen=True)

    dtype: str = Field(max_length=32)
    shape: list[int] = Field(max_length=MOST_DIMENSIONS)
    data_offsets: tuple[int, int]


_HEADER: TypeAdapter[dict[str, _Entry]] = TypeAdapter(dict[str, _Entry])


def read_safetensors_header(path: Path, *, cut: bool = False) -> TensorTable:
    """Tensors of the file `path`, from its header alone. Raises RackwrightError where header and file do not agree.

    `cut`: the file may be the beginning of a longer one, ending anywhere after the header.
    """
    where = path.name
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(8)
            if len(first) < 8:
                raise _damaged(where, "header length", f"{len(first)} bytes", "8 bytes")
            (length,) = struct.unpack("<Q", first)
            if length > min(_LONGEST_HEADER_BYTES, size_bytes - 8):
                raise _damaged(where, "header length", length, f"<= {min(_LONGEST_HEADER_BYTES, size_bytes - 8)} bytes")
            header = file.read(length)
    except OSError as error:
        raise RackwrightError(Fault("file_unreadable", where, value=error.strerror or "")) from None
    return _table(header, None if cut else size_bytes - 8 - length, where)


def _table(header: bytes, data_bytes: int | None, where: str) -> TensorTable:
    try:
        document = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise RackwrightError(Fault("json_syntax", where, value=shown(str(error)))) from None
    if not isinstance(document, dict):
        raise RackwrightError(Fault("not_a_mapping", where, value=shown(document)))
    document.pop("__metadata__", None)
    if len(document) > MOST_TENSORS:
        raise _damaged(where, "tensors", len(document), f"<= {MOST_TENSORS}")
    try:
        entries = _HEADER.validate_python({name: _offsets_as_tuple(entry) for name, entry in document.items()})
    except ValidationError as error:
        problem = error.errors()[0]
        raise _damaged(where, ".".join(map(str, problem["loc"])), problem["input"], problem["msg"]) from None
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        begin, next_end = entry.data_offsets
        if begin != end or next_end < begin:
            raise _damaged(where, f"{name}.data_offsets", [begin, next_end], f"from {end}: no gap, no overlap")
        if next_end - begin != _stored_bytes(name, entry, where):
            raise _damaged(where, f"{name}.data_offsets", [begin, next_end], f"{_stored_bytes(name, entry, where)} bytes of {entry.dtype}")
        end = next_end
    if data_bytes is not None and end != data_bytes:
        raise _damaged(where, "data_offsets", end, f"the {data_bytes} bytes that follow the header")
    tensors = (
        Tensor(name, tuple(entry.shape), entry.dtype, entry.data_offsets[1] - entry.data_offsets[0]) for name, entry in entries.items()
    )
    return TensorTable(tuple(tensors))


def _offsets_as_tuple(entry: object) -> object:
    """JSON has no tuples, and strict validation wants one for the pair of offsets."""
    if isinstance(entry, dict) and isinstance(entry.get("data_offsets"), list):
        return {**entry, "data_offsets": tuple(entry["data_offsets"])}
    return entry


def _stored_bytes(name: str, entry: _Entry, where: str) -> int:
    bits = _BITS.get(entry.dtype)
    if bits is None:
        raise _damaged(where, f"{name}.dtype", entry.dtype, ", ".join(_BITS))
    elements = 1
    for size in entry.shape:
        elements *= size
        if not 0 <= size <= MOST_SIZE or elements > MOST_ELEMENTS:
            raise _damaged(where, f"{name}.shape", entry.shape, f"sizes of 0 to {MOST_SIZE}, at most {MOST_ELEMENTS} elements")
    return elements * bits // 8


def _damaged(where: str, field: str, value: object, allowed: str) -> RackwrightError:
    return RackwrightError(Fault("model_file_damaged", where, shown(field), shown(value), allowed))
