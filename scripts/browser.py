"""Makes sure that there is a Chromium for the browser tests, and names it: `python -m scripts.browser`.

The one that `RACKWRIGHT_CHROMIUM` names, one on PATH or Playwright's own, whichever is the first that starts. Where none does,
Debian's package is installed if that is possible without asking (root, apt-get), else Playwright's own build.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "RACKWRIGHT_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_S = 60

Way = tuple[tuple[str, ...], ...]  # commands, one after the other
PACKAGE: Way = (("apt-get", "update", "--quiet"), ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"))
OWN_BUILD = (sys.executable, "-m", "playwright", "install", "chromium")


def of_the_system() -> str | None:
    """Path of the Chromium that the variable names or that is on PATH; None where none starts."""
    named = (os.environ.get(VARIABLE), *map(shutil.which, NAMES))
    return next((path for path in named if path and starts(path)), None)


def own() -> str | None:
    """Path of Playwright's own Chromium, if it is there and starts."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 not needed where one is on PATH

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() and starts(path) else None


def starts(path: str) -> bool:
    """Whether the program at `path` runs: a placeholder for another package, or one that lacks libraries, does not."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=START_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def ways() -> Iterator[Way]:
    """How a Chromium may be had on this machine, the best way first."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        yield PACKAGE
    yield ((*OWN_BUILD, "--with-deps"),)  # asks for a password where the system's libraries need one
    yield (OWN_BUILD,)


def succeeds(way: Way) -> bool:
    """Whether all commands of `way` did."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return all(subprocess.run(command, check=False, env=environment).returncode == 0 for command in way)


def main() -> int:
    found = of_the_system() or own()
    for way in ways():
        if found is not None:
            break
        found = (of_the_system() or own()) if succeeds(way) else None
    if found is None:
        print(f"no Chromium could be installed; install one and name it in {VARIABLE}", file=sys.stderr)
        return 1
    print(f"browser: {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
