"""What the guides tell a reader to type works: their files are written, their commands run, in the order of the page."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from cli.main import main

ROOT = Path(__file__).resolve().parent.parent
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# ([\w-]+\.yaml)\n")


def steps(guide: Path) -> list[tuple[str, str]]:
    """Files (name, text) and commands ("", words) of a page, in order."""
    found: list[tuple[str, str]] = []
    for kind, text in BLOCK.findall(guide.read_text(encoding="utf-8")):
        if kind == "yaml" and (name := NAMED.match(text)):
            found.append((name[1], text))
        if kind == "sh":
            found += [("", line) for line in text.splitlines() if line.startswith("rackwright ")]
    return found


@pytest.mark.parametrize("guide", [guide for guide in GUIDES if steps(guide)], ids=lambda guide: guide.stem)
def test_a_guides_commands_do_what_it_says(guide, tmp_path, monkeypatch, capsys):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for name, text in steps(guide):
        if name:
            Path(name).write_text(text, encoding="utf-8")
            continue
        words = shlex.split(text)[1:]
        assert main(words) == 0, text
        shown = capsys.readouterr()
        assert shown.err == "", text
        written = [Path(word) for flag, word in pairwise(words) if flag == "-o"]
        assert shown.out or all(path.stat().st_size > 100 for path in written), text


def test_guides_with_commands_are_found():
    assert len([guide for guide in GUIDES if steps(guide)]) >= 5
