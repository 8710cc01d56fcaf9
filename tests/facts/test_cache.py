"""The cache of parsed forms: right when it can be, absent when it cannot, never wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.cache import cache_directory, cached, digest_of

CONTENT = {"entries": [1, 2.5, None, "é"], "nested": {"a": True}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RACKWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Builder:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return CONTENT


def test_the_second_reader_of_the_same_content_does_not_build():
    build = Builder()
    assert cached("sample", "digest", build) == CONTENT
    assert cached("sample", "digest", build) == CONTENT
    assert build.calls == 1


def test_other_content_builds_again_and_replaces_the_file(folder):
    build = Builder()
    cached("sample", "one", build)
    cached("sample", "two", build)
    assert build.calls == 2
    assert [path.name for path in folder.iterdir()] == ["sample.json"]


@pytest.mark.parametrize(
    "damage", [b"", b"digest\n{}", b"\xff\xfe", b"{}", None], ids=["empty", "foreign head", "not text", "no head", "flipped bit"]
)
def test_a_damaged_file_is_built_again(folder, damage):
    build = Builder()
    cached("sample", "digest", build)
    path = folder / "sample.json"
    path.write_bytes(path.read_bytes().replace(b"2.5", b"3.5") if damage is None else damage)
    assert cached("sample", "digest", build) == CONTENT
    assert build.calls == 2


def test_a_place_that_cannot_be_written_costs_only_the_building(tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("not a directory")
    monkeypatch.setenv("RACKWRIGHT_CACHE", str(blocker / "below"))
    build = Builder()
    assert cached("sample", "digest", build) == CONTENT
    assert cached("sample", "digest", build) == CONTENT
    assert build.calls == 2


@pytest.mark.parametrize("word", ["off", "OFF", "0", "none"])
def test_the_variable_turns_it_off(monkeypatch, folder, word):
    monkeypatch.setenv("RACKWRIGHT_CACHE", word)
    assert cache_directory() is None
    assert cached("sample", "digest", Builder()) == CONTENT
    assert not folder.exists()


def test_a_failing_build_leaves_nothing_behind(folder):
    def build():
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        cached("sample", "digest", build)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("platform", "variable", "tail"),
    [("linux", "XDG_CACHE_HOME", "rackwright"), ("darwin", "", "Library/Caches/rackwright"), ("win32", "LOCALAPPDATA", "rackwright")],
)
def test_the_directory_is_the_platforms_own(monkeypatch, tmp_path, platform, variable, tail):
    monkeypatch.delenv("RACKWRIGHT_CACHE")
    monkeypatch.setattr("sys.platform", platform)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    found = cache_directory()
    assert found is not None
    assert found.as_posix().endswith(tail)


@given(st.dictionaries(st.text(max_size=5), st.binary(max_size=5)), st.randoms(use_true_random=False))
def test_the_digest_depends_on_content_not_on_order(parts, shuffler):
    pairs = list(parts.items())
    shuffled = pairs.copy()
    shuffler.shuffle(shuffled)
    assert digest_of(pairs) == digest_of(shuffled)
    assert digest_of(pairs) != digest_of([*pairs, ("more", b"")])


def test_the_digest_tells_names_from_contents():
    assert digest_of([("a", b"bc")]) != digest_of([("ab", b"c")])
