"""The front of the import: which family and class a `config.json` means, and what is to be said about the answer."""

from __future__ import annotations

from collections.abc import Mapping

from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import Yaml
from model_db.architecture import Architecture
from model_db.config_import.fields import ConfigFields, class_defaults, parse_config
from model_db.config_import.lowering import lower, with_parts
from model_db.config_import.stored_format import stored_weight_format
from model_db.config_import.templates import Family, family_of
from model_db.models import ModelEntry

_BY_FIELDS = "_by_fields"
_LARGEST = 10**9  # as `Size` in the architecture


def import_config(content: bytes | str | Mapping[str, Yaml], name: str = "config.json") -> ModelEntry:
    """The model that a `config.json` describes, counted as the class named in its `architectures` holds it.

    Without `architectures` the family's usual class is taken; a model type no family stands for is read from its field
    names where they say enough. Both are said in `notes`. Raises RackwrightError with the fields that are missing or refused.
    """
    raw = parse_config(content, name) if isinstance(content, (bytes, str)) else content
    stated_class = _stated_class(raw, name)
    model_type = _model_type(raw, stated_class)
    family = family_of(model_type)
    if family is None:
        raise AssertionError
    refused = [field for field in family.refuses if raw.get(field)]
    if refused:
        unknown = shown(raw.get("model_type") or stated_class or "not stated")
        raise RackwrightError(*(Fault("config_not_understood", name, field, unknown) for field in refused))
    config = with_parts(ConfigFields(raw, model_type), family)
    lowered = lower(config, stated_class or family.default_class, name)
    by_fields = model_type == _BY_FIELDS
    notes = [family.note] if family.note else []
    if not stated_class:
        notes.append(f"no class is named in architectures: counted as {lowered.head}")
    elif not stated_class.endswith(lowered.head):
        notes.append(f"{shown(stated_class)} is not a class known for this model type: counted as {lowered.head}")
    if by_fields:
        notes.append(f"model type {shown(raw.get('model_type') or 'not stated')}: read from its field names as a decoder of the usual kind")
    if config.assumed:
        notes.append(
            "not stated, taken from the configuration class: " + ", ".join(f"{k} = {v}" for k, v in sorted(config.assumed.items()))
        )
    text = _main_config(config, family)
    stored = stored_weight_format(raw, text.raw)
    if stored is None:
        notes.append("its quantisation is none of the known formats: bytes are given as if it were bf16")
    context = _size(text, name, "max_position_embeddings", "n_positions", "max_seq_len") or None
    return ModelEntry(
        id=name,
        name=name,
        family=str(raw.get("model_type") or model_type),
        kind=family.kind,
        architecture=Architecture(
            stacks=lowered.stacks,
            vocab=_size(text, name, "vocab_size"),
            hidden=_size(text, name, "hidden_size", "d_model"),
            max_context=context,
        ),
        source=f"{name} ({stated_class or lowered.head})",
        native_weight_format=stored or "bf16",
        max_context=context,
        notes=tuple(notes),
        mapped_by_fields=by_fields,
    )


def _size(config: ConfigFields, where: str, *names: str) -> int:
    """The first of these fields that is stated; 0 where none is, or where it is not a number that could be a size."""
    stated, value = next(((name, value) for name in names if (value := config.field(name))), ("", 0))
    if not isinstance(value, int) or value < 0:
        return 0
    if value > _LARGEST:
        raise RackwrightError(Fault("config_field", where, stated, shown(value), allowed=f"<= {_LARGEST}"))
    return int(value)


def _stated_class(raw: Mapping[str, Yaml], name: str) -> str:
    classes = raw.get("architectures") or [""]
    first = classes[0] if isinstance(classes, list) and classes else None
    if not isinstance(first, str):
        raise RackwrightError(Fault("wrong_form", name, "architectures", shown(classes), allowed="a list of class names"))
    return first


def _model_type(raw: Mapping[str, Yaml], stated_class: str) -> str:
    """The model type the file states, or that its class name tells, or the one that reads field names."""
    stated = raw.get("model_type")
    if isinstance(stated, str) and not stated.startswith("_") and family_of(stated):
        return stated
    prefixes = class_defaults().class_prefixes
    named = [prefix for prefix in prefixes if stated_class.startswith((f"{prefix}For", f"{prefix}Model", f"{prefix}LMHead"))]
    return prefixes[max(named, key=len)] if named else _BY_FIELDS


def _main_config(config: ConfigFields, family: Family) -> ConfigFields:
    """The nested configuration of the text model, where there is one."""
    return next((config.part(part.config) for part in family.parts.values() if not part.tower), config)
