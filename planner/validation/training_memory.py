"""Measured memory of training runs beside its prediction: peak, states or activations of one accelerator."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from model_db.architecture import Architecture, Stack
from planner.library import Library
from planner.memory.pipeline import unit_chain
from planner.memory.recipe import TrainingRecipe, training_recipe
from planner.memory.training import TrainingMemory, training_memory
from planner.request import Training
from planner.search.columns import PRECISIONS, RECOMPUTES, SCHEDULES, TrainingColumns
from planner.validation.names import accelerator_id, model_id, precision_index
from planner.validation.prediction import Prediction
from planner.validation.rows import count_cell, is_scorable, number_cell, text_cell
from planner.validation.training_runs import UNKNOWN_MODEL, NotPredictableError, run_architecture

_GIB = 2.0**30
NO_SEQUENCE, NO_DEVICES, NO_PARALLELISM, NO_TARGET = "no_sequence_length", "no_device_count", "no_parallelism", "no_target"
_FRAMEWORKS = (
    ("torchtitan", "torchtitan"),
    ("deepspeed", "deepspeed"),
    ("megatron-bridge", "megatron_bridge"),
    ("2205.05198", "megatron_2022"),
)
_UNIT_BYTES = {"gib": _GIB, "gb": 1e9}


@dataclass(frozen=True, slots=True)
class MemoryRun:
    """A row as the memory model sees it: one candidate, its task and the habits of its software."""

    architecture: Architecture
    training: Training
    columns: TrainingColumns
    recipe: TrainingRecipe

    def memory(self) -> TrainingMemory:
        """Its memory."""
        return training_memory(self.architecture, self.training, self.columns, self.recipe)


def predict(rows: Iterable[Mapping[str, str]], library: Library) -> Iterator[Prediction]:
    """One prediction a row: the memory it measured, in GiB, or in per cent of the same run without recomputation."""
    for position, row in enumerate(rows):
        quantity, measured = _measured(row)
        predicted, reason = None, "" if measured is not None else NO_TARGET
        if measured is not None:
            try:
                predicted = _predicted(row, memory_run(row, library))
            except NotPredictableError as error:
                reason = error.code
        yield Prediction(
            row=position,
            row_id=text_cell(row, "row_id"),
            quantity=quantity,
            measured=measured if measured is not None else np.nan,
            predicted=predicted,
            reason=reason,
            scorable=is_scorable(row),
            slices=_slices(row, library),
        )


def memory_run(row: Mapping[str, str], library: Library) -> MemoryRun:
    """The run of a row. Raises `NotPredictableError` with the first thing that is missing."""
    architecture = _architecture(row, library)
    sequence = count_cell(row, "seq_len")
    if sequence is None:
        raise NotPredictableError(NO_SEQUENCE)
    source = text_cell(row, "source_url").lower()
    recipe = _recipe(row, source)
    training = Training(
        method=_method(row),
        sequence_tokens=sequence,
        lora_rank=_noted_number(row, r"rank[- ](\d+)") or Training().lora_rank,
        optimizer="muon" if "muon" in text_cell(row, "optimizer").lower() else "adamw",
    )
    return MemoryRun(architecture, training, _columns(row, recipe), recipe)


def _architecture(row: Mapping[str, str], library: Library) -> Architecture:
    """The model library's, where the row's shapes do not contradict it; else what the shapes describe."""
    name = text_cell(row, "model")
    known = model_id(name, library.models)
    hidden = count_cell(row, "hidden")
    if known is not None and hidden in {None, library.models[known].architecture.hidden}:
        return library.models[known].architecture
    described = run_architecture(name, row, library)
    if described is None:
        raise NotPredictableError(UNKNOWN_MODEL)
    return described


def _measured(row: Mapping[str, str]) -> tuple[str, float | None]:
    value, unit = number_cell(row, "mem_value_gib"), text_cell(row, "mem_unit_as_published").lower()
    if unit.startswith("%"):
        return "mem_value_pct", value
    scale = _UNIT_BYTES.get(unit.split(" ", maxsplit=1)[0], _GIB) / _GIB
    return "mem_value_gib", None if value is None else value * scale


def _predicted(row: Mapping[str, str], run: MemoryRun) -> float:
    """What the row's `mem_kind` names, of the fullest device; figures of one part count layers without embedding and head."""
    kind = text_cell(row, "mem_kind").lower()
    layers = replace(run, architecture=_layers_only(run.architecture))
    if "optimizer state" in kind:
        states = layers.memory()
        return float(states.weights_bytes[0] + states.gradients_bytes[0] + states.optimizer_bytes[0]) / _GIB
    if kind.startswith("activations"):
        kept = float(layers.memory().activations_bytes[0])
        return 100.0 * kept / float(_keeping_all(layers).memory().activations_bytes[0]) if "relative" in kind else kept / _GIB
    memory = run.memory()
    outside = run.recipe.runtime_bytes if "allocated" not in kind else memory.overhead_bytes[0]
    return float(memory.total_bytes[0] - outside) / _GIB


def _keeping_all(run: MemoryRun) -> MemoryRun:
    """The same run with neither recomputation nor sequence parallelism."""
    columns = run.columns.take(np.zeros(1, dtype=np.intp))
    columns.recompute[:] = RECOMPUTES.index("none")
    return replace(run, columns=columns, recipe=run.recipe.model_copy(update={"sequence_parallel": False}))


def _layers_only(architecture: Architecture) -> Architecture:
    """Without embedding and head."""
    chain = unit_chain(architecture)
    body = {chain.units[index].layers for index in chain.body}
    stacks = [
        Stack(**{**dict(stack), "blocks": kept})
        for stack in architecture.stacks
        if (kept := tuple(block for block in stack.blocks if block.layers in body))
    ]
    return architecture.model_copy(update={"stacks": tuple(stacks)})


def _recipe(row: Mapping[str, str], source: str) -> TrainingRecipe:
    """Habits of the software that the source names, and the options that the row states."""
    framework = next((name for mark, name in _FRAMEWORKS if mark in source), "megatron")
    if framework == "torchtitan" and "eager" in text_cell(row, "notes").lower():
        framework = "torchtitan_eager"
    recipe = training_recipe(framework)
    options = f"{text_cell(row, 'recompute')}; {text_cell(row, 'notes')}; {text_cell(row, 'correction')}".lower()
    if framework == "megatron_2022":
        on = "sequence parallel" in options and "no sequence parallel" not in options
        recipe = recipe.model_copy(update={"sequence_parallel": on})
    if "without sequence parallelism" in options:
        recipe = recipe.model_copy(update={"sequence_parallel": False})
    if "16-bit gradients" in options:
        recipe = recipe.model_copy(update={"gradient_bytes": 2.0})
    return recipe


def _columns(row: Mapping[str, str], recipe: TrainingRecipe) -> TrainingColumns:
    devices, tp, pp, cp, ep = (count_cell(row, name) for name in ("n_acc", "tp", "pp", "cp", "ep"))
    if devices is None:
        raise NotPredictableError(NO_DEVICES)
    if tp is None and not text_cell(row, "dp_or_fsdp"):
        raise NotPredictableError(NO_PARALLELISM)
    tp, pp, cp = tp or 1, pp or 1, cp or 1
    dp = max(1, devices // (tp * pp * cp))
    notes = text_cell(row, "notes").lower()
    micro = count_cell(row, "micro_batch") or 1
    batch = count_cell(row, "global_batch")
    if recipe.keeps_pipeline_tensors and pp > 1:  # the column holds a device's batch, which the pipeline divides by its length
        batch, micro = batch or micro * dp, max(1, micro // pp)
    virtual = count_cell(row, "vp") or (2 if "interleaved" in notes else 1)
    zero = _zero_stage(row)
    values = {
        "platform": 0,
        "tp": tp,
        "pp": pp,
        "virtual_stages": virtual if pp > 1 else 1,
        "cp": cp,
        "ep": ep or 1,
        "dp": dp,
        "zero_stage": zero,
        "shard_group": dp * cp if zero else 1,
        "micro_batch": micro,
        "recompute": _recompute(row),
        "schedule": SCHEDULES.index("interleaved" if virtual > 1 else "1f1b"),
        "precision": precision_index(text_cell(row, "precision")) or PRECISIONS.index("bf16"),
        "global_batch": batch or micro * dp * 2 * pp,
    }
    return TrainingColumns(**{field.name: np.array([values[field.name]], dtype=np.int32) for field in fields(TrainingColumns)})


def _zero_stage(row: Mapping[str, str]) -> int:
    sharding, optimizer = text_cell(row, "sharding").lower(), text_cell(row, "optimizer").lower()
    stated = re.search(r"zero-?(\d)", sharding)
    if stated:
        return int(stated.group(1))
    if "fsdp" in sharding:
        return 3
    return 1 if "distributed optimizer" in f"{sharding} {optimizer}" else 0


def _recompute(row: Mapping[str, str]) -> int:
    stated = text_cell(row, "recompute").lower()
    return next((index for index, name in enumerate(RECOMPUTES) if name in stated), RECOMPUTES.index("none"))


def _method(row: Mapping[str, str]) -> str:
    task = text_cell(row, "task").lower()
    return "lora" if "lora" in task or "peft" in task else "finetune" if "sft" in task else "pretrain"


def _noted_number(row: Mapping[str, str], pattern: str) -> int | None:
    found = re.search(pattern, text_cell(row, "notes").lower())
    return int(found.group(1)) if found else None


def _slices(row: Mapping[str, str], library: Library) -> tuple[tuple[str, str], ...]:
    source = text_cell(row, "source_url").lower()
    software = next((name for name in ("torchtitan", "megatron-bridge", "deepspeed", "2205.05198") if name in source), "")
    precision = precision_index(text_cell(row, "precision"))
    chip = accelerator_id(text_cell(row, "accelerator"), library.hardware.accelerators)
    found = {
        "accelerator": chip or "",
        "precision": PRECISIONS[precision] if precision is not None else "",
        "architecture": text_cell(row, "arch"),
        "framework": "megatron-lm" if software == "2205.05198" else software,
        "regime": text_cell(row, "task"),
        "mode": text_cell(row, "recompute").split(" ")[0],
    }
    return tuple((name, value) for name, value in found.items() if value)
