"""The published models: facts in `data/models/*.yaml`, lowered to architectures, found by id or Hugging Face name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from facts.cache import cached, digest_of
from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import Yaml, read_yaml
from model_db.architecture import Architecture, Frozen, Size, Stack
from model_db.decoder_facts import DecoderFacts
from model_db.encoder_facts import ClipFacts, EncoderFacts, T5Facts, TowerFacts, WhisperFacts
from model_db.image_facts import FluxFacts, ResnetFacts
from model_db.recommender_facts import RecommenderFacts
from model_db.unet_facts import UnetFacts

_DATA = Path(__file__).parent / "data" / "models"

Kind = Literal[
    "decoder",
    "decoder-moe",
    "decoder-hybrid",
    "decoder-moe-hybrid",
    "decoder-vlm",
    "decoder-moe-vlm",
    "ssm",
    "encoder",
    "embedding",
    "reranker",
    "encoder-decoder",
    "encoder-decoder-audio",
    "vit",
    "clip",
    "cnn",
    "diffusion-transformer",
    "diffusion-unet",
    "recommender",
    "layers",
]


class Published(Frozen):
    """The parameter count a source states, and how exact it is."""

    params: int | None = Field(default=None, ge=1, le=10**14)
    active_params: int | None = Field(default=None, ge=1, le=10**14)
    precision: str = "none found"
    source: str = ""


Shape = (
    DecoderFacts | EncoderFacts | T5Facts | WhisperFacts | TowerFacts | ClipFacts | ResnetFacts | FluxFacts | UnetFacts | RecommenderFacts
)


_SHAPES = ("decoder", "encoder", "t5", "whisper", "vit", "clip", "resnet", "flux", "unet", "recommender")


class ModelFacts(Frozen):
    """One entry of `data/models/*.yaml`: exactly one of the shape records says what the model is made of."""

    id: str
    name: str
    family: str
    kind: Kind
    source: str
    published: Published = Published()
    huggingface: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()  # names of other models of the same shape: finetunes, distilled and later releases
    max_context: Size | None = None
    weight_format: str = "bf16"
    notes: str = ""
    decoder: DecoderFacts | None = None
    vision: TowerFacts | None = None  # the tower of a multimodal decoder
    encoder: EncoderFacts | None = None
    t5: T5Facts | None = None
    whisper: WhisperFacts | None = None
    vit: TowerFacts | None = None
    clip: ClipFacts | None = None
    resnet: ResnetFacts | None = None
    flux: FluxFacts | None = None
    unet: UnetFacts | None = None
    recommender: RecommenderFacts | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> ModelFacts:
        if len(self._shapes()) != 1:
            msg = f"exactly one of {', '.join(_SHAPES)} is needed"
            raise ValueError(msg)
        return self

    def _shapes(self) -> list[Shape]:
        return [shape for name in _SHAPES if (shape := getattr(self, name)) is not None]

    def architecture(self) -> Architecture:
        """The stacks of the one shape record, and of the vision tower."""
        shape = self._shapes()[0]
        vision = self.vision.stacks("vision", tower=True) if self.vision else ()
        return Architecture(
            stacks=(*shape.stacks(), *vision),
            vocab=getattr(shape, "vocab", 0),
            hidden=getattr(shape, "hidden", 0),
            max_context=self.max_context,
        )


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model: what it is called, what it is made of, and what is published about it.

    `optional_stacks` are parts shipped beside the model that its own count leaves out (a multi-token-prediction layer).
    """

    id: str
    name: str
    family: str
    kind: str
    architecture: Architecture
    source: str
    native_weight_format: str = "bf16"
    max_context: int | None = None
    published_params: int | None = None
    published_active_params: int | None = None
    published_precision: str = ""
    published_source: str = ""
    huggingface: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    optional_stacks: tuple[Stack, ...] = ()
    notes: tuple[str, ...] = ()
    stored_bytes_by_format: Mapping[str, int] = field(default_factory=dict)  # of the files it was read from
    mapped_by_fields: bool = False  # an architecture we do not know by name, read from its field names alone

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called, on the hub too."""
        return (self.id, self.name, *self.huggingface, *self.aliases)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


@dataclass(frozen=True)
class Models(Mapping[str, ModelEntry]):
    """All models by id; Hugging Face names and other spellings find them too. `digest` changes with any fact."""

    entries: Mapping[str, ModelEntry]
    digest: str

    def __hash__(self) -> int:
        return hash(self.digest)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    @cached_property
    def _ids(self) -> dict[str, str]:
        ids = {name.lower(): entry.id for entry in self.entries.values() for name in (*entry.aliases, *entry.huggingface)}
        return ids | {entry_id.lower(): entry_id for entry_id in self.entries}

    @cached_property
    def _spellings(self) -> dict[str, str]:
        """Ids by the letters and digits of every name; names that fit several models are left out."""
        found: dict[str, set[str]] = {}
        for entry in self.entries.values():
            for name in entry.names:
                found.setdefault(_plain(name), set()).add(entry.id)
                found.setdefault(_plain(name.rpartition("/")[2]), set()).add(entry.id)
        return {name: min(ids) for name, ids in found.items() if len(ids) == 1}

    def _found(self, name: str) -> str | None:
        return self._ids.get(name.lower()) or self._spellings.get(_plain(name))

    def __getitem__(self, name: str) -> ModelEntry:
        entry_id = self._found(name)
        if entry_id is None:
            near = get_close_matches(name.lower(), self._ids, n=3, cutoff=0.5)
            raise RackwrightError(Fault("unknown_model", value=shown(name), hint=", ".join(dict.fromkeys(self._ids[n] for n in near))))
        return self.entries[entry_id]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._found(name) is not None


def lower(facts: ModelFacts) -> ModelEntry:
    """The facts of one model as an entry with its architecture."""
    return ModelEntry(
        id=facts.id,
        name=facts.name,
        family=facts.family,
        kind=facts.kind,
        architecture=facts.architecture(),
        source=facts.source,
        native_weight_format=facts.weight_format,
        max_context=facts.max_context,
        published_params=facts.published.params,
        published_active_params=facts.published.active_params,
        published_precision=facts.published.precision,
        published_source=facts.published.source,
        huggingface=facts.huggingface,
        aliases=facts.aliases,
        optional_stacks=facts.decoder.optional_stacks() if facts.decoder else (),
        notes=(facts.notes,) if facts.notes else (),
    )


def load_models(overlays: Sequence[Path] = ()) -> Models:
    """The packaged models, then those of `overlays` (an entry with a known id replaces it).

    Raises RackwrightError with every bad field of a file.
    """
    return _models(tuple(overlays)) if overlays else _packaged_models()


@lru_cache(maxsize=1)
def _packaged_models() -> Models:
    return _models(())


def _models(overlays: tuple[Path, ...]) -> Models:
    packaged = sorted(_DATA.glob("*.yaml"))
    packaged_digest = digest_of((path.name, path.read_bytes()) for path in packaged)
    documents = cached("models", packaged_digest, lambda: [_entries(read_yaml(path), path.name) for path in packaged])
    if not isinstance(documents, list):
        raise TypeError
    overlaid = [(_entries(read_yaml(path), path.name), path.name) for path in overlays]
    named = [*zip(documents, (path.name for path in packaged), strict=True), *overlaid]
    facts = {entry.id: entry for document, where in named for entry in _validated(document, where)}
    digest = digest_of([("packaged", packaged_digest.encode()), *((path.name, path.read_bytes()) for path in overlays)])
    return Models(entries={entry_id: lower(entry) for entry_id, entry in facts.items()}, digest=digest)


def _entries(document: Yaml, where: str) -> Yaml:
    entries = document.get("models") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise RackwrightError(Fault("missing_field", where, "models"))
    return entries


def _validated(entries: Yaml, where: str) -> list[ModelFacts]:
    try:
        return TypeAdapter(list[ModelFacts]).validate_python(entries)
    except ValidationError as error:
        faults = [Fault("bad_field", where, ".".join(map(str, e["loc"])), shown(e["input"]), allowed=e["msg"]) for e in error.errors()]
        raise RackwrightError(*faults) from None
