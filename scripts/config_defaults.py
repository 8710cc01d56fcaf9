"""Write `model_db/config_import/defaults.yaml`: what configuration classes of `transformers` assume for fields a file leaves out.

A development tool like `check_configs_against_transformers.py`. Only fields that the family templates read are kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import transformers
import yaml
from random_configs import fields_of
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_MAPPING_NAMES

from model_db.config_import.fields import DEFAULTS
from model_db.config_import.templates import known_model_types, names_read


def class_prefix(model_type: str) -> str:
    """`Llama` for the classes `LlamaModel`, `LlamaForCausalLM`, ...; empty if there is no telling."""
    for names, ending in ((MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, "ForCausalLM"), (MODEL_MAPPING_NAMES, "Model")):
        name = names.get(model_type, "")
        if isinstance(name, str) and name.endswith(ending):
            return name.removesuffix(ending)
    return ""


def plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= 64 and all(plain(entry) for entry in value)
    return isinstance(value, (bool, int, float, str)) and (not isinstance(value, str) or len(value) < 32)


def main() -> None:
    read = names_read()
    types, prefixes = {}, {}
    for model_type in known_model_types():
        if model_type not in CONFIG_MAPPING:
            continue
        config_class = CONFIG_MAPPING[model_type]
        fields = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in fields_of(config_class).items()
            if name in read and value is not None and plain(value)
        }
        aliases = {alias: name for alias, name in getattr(config_class, "attribute_map", {}).items() if name in read or alias in read}
        if prefix := class_prefix(model_type):
            prefixes.setdefault(prefix, []).append(model_type)
        types[model_type] = {"fields": fields, **({"aliases": aliases} if aliases else {})}
    plainest = {prefix: min(names, key=lambda name: (name.replace("_", "") != prefix.lower(), name)) for prefix, names in prefixes.items()}
    head = (
        "# What configuration classes assume for fields a config.json leaves out, and other names of fields.\n"
        f"# Read from the class definitions of transformers {transformers.__version__} by scripts/config_defaults.py.\n"
    )
    body = yaml.safe_dump(
        {"class_prefixes": plainest, "model_types": types}, sort_keys=True, default_flow_style=None, width=1000, allow_unicode=True
    )
    DEFAULTS.write_text(head + body, encoding="utf-8")


if __name__ == "__main__":
    main()
