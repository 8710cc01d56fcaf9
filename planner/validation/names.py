"""Names as people write them in tables, matched to the catalogs: `LLAMA3_70B`, `H100`, `fp8(tensorwise)`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache

from hardware_db.records import Accelerator
from model_db import Models
from planner.search.columns import PRECISIONS

_SIZE = re.compile(r"(?<![a-z0-9.])(?:[ae]?)(\d+(?:\.\d+)?)(?:x(\d+(?:\.\d+)?))?([bm])(?![a-z0-9])")
_LEAST_LIKENESS = 0.72
_PREFERRED_FORMS = ("sxm", "nvl72", "oam")  # of several forms of one chip, the one that training systems are built of


def _squashed(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def _sizes(name: str) -> frozenset[str]:
    """Parameter counts in a name: 70b, 8x22b, a22b."""
    spaced = re.sub(r"[_\-/ ()]+", " ", name.lower())
    return frozenset(match.group(0) for match in _SIZE.finditer(spaced))


def model_id(name: str, models: Models) -> str | None:
    """The entry of the model library that `name` means; None if none is near and of the same size."""
    return _nearest(re.sub(r"\(.*?\)", "", name).strip(), tuple(models))


@lru_cache(maxsize=4096)
def _nearest(name: str, ids: tuple[str, ...]) -> str | None:
    wanted, sizes = _squashed(name), _sizes(name)
    if not wanted:
        return None
    candidates = [(id_, _squashed(id_)) for id_ in ids]
    for id_, squashed in candidates:
        if squashed == wanted:
            return id_
    same_size = [(id_, squashed) for id_, squashed in candidates if sizes <= _sizes(id_) and _same_generation(name, id_)]
    longer = [id_ for id_, squashed in same_size if squashed.startswith(wanted) or wanted.startswith(squashed)]
    if longer:
        return min(longer, key=lambda id_: abs(len(_squashed(id_)) - len(wanted)))
    if not sizes:
        return None
    ranked = sorted(((difflib.SequenceMatcher(None, wanted, squashed).ratio(), id_) for id_, squashed in same_size), reverse=True)
    return ranked[0][1] if ranked and ranked[0][0] >= _LEAST_LIKENESS else None


def _same_generation(name: str, id_: str) -> bool:
    """Whether the first number that is no size agrees: llama3 is llama3.1, gemma4 is not gemma2."""
    mine, theirs = (re.search(r"\d+", _SIZE.sub(" ", re.sub(r"[_\-/ ]+", " ", text.lower()))) for text in (name, id_))
    return mine is None or theirs is None or mine.group(0) == theirs.group(0)


def accelerator_id(name: str, accelerators: Mapping[str, Accelerator]) -> str | None:
    """The catalog entry that a short name such as `H100`, `A100-40GB`, `TPU v6e` or a full one means; None if none does."""
    if name.lower() in accelerators:
        return name.lower()
    words = _words(name)
    if not words:
        return None
    found = [id_ for id_, chip in accelerators.items() if words <= _words(id_) | _words(chip.name)]
    return min(found, key=lambda id_: (_form_rank(id_), len(id_), id_), default=None)


def _words(name: str) -> frozenset[str]:
    """Words of a name with spellings made alike: `A100-80GB` -> a100, 80gb; `TPU7x` -> tpu, v7x."""
    text = re.sub(r"\(.*?\)", " ", name.lower()).replace("tpu7x", "tpu v7x").replace("tpuv", "tpu v").replace("gaudi ", "gaudi")
    return frozenset(re.findall(r"[a-z0-9.]+", text)) - {"nvidia", "amd", "google", "intel", "aws", "instinct", "gpu"}


def _form_rank(id_: str) -> int:
    return next((rank for rank, form in enumerate(_PREFERRED_FORMS) if form in id_), len(_PREFERRED_FORMS))


def precision_index(text: str) -> int | None:
    """Index into `PRECISIONS` of the format a label names; MXFP8 and per-tensor recipes are fp8, NVFP4 is fp4."""
    label = text.lower()
    for pattern, precision in (
        ("fp4", "fp4"),
        ("int8", "int8"),
        ("fp8|float8", "fp8"),
        ("int4", "int4"),
        ("bf16|bfloat16", "bf16"),
        ("fp16", "fp16"),
    ):
        if re.search(pattern, label):
            return PRECISIONS.index(precision)
    return None
