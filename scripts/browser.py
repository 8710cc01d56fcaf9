"""Makes sure that there is a Chromium for the browser tests, and names it.

Uses an installed one; else installs Debian's package where that is possible without asking (root, apt-get), else
Playwright's own build.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def installed() -> str | None:
    """Path of a Chromium on PATH, or of Playwright's own."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 not needed where one is on PATH

    for name in NAMES:
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> None:
    """Raises `CalledProcessError` when neither way works."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "--quiet"], check=True, env=environment)
        subprocess.run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"], check=True, env=environment)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"], check=True)


def main() -> int:
    found = installed()
    if found is None:
        install()
        found = installed()
    if found is None:
        print("no Chromium could be installed", file=sys.stderr)
        return 1
    print(f"browser: {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
