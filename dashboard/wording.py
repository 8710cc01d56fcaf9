"""Words for codes of the engine (parts, operations, limits), and text made safe for Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dashboard.charts.colours import Meaning
from dashboard.language import say
from model_db.weight_formats import load_weight_formats
from texts.translations import mark
from texts.words import RESOURCES

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|$~<>:&])")

MEANING_NAMES: dict[Meaning, str] = {
    "compute": mark("Compute"),
    "memory": mark("Memory"),
    "network": mark("Network"),
    "storage": mark("Storage"),
    "host": mark("Hosts"),
    "facility": mark("Facility"),
}

# code of a part of cost or power: its name, what it means, whether it is bought once
PARTS: dict[str, tuple[str, Meaning, bool]] = {
    "servers": (mark("Servers with accelerators"), "compute", True),
    "accelerators": (mark("Accelerators"), "compute", True),
    "hosts": (mark("Hosts"), "host", True),
    "network": (mark("Network"), "network", True),
    "storage": (mark("Storage"), "storage", True),
    "racks": (mark("Racks and power feeds"), "facility", True),
    "infrastructure": (mark("Site"), "facility", True),
    "rental": (mark("Cloud rental"), "compute", False),
    "maintenance": (mark("Maintenance"), "host", False),
    "energy": (mark("Energy"), "facility", False),
    "cooling": (mark("Cooling and losses"), "facility", False),
}

OPERATIONS: dict[str, str] = {
    "linear": mark("Matrix products"),
    "matrix products": mark("Matrix products"),
    "experts": mark("Experts"),
    "attention": mark("Attention"),
    "state": mark("State-space layers"),
    "state space": mark("State-space layers"),
    "element-wise": mark("Element-wise operations"),
    "quantisation": mark("Conversion of formats"),
    "recomputation": mark("Recomputation"),
    "optimizer": mark("Optimizer"),
    "head": mark("Output head"),
    "draft": mark("Drafting tokens"),
    "all_reduce": mark("All-reduce (tensor parallel)"),
    "all_to_all": mark("All-to-all (experts)"),
    "tensor parallel": mark("Tensor-parallel traffic"),
    "data parallel": mark("Data-parallel traffic"),
    "expert parallel": mark("Expert-parallel traffic"),
    "context parallel": mark("Context-parallel traffic"),
    "pipeline transfers": mark("Pipeline traffic"),
    "pipeline bubble": mark("Pipeline bubble"),
    "launch": mark("Kernel launches"),
    "engine": mark("Serving software"),
    "offload": mark("States off the device"),
    "step overhead": mark("Overhead of a step"),
    "stragglers": mark("Waiting for the slowest"),
}

PHASES: dict[str, str] = {"prefill": mark("prefill"), "decode": mark("decode"), "step": mark("training step")}

COMPONENTS: dict[str, str] = {
    "attention": mark("Attention"),
    "feed_forward": mark("Feed-forward"),
    "routed_experts": mark("Routed experts"),
    "shared_experts": mark("Shared experts"),
    "router": mark("Router"),
    "state_space": mark("State-space layers"),
    "linear_attention": mark("Linear attention"),
    "norm": mark("Normalisation"),
    "embedding": mark("Embedding"),
    "convolution": mark("Convolution"),
    "recurrent": mark("Recurrent layers"),
    "linear": mark("Linear layers"),
    "head": mark("Output head"),
    "position": mark("Positions"),
    "classifier": mark("Classifier"),
    "class token": mark("Class token"),
    "other": mark("Other"),
}

RESOURCE_MEANINGS: dict[str, Meaning] = {
    "compute": "compute",
    "memory": "memory",
    "network": "network",
    "storage": "storage",
    "host": "host",
    "overhead": "facility",
}

MEMORY_PARTS: dict[str, str] = {
    "weights": mark("Weights"),
    "gradients": mark("Gradients"),
    "optimizer": mark("Optimizer states"),
    "activations": mark("Activations"),
    "kv_cache": mark("KV cache"),
    "state": mark("Recurrent state"),
    "logits": mark("Logits"),
    "buffers": mark("Communication buffers"),
    "overhead": mark("Driver and framework"),
    "reserve": mark("Kept free"),
    "free": mark("Free"),
}

QUANTITIES: dict[str, str] = {
    "ttft_s": mark("time to first token (s)"),
    "tpot_s": mark("time per output token (s)"),
    "itl_s": mark("time between tokens (s)"),
    "output_tokens_per_s": mark("output (tokens/s)"),
    "tokens_per_s_per_acc": mark("throughput of an accelerator (tokens/s)"),
    "step_time_s": mark("step (s)"),
    "ttt_min_median": mark("time to train (min)"),
    "mem_value_gib": mark("memory (GiB)"),
    "mem_value_pct": mark("memory (%)"),
    "weights_gib_per_gpu": mark("weights (GiB per accelerator)"),
    "kv_cache_gib_per_gpu": mark("KV cache (GiB per accelerator)"),
    "activation_gib": mark("activations (GiB)"),
    "kv_tokens": mark("KV cache (tokens)"),
    "kv_bytes_per_token": mark("KV cache (bytes per token)"),
    "fits": mark("fits (1 yes, 0 no)"),
}

DIMENSIONS: dict[str, str] = {
    "all": mark("all rows"),
    "source": mark("source"),
    "vendor": mark("vendor"),
    "accelerator": mark("accelerator"),
    "precision": mark("number format"),
    "architecture": mark("architecture"),
    "scale": mark("scale"),
    "framework": mark("software"),
    "regime": mark("regime"),
    "mode": mark("mode"),
    "parallelism": mark("parallelism"),
    "scorable": mark("counted"),
}

REASONS: dict[str, str] = {
    "dearer": mark("costs more"),
    "slower": mark("is slower"),
    "more_power": mark("draws more power"),
    "more_energy": mark("uses more energy"),
    "more_devices": mark("needs more accelerators"),
    "price_unknown": mark("has no full price"),
}


def word(table: Mapping[str, str], code: str) -> str:
    """The name of `code` in the reader's language; a code without a name stands for itself, readable."""
    return say(table[code]) if code in table else code.replace("_", " ")


def component_name(code: str) -> str:
    """The name of a part of a model; where it has several stacks, with its stack."""
    stack, _, part = code.rpartition(".")
    name = word(COMPONENTS, part)
    return say("{part} ({stack})", part=name, stack=stack) if stack else name


def format_name(id_: str) -> str:
    """Short name of a weight format: what stands before the details."""
    formats = load_weight_formats()
    return formats[id_].name.split(",")[0] if id_ in formats else id_


def part_name(code: str) -> str:
    """The name of a part of cost or power."""
    return say(PARTS[code][0]) if code in PARTS else code.replace("_", " ")


def part_meaning(code: str) -> Meaning:
    """What a part of cost or power is coloured as."""
    return PARTS[code][1] if code in PARTS else "facility"


def resource_name(code: str) -> str:
    """The name of a resource that limits, as it stands in a sentence."""
    return word(RESOURCES, code)


def plain(text: str) -> str:
    """`text` with nothing in it that Markdown would act on: names may come from anyone's catalog file."""
    return _MARKDOWN.sub(r"\\\1", text)
