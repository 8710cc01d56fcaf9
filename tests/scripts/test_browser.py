"""How the tests come by a browser, with stand-ins for browsers and for what installs them."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import browser

Script = Callable[..., Path]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Put a program on a PATH that has nothing else; no browser is there, and Playwright has none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setattr(browser, "own", lambda: None)

    def written(name: str, *lines: str) -> Path:
        path = folder / name
        path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
        path.chmod(0o755)
        return path

    return written


def asked(folder: Path) -> list[str]:
    """What the stand-ins were asked for."""
    log = folder / "log"
    return log.read_text().splitlines() if log.exists() else []


def test_one_on_path_is_taken_and_a_placeholder_is_not(script, capsys):
    script("chromium", "echo install me >&2", "exit 1")
    chrome = script("google-chrome-stable", 'test "$1" = --version')
    assert browser.main() == 0
    assert capsys.readouterr().out == f"browser: {chrome}\n"


def test_the_one_that_the_variable_names_goes_first(script, monkeypatch):
    script("chromium")
    named = script("mine")
    monkeypatch.setenv(browser.VARIABLE, str(named))
    assert browser.of_the_system() == str(named)
    monkeypatch.setenv(browser.VARIABLE, "/nowhere")
    assert browser.of_the_system() == str(named.with_name("chromium"))


def test_root_on_debian_gets_the_package(script, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    package = script("package")
    log, place = tmp_path / "log", package.with_name("chromium")
    script("apt-get", f'echo "$DEBIAN_FRONTEND $*" >> {log}', f'test "$1" = update || /bin/mv {package} {place}')
    assert browser.main() == 0
    assert capsys.readouterr().out.endswith(f"browser: {place}\n")
    assert asked(tmp_path) == [
        "noninteractive update --quiet",
        "noninteractive install --yes --quiet --no-install-recommends chromium",
    ]


@pytest.mark.parametrize("root", [True, False])
def test_where_the_package_cannot_be_had_playwright_installs_its_own(root, script, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    log = tmp_path / "log"
    script("apt-get", f"echo apt-get >> {log}", "exit 100")
    build = tmp_path / "chrome"
    python = script("python", f'echo "$*" >> {log}', f'test "$5" != --with-deps && echo > {build}')  # no password, no libraries
    monkeypatch.setattr(browser, "OWN_BUILD", (str(python), *browser.OWN_BUILD[1:]))
    monkeypatch.setattr(browser, "own", lambda: str(build) if build.exists() else None)
    assert browser.main() == 0
    assert capsys.readouterr().out.endswith(f"browser: {build}\n")
    assert asked(tmp_path) == [
        *(["apt-get"] if root else []),
        "-m playwright install chromium --with-deps",
        "-m playwright install chromium",
    ]


def test_without_any_way_it_is_said_in_a_sentence(script, monkeypatch, capsys):
    monkeypatch.setattr(browser, "OWN_BUILD", ("/bin/false",))
    assert browser.main() == 1
    assert browser.VARIABLE in capsys.readouterr().err


def test_playwright_knows_the_command_and_says_where_its_own_build_is():
    """The real one, which downloads nothing here."""
    assert browser.succeeds((((sys.executable, "-m", "playwright", "install", "--dry-run", "chromium")),))
