"""Names as people write them in tables, matched to the catalogs: `LLAMA3_70B`, `zai-org/GLM-4.5-Air-FP8`, `8x H100 SXM5`.

Words that say how a model is stored, tuned or served are taken off one kind at a time, until what is left is a name of exactly
one entry. There is no nearest match: a name that fits no entry, or several, is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from hardware_db.records import Accelerator
from model_db import Models
from model_db.models import ModelEntry
from planner.counting import parameters
from planner.search.columns import PRECISIONS

_SIZE = re.compile(r"[ae]?\d+(?:\.\d+)?(?:x\d+(?:\.\d+)?)?[bmt]")  # 70b, a22b, 8x22b, 1t
_WORD = re.compile(rf"{_SIZE.pattern}(?![a-z0-9])|[a-z]+|\d+(?:\.\d+)*")
# What follows a model's name in tables, in the order in which it is taken off: formats, engines and scenarios; tuning and
# publisher; releases; dates such as 2507, which tell models apart where no size does.
_STORED, _TUNED, _RELEASED, _DATED = (
    re.compile(pattern)
    for pattern in (
        (
            r"(nv|mx)?fp\d+|[bt]f16|int\d|[48]bit|w\d+a\d+|awq|gptq|gguf|i?q\d|bnb|mlx|exl\d|kv|qat|quark|autoround|quantized|static"
            r"|dyn(amic)?|pre|trtllm|vllm|sglang|tensorrt|[tp]p\d+|edge|99(\.9)?|interactive|offline|server|lora"
        ),
        r"instruct|chat|it|hf|pt|sft|dpo|thinking|preview|nvidia|meta",
        r"v0\.\d|v1|base",
        r"\d{4}",
    )
)
_TOTAL_TOLERANCE, _ACTIVE_TOLERANCE = 0.1, 0.25  # of a size in a name: 685B is DeepSeek-V3 with its prediction layer


@lru_cache(maxsize=4096)
def model_id(name: str, models: Models) -> str | None:
    """The entry of the model library that `name` means; None if that is none or not sure."""
    exact, undecorated = _index(models)
    for words in _undecorated(name):
        key = _key(words)
        found = exact.get(key) or undecorated.get(key) or _of_size(words, models)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=4)
def _index(models: Models) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Ids by name, and by what is left of names; a name of several entries is nobody's."""
    exact: dict[str, set[str]] = {}
    undecorated: dict[str, set[str]] = {}
    for entry in models.entries.values():
        for name in entry.names:
            first, *others = _undecorated(name, (_STORED, _TUNED))  # a release of an entry is its own: bert-base is not bert
            exact.setdefault(_key(first), set()).add(entry.id)
            if re.fullmatch(r"a\d+(\.\d+)?b", first[-1]):  # Qwen3-235B, without what a token uses
                others.append(first[:-1])
            for words in others:
                undecorated.setdefault(_key(words), set()).add(entry.id)
    return _unique(exact), _unique(undecorated)


def _unique(found: Mapping[str, set[str]]) -> Mapping[str, str]:
    return {key: next(iter(ids)) for key, ids in found.items() if key and len(ids) == 1}


def _undecorated(name: str, decorations: tuple[re.Pattern[str], ...] = (_STORED, _TUNED, _RELEASED, _DATED)) -> Iterator[tuple[str, ...]]:
    """The words of a name without its organisation, then with fewer and fewer decorations."""
    text = re.sub(r"^.*/(?=.*[a-z])", "", re.sub(r"\([^)]*\)", " ", name.lower()))  # but ViT-L/14 is no organisation's
    text = re.sub(r"(?<![\d.])(\d)[_p](\d)(?![\da-z.])", r"\1.\2", text)  # llama3_1-8b
    text = re.sub(r"\bi?q\d_[a-z0-9_]+|(?<=fp4)-v\d\b", " ", text)  # q4_k_m, nvfp4-v2
    parts = re.findall(r"[a-z0-9]+(?:\.\d+)*", text)
    yield _words(parts)
    sized = any(_SIZE.fullmatch(part) for part in parts)
    for decoration in decorations:
        kept = [part for part in parts if not decoration.fullmatch(part)]
        if kept != parts and (sized or decoration is not _DATED):
            parts = kept
            yield _words(parts)


def _words(parts: list[str]) -> tuple[str, ...]:
    return tuple(word for part in parts for word in _WORD.findall(part))


def _key(words: tuple[str, ...]) -> str:
    """All words in one, figures apart: qwen3-235ba22b."""
    return re.sub(r"(?<=\d) (?=\d)", "-", " ".join(words)).replace(" ", "")


def _of_size(words: tuple[str, ...], models: Models) -> str | None:
    """A name with sizes that the library's name has not: DeepSeek-V3 671B, Llama 4 Scout 17B."""
    sizes = [word for word in words if _SIZE.fullmatch(word)]
    found = _index(models)[0].get(_key(tuple(word for word in words if word not in sizes))) if sizes else None
    return found if found is not None and all(_has_size(models[found], size) for size in sizes) else None


def _has_size(entry: ModelEntry, size: str) -> bool:
    if "x" in size:
        return False
    stated, counted = float(size.strip("aebmt")) * {"m": 1e6, "b": 1e9, "t": 1e12}[size[-1]], parameters(entry.architecture)
    return abs(stated / counted.active - 1) < _ACTIVE_TOLERANCE or (
        size[0].isdigit() and abs(stated / counted.total - 1) < _TOTAL_TOLERANCE
    )


_PREFERRED_FORMS = ("sxm", "nvl72", "oam", "server")  # of several forms of one chip, the one that training systems are built of
_CHIP_NOISE = frozenset(
    "nvidia amd google intel habana aws amazon instinct geforce tesla gpu gpus accelerator ai tensor core cloud dgx hgx cts"
    " hbm2 hbm2e hbm3 hbm3e gddr6 gddr6x gddr7 superchip grace hopper blackwell edition generation oam".split()
)
_MEMORY_TOLERANCE = 0.08  # 186, 189 and 192 GB are one chip


def accelerator_id(name: str, accelerators: Mapping[str, Accelerator]) -> str | None:
    """The catalog entry that a short name such as `H100`, `A100-40GB`, `TPU v6e` or a full one means; None if none does."""
    if name.lower() in accelerators:
        return name.lower()
    words, memory_bytes = _chip_words(re.sub(r"\(.*?\)", " ", name))
    found = [
        id_
        for id_, chip in accelerators.items()
        if words and words <= _chip_words(f"{id_} {chip.name}")[0] and _has_memory(chip, name, memory_bytes)
    ]
    return min(found, key=lambda id_: (len(_chip_words(id_)[0]), _form_rank(id_), len(id_), id_), default=None)


@lru_cache(maxsize=1024)
def _chip_words(name: str) -> tuple[frozenset[str], float | None]:
    """Words of a name with spellings made alike (`TPU7x` -> tpu, v7x; `SXM5` -> sxm), and the memory it states."""
    text = re.sub(r"^\s*\d+\s*x\s*(?=[a-z])", "", name.lower())  # 8xH100
    for pattern, word in (
        (r"tpu7x", "tpu v7x"),
        (r"tpuv", "tpu v"),
        (r"v5[ -]?lite(pod)?", "v5e"),
        (r"v6[ -]?lite", "v6e"),
        (r"\b(gaudi|trainium|inferentia)[ _-]?(\d)", r"\1\2"),
        (r"\btrn(\d)", r"trainium\1"),
        (r"\binf(\d)", r"inferentia\1"),
        (r"\brtx(?=[\da-z])", "rtx "),
        (r"\bsxm\d", "sxm"),
    ):
        text = re.sub(pattern, word, text)
    stated = re.search(r"(\d+) ?gi?b\b", text)
    words = frozenset(re.findall(r"[a-z0-9.]+", re.sub(r"\d+ ?gi?b\b", " ", text)))
    return words - _CHIP_NOISE, float(stated.group(1)) * 1e9 if stated else None


def _has_memory(chip: Accelerator, name: str, memory_bytes: float | None) -> bool:
    """Whether the chip has the amount and the generation of memory that its name states, if any."""
    kind = re.search(r"hbm\d?e?|gddr\d", name.lower())
    if kind and not chip.memory_type.lower().startswith(kind.group(0)):
        return False
    return memory_bytes is None or (chip.memory_bytes is not None and abs(memory_bytes / chip.memory_bytes - 1) < _MEMORY_TOLERANCE)


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
