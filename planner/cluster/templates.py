"""Choices about wiring where neither the catalog nor the asker says how: `templates.yaml`, read once."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from facts.yaml_files import parse_yaml


class Closed(BaseModel):
    """Immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DefaultNic(Closed):
    """Card that servers of unknown network get, shared by so many accelerators in servers without a scale-up link."""

    nic_id: str
    devices_per_nic: Annotated[int, Field(ge=1)]


class Templates(Closed):
    """The whole file."""

    default_nic: DefaultNic


@cache
def templates() -> Templates:
    """The packaged choices."""
    text = resources.files(__package__).joinpath("templates.yaml").read_text(encoding="utf-8")
    return Templates.model_validate(parse_yaml(text, "templates.yaml"))


def default_nic() -> DefaultNic:
    """NIC of servers whose network is unknown."""
    return templates().default_nic
