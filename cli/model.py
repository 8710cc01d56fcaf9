"""`rackwright model`: list the models of the catalog, show what one of them or one of one's own weighs and computes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cli import Commands
from model_db import ModelEntry, load_models
from model_db.config_import import import_config
from model_db.model_files import read_model
from model_db.model_files.hub import hub_config
from planner.counting import (
    cross_kv_cache_bytes_per_token,
    fixed_state_bytes_per_sequence,
    forward_flops_per_sample,
    forward_flops_per_token,
    index_cache_bytes_per_token,
    kv_cache_bytes,
    kv_cache_bytes_per_token,
    parameters,
    weight_bytes_by_format,
)
from planner.counting.flops import token_stack
from texts.numbers import memory, whole, work
from texts.translations import Language, tr

_FORMATS = ("table", "json")
_KV_BITS = (16, 8, 4)
_USUAL_CONTEXT = 4096


def register(commands: Commands) -> None:
    """Add the command and its two actions to the parser."""
    parser = commands.add_parser("model", description="Models: list, show.")
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="models of the catalog, one a line")
    _common(listing)
    listing.set_defaults(run=list_models)

    showing = actions.add_parser("show", help="parameters, FLOPs, KV cache and bytes of one model")
    showing.add_argument(
        "model", metavar="MODEL", help="id, hub name, config.json, layers.yaml, *.safetensors, *.gguf, a directory, or - for stdin"
    )
    showing.add_argument(
        "--context", type=_positive, metavar="TOKENS", help="context for FLOPs and cache (default: 4096, or the model's if less)"
    )
    showing.add_argument(
        "--kv-bits", type=int, choices=_KV_BITS, default=16, help="bits of a KV-cache element, whatever the weights (default: 16)"
    )
    _common(showing)
    showing.set_defaults(run=show_model)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", action="append", default=[], type=Path, metavar="FILE", help="own models on top; may be repeated")
    parser.add_argument("--format", choices=_FORMATS, default="table", help="default: table")


def _positive(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10**9:
        msg = "from 1 to 1,000,000,000"
        raise argparse.ArgumentTypeError(msg)
    return value


def list_models(arguments: argparse.Namespace) -> int:
    """Print id, kind, parameters and name of every model."""
    models = load_models(arguments.models)
    rows = [
        {"id": entry.id, "kind": entry.kind, "parameters": parameters(entry.architecture).total, "name": entry.name}
        for entry in models.values()
    ]
    if arguments.format == "json":
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    width = max(len(str(row["id"])) for row in rows)
    for row in rows:
        print(f"{row['id']:{width}}  {row['parameters']:>19,}  {row['name']}")
    return 0


def show_model(arguments: argparse.Namespace) -> int:
    """Print what the model needs, for people or for programs."""
    entry = _entry(arguments.model, arguments.models)
    context = arguments.context or min(_USUAL_CONTEXT, entry.max_context or _USUAL_CONTEXT)
    figures = model_figures(entry, context, arguments.kv_bits / 8)
    print(json.dumps(figures, ensure_ascii=False, indent=2) if arguments.format == "json" else _sheet(entry, figures, arguments.lang))
    return 0


def _entry(source: str, overlays: list[Path]) -> ModelEntry:
    """The model called `source` in the catalog, in a file or directory, or on the hub: in this order."""
    if source == "-":
        return import_config(sys.stdin.buffer.read(), "stdin")
    models = load_models(overlays)
    path = Path(source)
    if source in models or not (
        path.exists() or path.suffix in {".json", ".yaml", ".yml", ".safetensors", ".gguf"} or source.count("/") == 1
    ):
        return models[source]
    if path.exists() or path.suffix:
        return read_model(path, lambda architecture: parameters(architecture).total)
    return import_config(hub_config(source), source)


def model_figures(entry: ModelEntry, context: int, kv_element_bytes: float) -> dict[str, object]:
    """What a model needs, as plain values; None where a figure does not apply."""
    architecture = entry.architecture
    counted = parameters(architecture)
    has_tokens = token_stack(architecture) is not None
    return {
        "id": entry.id,
        "name": entry.name,
        "kind": entry.kind,
        "source": entry.source,
        "parameters": {"total": counted.total, "active": counted.active, "by_component": counted.by_component},
        "context": context,
        "flops_per_token": _plain(float(forward_flops_per_token(architecture, context))) if has_tokens else None,
        "flops_per_sample": None if has_tokens else _plain(forward_flops_per_sample(architecture)),
        "kv_cache_bytes_per_token": _plain(kv_cache_bytes_per_token(architecture, kv_element_bytes)),
        "kv_cache_bytes": _plain(float(kv_cache_bytes(architecture, context, kv_element_bytes))),
        "cross_kv_cache_bytes_per_token": _plain(cross_kv_cache_bytes_per_token(architecture, kv_element_bytes)),
        "index_cache_bytes_per_token": _plain(index_cache_bytes_per_token(architecture)),
        "fixed_state_bytes_per_sequence": _plain(fixed_state_bytes_per_sequence(architecture, kv_element_bytes)),
        "native_weight_format": entry.native_weight_format,
        "weight_bytes": {name: _plain(size) for name, size in weight_bytes_by_format(architecture).items()},
        "stored_bytes": dict(entry.stored_bytes_by_format),
        "mapped_by_fields": entry.mapped_by_fields,
        "notes": list(entry.notes),
    }


def _plain(value: float) -> int | float:
    return round(value) if value > 1000 or value == int(value) else value


def _sheet(entry: ModelEntry, figures: dict[str, object], language: Language) -> str:
    """The figures on a terminal."""
    architecture = entry.architecture
    counted = parameters(architecture)
    context = figures["context"]
    lines = [f"{entry.name} ({entry.kind})", ""]
    rows: list[tuple[str, str]] = [
        (tr("parameters", language), whole(counted.total, language)),
        (tr("active per token", language), whole(counted.active, language)),
        *(
            ("  " + name.replace("_", " "), whole(count, language))
            for name, count in sorted(counted.by_component.items(), key=lambda item: -item[1])
        ),
    ]
    for label, key in ((tr("FLOPs per token", language), "flops_per_token"), (tr("FLOPs per sample", language), "flops_per_sample")):
        flops = figures[key]
        if isinstance(flops, (int, float)):
            rows.append((label, work(flops, language)))
    for label, key in (
        (tr("KV cache per token", language), "kv_cache_bytes_per_token"),
        (tr("KV cache at this context", language), "kv_cache_bytes"),
        (tr("cross-attention cache per input token", language), "cross_kv_cache_bytes_per_token"),
        (tr("index cache per token", language), "index_cache_bytes_per_token"),
        (tr("fixed state per sequence", language), "fixed_state_bytes_per_sequence"),
    ):
        size = figures[key]
        if isinstance(size, (int, float)) and size:
            rows.append((label, memory(size, language)))
    rows.append((tr("context", language), f"{context:,}"))
    computed, stored, source = tr("weights in", language), tr("stored as", language), tr("source", language)
    rows += [(f"{computed} {name}", memory(size, language)) for name, size in weight_bytes_by_format(architecture).items()]
    rows += [(f"{stored} {name}", memory(size, language)) for name, size in entry.stored_bytes_by_format.items()]
    width = max(len(label) for label, _ in rows)
    lines += [f"{label:{width}}  {value}" for label, value in rows]
    lines += ["", f"{source}: {entry.source}", *(f"- {note}" for note in entry.notes)]
    return "\n".join(lines)
