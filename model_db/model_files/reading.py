"""A model from whatever a user has: config.json, layer list, weights file, or a directory of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import Yaml, read_yaml
from model_db.architecture import Architecture
from model_db.config_import import import_config
from model_db.config_import.fields import parse_config
from model_db.layer_list import layer_list_architecture
from model_db.model_files.gguf import read_gguf_header
from model_db.model_files.gguf_models import gguf_config
from model_db.model_files.safetensors import read_safetensors_header
from model_db.model_files.tensors import TensorTable
from model_db.models import ModelEntry

_INDEX = "model.safetensors.index.json"
_LONGEST_JSON_BYTES = 64_000_000  # the index of a model with 200,000 tensors has about 25 MB
_MOST_FILES = 2_000

_PART = re.compile(r"-(\d{5})-of-(\d{5})\.")

Count = Callable[[Architecture], int]


def read_model(path: Path, parameters: Count, *, cut: bool = False) -> ModelEntry:
    """The model in `path`: a directory, `*.json`, `*.yaml`, `*.safetensors` or `*.gguf`; weights are not read.

    `parameters` counts an architecture: where a file holds tensors and says what they mean, both must agree to be believed.
    `cut`: a weights file may be the beginning of a longer one, ending anywhere after its header.
    Raises RackwrightError for a file that cannot be read, is damaged, or is none of these.
    """
    if path.is_dir():
        return _directory(path, parameters)
    if not path.exists():
        raise RackwrightError(Fault("file_unreadable", str(path), value="No such file or directory"))
    match path.suffix.lower():
        case ".json":
            return import_config(_read(path, _LONGEST_JSON_BYTES), path.name)
        case ".yaml" | ".yml":
            return _layer_list(path)
        case ".safetensors":
            return _as_a_part(_tensors(read_safetensors_header(path, cut=cut), path.name), path)
        case ".gguf":
            return _as_a_part(_gguf(path, parameters, cut=cut), path)
    raise RackwrightError(Fault("model_file_kind", str(path), value=path.suffix, allowed=".json, .yaml, .safetensors, .gguf"))


def _read(path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise RackwrightError(Fault("file_unreadable", path.name, value=error.strerror or "")) from None
    if len(content) > most_bytes:
        raise RackwrightError(Fault("file_too_large", path.name, value=f"> {most_bytes} bytes", allowed=f"<= {most_bytes} bytes"))
    return content


def _layer_list(path: Path) -> ModelEntry:
    document = read_yaml(path)
    stated: Yaml = document.get("name") if isinstance(document, dict) else None
    return ModelEntry(
        id=path.stem,
        name=stated if isinstance(stated, str) else path.stem,
        family="layers",
        kind="layers",
        architecture=layer_list_architecture(document, path.name),
        source=path.name,
    )


def _as_a_part(entry: ModelEntry, path: Path) -> ModelEntry:
    """The entry, with a note where the file is one of several."""
    part = _PART.search(path.name)
    return replace(entry, notes=(f"file {int(part[1])} of {int(part[2])}: the others are not counted", *entry.notes)) if part else entry


def _tensors(table: TensorTable, name: str, *notes: str) -> ModelEntry:
    """Tensors without a configuration: their shapes and formats, and no more."""
    note = "shapes of the stored tensors: nothing is known of attention, so there is no KV cache and no attention FLOPs"
    return ModelEntry(
        id=name,
        name=name,
        family="tensors",
        kind="layers",
        architecture=table.architecture(),
        source=name,
        notes=(*notes, note),
        stored_bytes_by_format=table.bytes_by_format(),
    )


def _gguf(path: Path, parameters: Count, *, cut: bool = False) -> ModelEntry:
    header = read_gguf_header(path, cut=cut)
    table = TensorTable(tuple(tensor for tensor in header.table.tensors if not tensor.name.startswith("rope_")))
    config = gguf_config(header)
    if config is None:
        return _tensors(header.table, path.name)
    try:
        entry = import_config(config, path.name)
    except RackwrightError as error:
        return _tensors(header.table, path.name, f"its metadata was not enough: {shown(str(error))}")
    if parameters(entry.architecture) != table.elements:
        return _tensors(
            header.table, path.name, f"its metadata gives {parameters(entry.architecture)} parameters, its tensors {table.elements}"
        )
    named = header.metadata.get("general.name")
    return replace(
        entry, name=shown(named) if isinstance(named, str) else entry.name, notes=(), stored_bytes_by_format=header.table.bytes_by_format()
    )


def _directory(path: Path, parameters: Count) -> ModelEntry:
    files = _weight_files(path)
    tables = [read_safetensors_header(file) for file in files]
    table = TensorTable(tuple(tensor for part in tables for tensor in part.tensors))
    config = path / "config.json"
    if not config.exists():
        ggufs = sorted(path.glob("*.gguf"))
        if table.tensors:
            return _tensors(table, path.name)
        if len(ggufs) == 1:
            return _gguf(ggufs[0], parameters)
        raise RackwrightError(Fault("model_directory_empty", str(path), allowed="config.json, *.safetensors, one *.gguf"))
    entry = import_config(_config(config), path.resolve().name or "config.json")
    if not table.tensors:
        return entry
    counted = parameters(entry.architecture)
    notes = entry.notes
    if counted != table.elements:
        notes += (
            f"the class holds {counted} parameters, the files {table.elements} elements: scales, packed formats, copies or extra layers",
        )
    return replace(entry, notes=notes, stored_bytes_by_format=table.bytes_by_format())


def _config(path: Path) -> dict[str, Yaml]:
    """The configuration, with the quantisation that some publishers state in a file beside it."""
    raw = parse_config(_read(path, _LONGEST_JSON_BYTES), path.name)
    beside = path.with_name("hf_quant_config.json")
    if "quantization_config" not in raw and beside.exists():
        raw["quantization_config"] = parse_config(_read(beside, _LONGEST_JSON_BYTES), beside.name).get("quantization")
    return raw


def _weight_files(path: Path) -> list[Path]:
    """The safetensors files of a model: those its index names, else all in the directory."""
    index = path / _INDEX
    if not index.exists():
        return sorted(path.glob("*.safetensors"))[:_MOST_FILES]
    places = parse_config(_read(index, _LONGEST_JSON_BYTES), _INDEX, most_bytes=_LONGEST_JSON_BYTES).get("weight_map")
    names = sorted({name for name in places.values() if isinstance(name, str)}) if isinstance(places, dict) else []
    outside = [name for name in names if Path(name).name != name]
    if outside or len(names) > _MOST_FILES:
        raise RackwrightError(Fault("model_file_damaged", _INDEX, "weight_map", shown(outside[0] if outside else len(names)), "file names"))
    return [path / name for name in names if (path / name).exists()]
