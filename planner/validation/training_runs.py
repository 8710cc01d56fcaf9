"""A measured training run as the model sees it: architecture, accelerator, software and parallelism of one table row."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from measurements.model_shapes import ModelShapeRow, model_shapes
from measurements.training_benchmarks import training_benchmarks
from model_db.architecture import Architecture, Attention, Block, Embedding, Linear, Mlp, Moe, Norm, Stack
from planner.counting.flops import stack_flops_per_sample
from planner.library import Library
from planner.performance.efficiency import Condition
from planner.performance.micro_batch import Method
from planner.search.columns import PRECISIONS, RECOMPUTES
from planner.validation.names import accelerator_id, model_id, precision_index
from planner.validation.rows import count_cell, number_cell, text_cell

_NONE, _FULL = RECOMPUTES.index("none"), RECOMPUTES.index("full")
_HBM2E_SHARE = 0.72  # six stacks of HBM2e of 400 GB/s against the 3.35 TB/s of HBM3
_STACKS = ("megascale", "llm-foundry", "maxtext")
UNKNOWN_ACCELERATOR, UNKNOWN_MODEL = "unknown_accelerator", "unknown_model"
_GPT_VOCABULARY = 51_200  # padded GPT-2 vocabulary of the Megatron papers (arXiv:2104.04473, section 5)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a run was spread; None: not stated."""

    tp: int | None
    pp: int | None
    cp: int | None
    ep: int | None
    virtual_stages: int | None
    micro_batch: int | None
    fsdp: int | None  # devices that share weights; 0 plain data parallel
    recompute: int | None  # index into RECOMPUTES
    repeated_layers: float = 1.0  # share of the layers that full recomputation covers
    rounds: int | None = None  # micro-batches of a step, where the software fixes them


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One row, understood."""

    row: int
    row_id: str
    source: str
    architecture: Architecture
    experts: bool
    accelerator: str
    method: Method
    precision: int  # index into PRECISIONS
    condition: Condition
    devices: int
    sequence_tokens: int
    global_batch: int  # sequences
    layout: Layout
    model: str  # what the row calls it, in one spelling
    known: bool  # the source states the parallelism

    @property
    def stack(self) -> str:
        """The software."""
        return self.condition.stack

    @property
    def release(self) -> str:
        """Its release."""
        return self.condition.release

    @property
    def determined(self) -> bool:
        """Whether the parallelism is stated or follows from what is."""
        return self.layout.tp is not None and self.layout.pp is not None

    @property
    def family(self) -> tuple[str, str, str]:
        """(model, accelerator, precision): what leave-one-family-out leaves out."""
        return self.model, self.accelerator, PRECISIONS[self.precision]


class NotPredictableError(Exception):
    """The row lacks something; the code says what."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def training_run(position: int, row: Mapping[str, str], library: Library) -> TrainingRun:
    """The run of a row of either training file. Raises `NotPredictableError` with the first thing that is missing."""
    benchmark = training_benchmarks().get(text_cell(row, "benchmark"))
    name = text_cell(row, "model") or (benchmark.model if benchmark else text_cell(row, "benchmark"))
    chip = accelerator_id(text_cell(row, "accelerator"), library.hardware.accelerators)
    if chip is None:
        raise NotPredictableError(UNKNOWN_ACCELERATOR)
    architecture = run_architecture(name, row, library)
    if architecture is None:
        raise NotPredictableError(UNKNOWN_MODEL)
    mlperf = bool(text_cell(row, "benchmark"))
    precision = precision_index(text_cell(row, "precision"))
    if precision is None:
        precision = PRECISIONS.index("bf16")
    devices = _needed(count_cell(row, "n_acc") or count_cell(row, "total_accelerators"), "no_device_count")
    sequence = _needed(count_cell(row, "seq_len") or (benchmark.sequence_tokens if benchmark else None), "no_sequence_length")
    stack, release = software(row)
    layout = _layout(row, stack, devices, mlperf=mlperf)
    batch = count_cell(row, "global_batch") or _batch_of(row, layout, devices)
    task = text_cell(row, "task") or text_cell(row, "benchmark")
    return TrainingRun(
        row=position,
        row_id=text_cell(row, "row_id"),
        source="mlperf" if mlperf else text_cell(row, "source_group"),
        architecture=architecture,
        experts=any(isinstance(layer, Moe) for stack_ in architecture.stacks for block in stack_.blocks for layer in block.layers),
        accelerator=chip,
        method="lora" if "lora" in task else "finetune" if task == "sft" else "pretrain",
        precision=precision,
        condition=_condition(row, stack, release, library.hardware.accelerators[chip].tdp_w),
        devices=devices,
        sequence_tokens=sequence,
        global_batch=max(1, _needed(batch, "no_global_batch") // (benchmark.packed if benchmark else 1)),
        layout=layout,
        known=count_cell(row, "tp") is not None and count_cell(row, "pp") is not None,
        model=model_id(name, library.models) or re.sub(r"\W", "", name.lower()),
    )


def _condition(row: Mapping[str, str], stack: str, release: str, rating_w: float | None) -> Condition:
    notes = text_cell(row, "notes")
    older_memory = "hbm2e" in notes.lower() and "H100" in text_cell(row, "accelerator")
    recipe = _recipe(text_cell(row, "precision"))
    return Condition(stack, release, recipe, _power_share(notes, rating_w), _HBM2E_SHARE if older_memory else 1.0)


def _power_share(notes: str, rating_w: float | None) -> float:
    """A power limit that the notes state, over the rating."""
    found = re.search(r"(\d{2,4}) W power limit", notes)
    return min(1.0, float(found.group(1)) / rating_w) if found and rating_w else 1.0


def _needed(value: int | None, code: str) -> int:
    if value is None:
        raise NotPredictableError(code)
    return value


def _batch_of(row: Mapping[str, str], layout: Layout, devices: int) -> int | None:
    """Sequences of a step where only a device's are given."""
    per_device, rounds = layout.micro_batch, count_cell(row, "grad_accum") or 1
    if per_device is None:
        return None
    return per_device * rounds * devices // ((layout.tp or 1) * (layout.pp or 1) * (layout.cp or 1))


def software(row: Mapping[str, str]) -> tuple[str, str]:
    """(stack, release) of the training software; releases of one stack sort by age."""
    stated = text_cell(row, "software") or text_cell(row, "framework")
    name, notes, label = stated.lower(), text_cell(row, "notes").lower(), text_cell(row, "round")
    if label:
        return _mlperf_stack(name, row), f"v{label.removeprefix('v')}"
    if "megatron-bridge" in name:
        found = re.search(r"\d+\.\d+(?:\.\d+)?", name)
        return "megatron-bridge", found.group(0) if found else ""
    if "torchtitan" in name:
        return "torchtitan", "eager" if "eager" in notes else "async tensor parallel" if re.search(r"async ?tp", notes) else "compiled"
    if "megatron" in name and "fp8" in text_cell(row, "precision").lower():  # needs Transformer Engine: Megatron-Core of today
        return "megatron-bridge", ""
    if "megatron" in name:
        found = re.search(r"\b20\d\d\b", name)
        return "megatron-lm", found.group(0) if found else "2024"
    words = re.findall(r"[a-z][a-z-]+", name)
    return next((stack for stack in _STACKS if stack in name), words[0] if words else ""), ""


def _mlperf_stack(name: str, row: Mapping[str, str]) -> str:
    """The code path of an MLPerf submission, which its accelerator decides more than the name the submitter gives it."""
    chip = text_cell(row, "accelerator").lower()
    if "deepspeed" in (name + text_cell(row, "correction")).lower():
        return "deepspeed"
    if "tpu" in chip or "maxtext" in name:
        return "maxtext"
    if chip.startswith("mi") or "rocm" in name or "llmboost" in name:
        return "mlperf-rocm"
    return "mlperf-gaudi" if "gaudi" in chip else "mlperf-nemo"


def _recipe(label: str) -> str:
    text = label.lower()
    if "mx" in text:
        return "mx"
    if "nvfp4" in text:
        return "nv"
    return "row" if "rowwise" in text else ""


def _layout(row: Mapping[str, str], stack: str, devices: int, *, mlperf: bool) -> Layout:
    tp, pp = count_cell(row, "tp"), count_cell(row, "pp")
    stated_fsdp = number_cell(row, "fsdp")
    layout = Layout(
        tp=tp,
        pp=pp,
        cp=count_cell(row, "cp") or (1 if tp is not None else None),
        ep=count_cell(row, "ep"),
        virtual_stages=count_cell(row, "vp"),
        micro_batch=count_cell(row, "micro_batch"),
        fsdp=None if stated_fsdp is None else int(stated_fsdp),
        recompute=_recomputation(text_cell(row, "recompute"), mlperf=mlperf),
    )
    if stack == "torchtitan":
        return _torchtitan_layout(row, layout)
    if stack == "deepspeed":
        return replace(layout, tp=layout.tp or 1, pp=layout.pp or 1, cp=layout.cp or 1, fsdp=devices, recompute=_FULL)
    if layout.tp is None and layout.fsdp == devices:  # all devices share the weights: nothing is left for other ways to divide
        return replace(layout, tp=1, pp=1, cp=1)
    return layout


def _recomputation(text: str, *, mlperf: bool) -> int | None:
    """Unstated is none where the sources state none: MLPerf and Megatron-Bridge recipes."""
    label = text.lower()
    if "full" in label or "policy" in label:
        return _FULL
    if "selective" in label:
        return RECOMPUTES.index("selective")
    return _NONE if label == "none" or mlperf or not label else None


def _torchtitan_layout(row: Mapping[str, str], layout: Layout) -> Layout:
    """Torchtitan's selective recomputation repeats half of a layer's work; its pipelines cut the local batch into `pp` parts."""
    local, pp = layout.micro_batch, layout.pp or 1
    if "selective" in text_cell(row, "recompute").lower():
        layout = replace(layout, recompute=_FULL, repeated_layers=0.5)
    if pp > 1 and local is not None:
        interleaved = "interleaved" in text_cell(row, "notes").lower()
        layout = replace(layout, micro_batch=max(1, local // pp), rounds=min(local, pp), virtual_stages=2 if interleaved else 1)
    return layout


def run_architecture(name: str, row: Mapping[str, str], library: Library) -> Architecture | None:
    """From the row's own shapes, the shapes measured runs came with, or the model library."""
    layers, hidden, heads = (count_cell(row, field, 1e6) for field in ("layers", "hidden", "heads"))
    if layers and hidden and heads:
        vocabulary = count_cell(row, "vocab") or _GPT_VOCABULARY
        return gpt(ModelShapeRow(layers, hidden, heads, 4 * hidden, vocabulary, tied=True))
    shape = model_shapes().get(name.lower())
    if shape is not None:
        return gpt(shape)
    found = model_id(name, library.models)
    if found is None:
        return None
    entry = library.models[found]
    if not entry.optional_stacks or "w/o mtp" in name.lower():
        return entry.architecture
    return _with_prediction_layers(entry.architecture, entry.optional_stacks, number_cell(row, "flops_per_token_implied_g"), row)


def _with_prediction_layers(
    architecture: Architecture, stacks: tuple[Stack, ...], stated_gflops: float | None, row: Mapping[str, str]
) -> Architecture:
    """The architecture with its multi-token prediction, if the FLOPs a token that the source counted say so."""
    sequence = float(count_cell(row, "seq_len") or 4096)
    main = 3e-9 * sum(stack_flops_per_sample(stack, sequence) for stack in architecture.stacks) / sequence
    more = 3e-9 * sum(stack_flops_per_sample(stack, sequence) for stack in stacks) / sequence
    if stated_gflops is None or stated_gflops < main + 0.5 * min(more, 0.06 * main):
        return architecture
    return architecture.model_copy(update={"stacks": (*architecture.stacks, *stacks)})


@lru_cache(maxsize=256)
def gpt(shape: ModelShapeRow) -> Architecture:
    """A GPT of the given shape."""
    head_dim = max(1, shape.hidden // shape.heads)
    norm = Norm(dim=shape.hidden, kind="layer")
    layer = (
        norm,
        Attention(hidden=shape.hidden, heads=shape.heads, kv_heads=shape.heads, head_dim=head_dim),
        norm,
        Mlp(hidden=shape.hidden, ffn=shape.ffn, gated=False),
    )
    head = Linear(in_features=shape.hidden, out_features=shape.vocab, sharding="column", tied=shape.tied, name="head")
    blocks = (
        Block(name="embedding", layers=(Embedding(rows=shape.vocab, dim=shape.hidden),)),
        Block(name="layer", layers=layer, repeat=shape.layers),
        Block(name="head", layers=(norm, head)),
    )
    return Architecture(stacks=(Stack(name="text", blocks=blocks),), vocab=shape.vocab, hidden=shape.hidden)


def divisors(value: int, most: int) -> list[int]:
    """Divisors of `value` up to `most`, ascending."""
    small = [d for d in range(1, math.isqrt(value) + 1) if value % d == 0]
    return sorted(d for d in {*small, *(value // d for d in small)} if d <= most)
