"""Measured memory of serving engines beside its prediction: weights, workspace, cache, and whether a model fits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from model_db import ModelEntry
from model_db.weight_formats import WeightFormat, weight_format
from planner.library import Library
from planner.memory.engines import ServingRecipe, serving_recipe
from planner.memory.formats import precision_of
from planner.memory.serving import ServingMemory, serving_memory
from planner.request import Serving
from planner.search.columns import KV_PRECISIONS, ServingColumns
from planner.validation.names import accelerator_id, model_id
from planner.validation.prediction import Prediction
from planner.validation.rows import count_cell, is_scorable, number_cell, text_cell
from planner.validation.training_runs import UNKNOWN_MODEL, NotPredictableError

_GIB = 2.0**30
_UNKNOWN_MEMORY, _NO_TARGET = "unknown_memory", "no_target"
_FORMAT_WORDS = re.compile(r"\b(nvfp4|mxfp4|fp8|fp16|bf16|int8|int4|awq|gptq|kv|qat|dynamic|autoround|weights?|class|instruct|it)\b")
_STATED_FORMATS = (
    ("int4 qat", "int4_g32_experts"),
    ("nvfp4", "nvfp4"),
    ("mxfp4", "mxfp4"),
    ("fp8", "fp8"),
    ("int8", "int8"),
    ("int4", "int4_g128_symmetric"),
)
_LABEL = re.compile(r"(\d+) ?GB\b")  # of a size in an accelerator's name
_DEFAULT_CONTEXT = 2048  # where a row states no length
_CHUNKS_FROM = 2025  # releases of vLLM before this year profile a whole prompt


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A row as the memory model sees it: one replica on its devices, asked for one sequence of the row's length."""

    entry: ModelEntry
    serving: Serving
    columns: ServingColumns
    recipe: ServingRecipe
    stored: WeightFormat
    memory_bytes: float | None  # nominal; None: not stated and not in the catalog

    def memory(self) -> ServingMemory:
        """Its memory; without a capacity nothing fits."""
        capacity = np.array([self.memory_bytes or 0.0])
        return serving_memory(self.entry.architecture, self.serving, self.columns, capacity, self.recipe, self.stored)


def predict(rows: Iterable[Mapping[str, str]], library: Library) -> Iterator[Prediction]:
    """One prediction for each quantity that a row states; quantities are named after its columns."""
    for position, row in enumerate(rows):
        measured = _measured(row)
        predicted: Mapping[str, float] = {}
        reason = "" if measured else _NO_TARGET
        if measured:
            try:
                predicted = _predicted(served_model(row, library))
            except NotPredictableError as error:
                reason = error.code
        for quantity, value in (measured or {"weights_gib_per_gpu": math.nan}).items():
            yield Prediction(
                row=position,
                row_id=text_cell(row, "row_id"),
                quantity=quantity,
                measured=value,
                predicted=predicted.get(quantity),
                reason=reason or ("" if quantity in predicted else _UNKNOWN_MEMORY),
                scorable=is_scorable(row),
                slices=_slices(row, library),
            )


def _measured(row: Mapping[str, str]) -> dict[str, float]:
    """What the row states, by column; whether it fits as 1 or 0. Less than nothing left for a cache is no capacity."""
    columns = ("weights_gib_per_gpu", "activation_gib", "kv_cache_gib_per_gpu", "kv_tokens", "kv_bytes_per_token")
    found = {name: value for name in columns if (value := number_cell(row, name)) is not None and value > 0.0}
    fits = text_cell(row, "fits").lower()
    if fits:
        found["fits"] = 0.0 if fits.startswith("no") else 1.0
    if "gb per gpu" in text_cell(row, "note").lower() and "weights_gib_per_gpu" in found:
        found["weights_gib_per_gpu"] *= 1e9 / _GIB
    return found


def _predicted(model: ServedModel) -> dict[str, float]:
    memory, tokens = model.memory(), model.serving.input_tokens
    per_sequence = float(memory.kv_bytes_per_sequence[0])
    found = {
        "weights_gib_per_gpu": float(memory.weights_bytes[0]) / _GIB,
        "kv_bytes_per_token": per_sequence / tokens * int(model.columns.tp[0]),
    }
    if model.memory_bytes is None:
        return found
    usable = model.recipe.utilisation * model.recipe.visible_share * model.memory_bytes
    held = memory.weights_bytes[0] + memory.activation_bytes[0] + memory.overhead_bytes[0]
    cache = model.recipe.cache_share * float(usable - held)
    return found | {
        "activation_gib": float(memory.activation_bytes[0]) / _GIB,
        "kv_cache_gib_per_gpu": cache / _GIB,
        "kv_tokens": cache / per_sequence * tokens,
        "fits": float(memory.max_batch[0] >= 1),
    }


def served_model(row: Mapping[str, str], library: Library) -> ServedModel:
    """The replica of a row. Raises `NotPredictableError` with the first thing that is missing."""
    name, note = text_cell(row, "model"), f"{text_cell(row, 'note')}; {text_cell(row, 'failure')}".lower()
    known = named_model(name, library)
    if known is None:
        raise NotPredictableError(UNKNOWN_MODEL)
    entry = library.models[known]
    stored = _stored_format(name, entry)
    recipe = _recipe(row, note)
    context = count_cell(row, "max_model_len") or _noted(r"(?:max_seq_len|context length default) (\d+)", note) or _DEFAULT_CONTEXT
    pp = _noted(r"pp ?(\d+)", f"{note} {name.lower()}") or 1
    tp = count_cell(row, "tp") or count_cell(row, "accel_count") or 1
    if pp > 1 and tp == count_cell(row, "accel_count"):
        tp = max(1, tp // pp)
    narrow_cache = bool(re.search(r"fp8[- _]?kv|kv[- _]?(cache )?fp8", f"{note} {name.lower()}"))
    values = {
        "platform": 0,
        "tp": tp,
        "pp": pp,
        "ep": 1,
        "attention_dp": 1,
        "precision": precision_of(stored),
        "kv_precision": KV_PRECISIONS.index("fp8" if narrow_cache else "bf16"),
        "batch": 1,
    }
    return ServedModel(
        entry=entry,
        serving=Serving(input_tokens=context, output_tokens=1),
        columns=ServingColumns(**{column: np.array([value], dtype=np.int32) for column, value in values.items()}),
        recipe=recipe,
        stored=stored,
        memory_bytes=_memory_bytes(text_cell(row, "accelerator"), library, recipe.visible_share),
    )


def named_model(name: str, library: Library) -> str | None:
    """The library's entry for a name that says format and release as well: `amd/Meta-Llama-3.1-405B-Instruct-FP8-KV`."""
    words = re.sub(r"\(.*?\)", " ", name.lower().rsplit("/", maxsplit=1)[-1]).replace("-", " ").replace("_", " ")
    plain = re.sub(r"\b(meta (?=llama)|\d{4}$)", " ", _FORMAT_WORDS.sub(" ", words).strip())
    spoken = re.sub(r"[ +]+", " ", plain).strip()
    without_size = re.sub(r"\b\d+(\.\d+)?[bt]\b", " ", spoken).strip()
    candidates = (name, spoken.replace(" ", "-"), without_size.replace(" ", "-"))
    return next((found for candidate in candidates if (found := model_id(candidate, library.models)) is not None), None)


def _stored_format(name: str, entry: ModelEntry) -> WeightFormat:
    """The format the name states, else the one the model is published in."""
    stated = name.lower().split("+", maxsplit=1)[0]
    found = next((format_ for mark, format_ in _STATED_FORMATS if mark in stated), None)
    if re.search(r"bf16|fp16", stated):
        found = "bf16"
    native = weight_format(entry.native_weight_format)
    if found is None or precision_of(native) == precision_of(weight_format(found)):
        return native
    return weight_format(found)


def _recipe(row: Mapping[str, str], note: str) -> ServingRecipe:
    engine, chip = text_cell(row, "engine").lower(), text_cell(row, "accelerator").lower()
    year = _noted(r"(20\d\d)", engine)
    name = "trtllm" if "tensorrt" in engine else "sglang" if "sglang" in engine else "vllm"
    if name == "vllm" and year is not None and year < _CHUNKS_FROM:
        name = "vllm_0"
    recipe = serving_recipe(name)
    stated = {
        "utilisation": number_cell(row, "gpu_mem_util"),
        "batched_tokens": _noted(r"max_num_batched_tokens (\d+)", note),
        "batched_tokens_small": _noted(r"max_num_batched_tokens (\d+)", note),
        "sequences": _noted(r"max_num_seqs (\d+)", note),
        "sequences_small": _noted(r"max_num_seqs (\d+)", note),
        "prediction_layers": True if "mtp" in note else None,
        "fp8_row_padding_bytes": serving_recipe("vllm_rocm").fp8_row_padding_bytes if "amd" in chip and "vllm" in engine else None,
    }
    return recipe.model_copy(update={field: value for field, value in stated.items() if value is not None})


def _memory_bytes(accelerator: str, library: Library, visible_share: float) -> float | None:
    """Nominal capacity: from what the row says the driver shows, else the catalog's, else the label's, else the smallest of its
    family; None if none is said.
    """
    exact = re.search(r"([\d,]{10,}) B\b", accelerator)
    if exact:
        return float(exact.group(1).replace(",", "")) / visible_share
    shown = re.search(r"([\d.]+) GiB", accelerator)
    if shown:
        return float(shown.group(1)) * _GIB / visible_share
    chips = library.hardware.accelerators
    found = accelerator_id(accelerator, chips) or accelerator_id(_LABEL.sub("", accelerator), chips)
    if found is not None and chips[found].memory_bytes is not None:
        return chips[found].memory_bytes
    label = _LABEL.search(accelerator)
    if label:
        return float(label.group(1)) * _GIB
    family = re.findall(r"[a-z]{4,}", re.sub(r"\(.*?\)|nvidia|intel|google", "", accelerator.lower()))
    sizes = [chip.memory_bytes for id_, chip in chips.items() if chip.memory_bytes and any(word in id_ for word in family)]
    return min(sizes, default=None)


def _noted(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return int(found.group(1)) if found else None


def _slices(row: Mapping[str, str], library: Library) -> tuple[tuple[str, str], ...]:
    chip = accelerator_id(text_cell(row, "accelerator"), library.hardware.accelerators)
    engine = text_cell(row, "engine").split(" ")[0].lower()
    known = named_model(text_cell(row, "model"), library)
    found = {
        "accelerator": chip or "",
        "framework": engine,
        "architecture": library.models[known].kind if known else "",
    }
    return tuple((name, value) for name, value in found.items() if value)
