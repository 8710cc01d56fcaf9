"""Loading: complete, frozen, repeatable, cheap to import; look-ups that help with a misspelt id."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from facts.errors import RackwrightError
from hardware_db import catalog_files, load_hardware
from hardware_db.records import Fact

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def hardware():
    return load_hardware()


def test_the_default_is_loaded_once():
    assert load_hardware() is load_hardware(())


def test_every_group_of_the_schema_has_its_place(hardware, schema):
    places = {field.name for field in fields(hardware)} - {"digest", "release"}
    assert {kind.group for kind in schema.kinds.values()} == places
    for place in places:
        assert len(getattr(hardware, place)) > 0, place


def test_records_are_frozen(hardware):
    with pytest.raises(FrozenInstanceError):
        hardware.accelerators["nvidia-l4"].tdp_w = 1
    with pytest.raises(TypeError):
        hardware.accelerators["mine"] = hardware.accelerators["nvidia-l4"]


def test_ids_are_unique_over_all_groups(hardware):
    ids = [fact.id for fact in hardware.facts()]
    assert len(ids) == len(set(ids))
    assert all(isinstance(fact, Fact) for fact in hardware.facts())


def test_an_unknown_id_names_the_nearest(hardware):
    assert hardware.get("switches", "qm9700").ports == 64
    assert hardware.find("qm9700") is hardware.get("switches", "qm9700")
    with pytest.raises(RackwrightError) as raised:
        hardware.get("accelerators", "nvidia-h100-sxm")
    (fault,) = raised.value.faults
    assert (fault.code, fault.hint) == ("catalog_unknown_id", "nvidia-h100-sxm-80gb")
    with pytest.raises(RackwrightError) as raised:
        hardware.find("conectx-7")
    assert raised.value.faults[0].hint == "connectx-7"


def test_the_release_is_a_date(hardware):
    assert hardware.release == "2026-11-22"


def test_the_digest_is_of_the_contents(monkeypatch, hardware):
    files = catalog_files.data_files()

    def digest(changed):
        monkeypatch.setattr(catalog_files, "data_files", lambda: changed)
        catalog_files.packaged.cache_clear()
        return catalog_files.packaged().digest

    try:
        assert digest(dict(reversed(files.items()))) == hardware.digest
        assert digest(files | {"RELEASE": b"2026-12-01"}) != hardware.digest
    finally:
        monkeypatch.undo()
        catalog_files.packaged.cache_clear()


def test_a_catalog_that_does_not_hold_is_not_loaded(monkeypatch, tmp_path):
    monkeypatch.setenv("RACKWRIGHT_CACHE", str(tmp_path))
    files = catalog_files.data_files()
    broken = files | {"storage.yaml": files["storage.yaml"].replace(b"kind: nvme", b"kind: nvmee", 1)}
    monkeypatch.setattr(catalog_files, "data_files", lambda: broken)
    catalog_files.packaged.cache_clear()
    try:
        with pytest.raises(RackwrightError) as raised:
            catalog_files.packaged()
    finally:
        monkeypatch.undo()
        catalog_files.packaged.cache_clear()
    assert [fault.code for fault in raised.value.faults] == ["catalog_unknown_kind"]
    assert list(tmp_path.iterdir()) == []


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PATH": "", **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_second_start_reads_the_cache_and_needs_no_pydantic(tmp_path):
    code = "import sys; from hardware_db import load_hardware; print(load_hardware().digest, 'pydantic' in sys.modules)"
    first = run(code, RACKWRIGHT_CACHE=str(tmp_path)).split()
    second = run(code, RACKWRIGHT_CACHE=str(tmp_path)).split()
    without = run(code, RACKWRIGHT_CACHE="off").split()
    assert first[0] == second[0] == without[0]
    assert (first[1], second[1], without[1]) == ("True", "False", "True")
