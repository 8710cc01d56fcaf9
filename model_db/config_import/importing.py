"""The front of the import: which family and class a `config.json` means, and what is to be said about the answer."""

from __future__ import annotations

from collections.abc import Mapping

from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import Yaml
from model_db.architecture import Architecture
from model_db.config_import.fields import ConfigFields, parse_config
from model_db.config_import.lowering import lower
from model_db.config_import.templates import Family, family_of
from model_db.models import ModelEntry

_BY_FIELDS = "_by_fields"


def import_config(content: bytes | str | Mapping[str, Yaml], name: str = "config.json") -> ModelEntry:
    """The model that a `config.json` describes, counted as the class named in its `architectures` holds it.

    Without `architectures` the family's usual class is taken; a model type no family stands for is read from its field
    names where they say enough. Both are said in `notes`. Raises RackwrightError with the fields that are missing or refused.
    """
    raw = parse_config(content, name) if isinstance(content, (bytes, str)) else content
    model_type = raw.get("model_type")
    if not isinstance(model_type, str):
        model_type = ""
    family, by_fields = family_of(model_type), False
    if family is None:
        family, by_fields = family_of(_BY_FIELDS), True
    if family is None:
        raise AssertionError
    stated = _stated_class(raw)
    class_name = stated or family.default_class
    config = ConfigFields(raw, _BY_FIELDS if by_fields else model_type)
    lowered = lower(config, class_name, name)
    notes = []
    if not stated:
        notes.append(f"no class is named in architectures: counted as {lowered.head}")
    elif not stated.endswith(lowered.head):
        notes.append(f"{shown(stated)} is not a class known for this model type: counted as {lowered.head}")
    if by_fields:
        notes.append(f"model type {shown(model_type) or 'not stated'}: read from its field names as a decoder of the usual kind")
    text = _main_config(config, family)
    context = text.field("max_position_embeddings") or text.field("n_positions") or text.field("max_seq_len")
    vocab, hidden = text.field("vocab_size"), text.field("hidden_size") or text.field("d_model")
    return ModelEntry(
        id=name,
        name=name,
        family=model_type,
        kind=family.kind,
        architecture=Architecture(
            stacks=lowered.stacks,
            vocab=vocab if isinstance(vocab, int) else 0,
            hidden=hidden if isinstance(hidden, int) else 0,
            max_context=context if isinstance(context, int) and context > 0 else None,
        ),
        source=f"{name} ({stated or lowered.head})",
        max_context=context if isinstance(context, int) and context > 0 else None,
        notes=tuple(notes),
        mapped_by_fields=by_fields,
    )


def _stated_class(raw: Mapping[str, Yaml]) -> str:
    classes = raw.get("architectures")
    first = classes[0] if isinstance(classes, list) and classes else ""
    if not isinstance(first, str):
        raise RackwrightError(Fault("wrong_form", "", "architectures", shown(first), allowed="a list of class names"))
    return first


def _main_config(config: ConfigFields, family: Family) -> ConfigFields:
    """The nested configuration of the text model, where there is one."""
    for part in family.parts.values():
        if not part.tower:
            return config.part(part.config)
    return config
