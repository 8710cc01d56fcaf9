"""Models as files: tensor headers of safetensors and GGUF, model directories, names on the hub. Weights are never read."""

from model_db.model_files.reading import read_model

__all__ = ["read_model"]
