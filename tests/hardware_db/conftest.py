"""The packaged schema and entries, and a way to plant a fault in them."""

from collections.abc import Callable, Mapping

import pytest

from facts.errors import Fault
from hardware_db.catalog_files import packaged
from hardware_db.convert import Draft
from hardware_db.plausibility import plausibility_faults
from hardware_db.schema.models import Models
from hardware_db.schema.table import Schema
from hardware_db.validity import reference_faults, where


@pytest.fixture(scope="session")
def schema() -> Schema:
    return packaged().schema


@pytest.fixture(scope="session")
def drafts() -> tuple[Draft, ...]:
    return packaged().drafts


@pytest.fixture(scope="session")
def models(schema) -> Models:
    return Models(schema)


@pytest.fixture
def planted(schema, drafts, models) -> Callable[..., tuple[Fault, ...]]:
    """What a check finds when the fields of one entry are changed; a field set to `...` is taken away. The steps are those of
    `check_catalog`, with the models tried on the changed entry alone: the others are known to be valid.
    """

    def findings(identity: str, changes: Mapping[str, object]) -> tuple[Fault, ...]:
        (old,) = (draft for draft in drafts if draft.id == identity)
        new = Draft(old.file, {name: value for name, value in (dict(old.values) | dict(changes)).items() if value is not ...})
        assert new != old
        faults = models.faults(new.values, where(new))
        if faults:
            return faults
        changed = tuple(new if draft is old else draft for draft in drafts)
        return reference_faults(changed, schema) or tuple(plausibility_faults(changed, schema))

    return findings
