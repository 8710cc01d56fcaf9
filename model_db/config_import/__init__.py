"""Any Hugging Face `config.json` as an architecture: the layers its class holds, to the last parameter."""

from model_db.config_import.importing import import_config
from model_db.config_import.templates import known_model_types

__all__ = ["import_config", "known_model_types"]
