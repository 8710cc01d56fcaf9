"""Each figure of a plan has a unit, a meaning, an equation that exists and inputs that exist."""

import dataclasses
import re
from pathlib import Path

import pytest

from hardware_db.records import Accelerator, CloudOffer, Server
from planner.answer import (
    Bottleneck,
    Cost,
    Fabric,
    FabricHost,
    FabricNetwork,
    FabricRacks,
    MemoryUse,
    Performance,
    Power,
    Recommendation,
    Roofline,
)
from planner.defaults import field_table
from planner.explain.provenance import provenance

METHOD = Path(__file__).parents[3] / "docs" / "method"
NESTED = {
    "performance": Performance,
    "memory": MemoryUse,
    "cost": Cost,
    "power": Power,
    "bottleneck": Bottleneck,
    "roofline": Roofline,
    "fabric": Fabric,
}
NESTED |= {"fabric.networks": FabricNetwork, "fabric.racks": FabricRacks, "fabric.host": FabricHost}
NAMES = {
    "rank",
    "accelerator_id",
    "accelerator_name",
    "vendor",
    "server_id",
    "server_name",
    "why_not_first",
    "notes",
}  # say which, not how much


def test_every_figure_of_a_recommendation_is_in_the_table_and_nothing_else():
    plain = {name for name in Recommendation.model_fields if name not in NESTED and name not in NAMES}
    nested = {f"{group}.{name}" for group, model in NESTED.items() for name in model.model_fields}
    assert set(provenance()) == plain | nested - set(NESTED)


def test_every_input_exists():
    records = {"accelerators": Accelerator, "servers": Server, "cloud_offers": CloudOffer}
    catalog = {f"{room}.{field.name}" for room, record in records.items() for field in dataclasses.fields(record)}
    known = set(provenance()) | set(field_table().fields) | catalog
    missing = {(name, source) for name, row in provenance().items() for source in row.inputs if source not in known}
    assert not missing


def test_every_column_rests_on_the_request_the_catalog_or_a_measurement():
    """Following the inputs ends at leaves, never in a circle."""
    table = provenance()

    def leaves(name, path):
        assert name not in path, path
        if name not in table:
            return {name}
        return {leaf for source in table[name].inputs for leaf in leaves(source, (*path, name))}

    for name in table:
        leaves(name, ())


@pytest.mark.parametrize("equation", sorted({row.equation for row in provenance().values()}))
def test_every_equation_stands_in_the_method(equation):
    text = "\n".join(page.read_text(encoding="utf-8") for page in METHOD.glob("*.md"))
    assert re.search(rf"^#+ {re.escape(equation)}\b", text, re.MULTILINE)
