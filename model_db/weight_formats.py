"""Weight formats: bits of an element and of the scales it shares, and which weights are stored this way (equation 8.1)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import Field, TypeAdapter

from facts.errors import Fault, RackwrightError, shown
from facts.yaml_files import read_yaml
from model_db.architecture import Frozen

_TABLE = Path(__file__).parent / "data" / "weight_formats.yaml"


class WeightFormat(Frozen):
    """One row of `data/weight_formats.yaml`; the file says what each field means."""

    id: str
    name: str
    element_bits: float = Field(gt=0, le=64)
    scale_bits: float = Field(default=0, ge=0, le=64)
    block: int = Field(default=0, ge=0, le=65536)
    measured_bits: dict[int, float] = Field(default_factory=dict)
    parts: Literal["all", "matrices", "experts"]
    compute: Literal["fp32", "bf16", "fp16", "fp8", "int8", "fp4"]
    source: str

    @property
    def bytes_per_parameter(self) -> float:
        """Bytes of one weight with its share of the scales; of the largest measured file for mixed types."""
        if self.measured_bits:
            return self.measured_bits[max(self.measured_bits)] / 8
        return (self.element_bits + (self.scale_bits / self.block if self.block else 0)) / 8


@lru_cache(maxsize=1)
def load_weight_formats() -> MappingProxyType[str, WeightFormat]:
    """All formats by id, in the order of the table."""
    table = TypeAdapter(dict[Literal["formats"], list[WeightFormat]]).validate_python(read_yaml(_TABLE))
    return MappingProxyType({row.id: row for row in table["formats"]})


def weight_format(format_id: str) -> WeightFormat:
    """The format called `format_id`; raises RackwrightError naming all of them."""
    formats = load_weight_formats()
    if format_id not in formats:
        raise RackwrightError(Fault("unknown_weight_format", value=shown(format_id), allowed=", ".join(formats)))
    return formats[format_id]
