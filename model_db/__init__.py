"""Published model architectures: facts in YAML, lowered to stacks of blocks of layers. Knows only `facts`."""

from model_db.architecture import Architecture
from model_db.models import ModelEntry, Models, load_models

__all__ = ["Architecture", "ModelEntry", "Models", "load_models"]
