"""A real Chromium against a real server. Without a browser the tests are skipped, under CI they fail."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserType, Page

from scripts.browser import of_the_system
from tests.browser.pages import watch

ROOT = Path(__file__).parents[2]
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
INSTALL = "no Chromium: run `python -m scripts.browser`"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type: BrowserType) -> dict[str, object]:
    """Playwright's own browser where it is installed, else one of the system."""
    own = Path(browser_type.executable_path).exists()
    system = None if own else of_the_system()
    if not own and system is None:
        if os.environ.get("CI"):
            pytest.fail(INSTALL)
        pytest.skip(INSTALL)
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return {"args": arguments} if own else {"args": arguments, "executable_path": system}


@pytest.fixture(scope="session")
def base_url(app_url: str) -> str:
    """Where relative addresses of a page start. The plugin's own fixture uses a form that pytest is about to drop."""
    return app_url


@pytest.fixture(scope="session")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of its own, as `rackwright serve` starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("w") as output:
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "asgi.py"), "--server.port", str(port), "--server.headless", "true"]
        server = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for(server, f"http://127.0.0.1:{port}/healthz", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


def wait_for(server: subprocess.Popen[bytes], address: str, log: Path, limit_s: float = 60) -> None:
    """Until the server has warmed up; its output when it does not."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if server.poll() is not None:
            pytest.fail(f"the server ended:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(address, timeout=limit_s) as answer:  # noqa: S310 our own address
                if json.load(answer)["ready"]:
                    return
        except OSError:
            pass
        time.sleep(0.05)
    pytest.fail(f"no answer within {limit_s} s:\n{log.read_text()}")


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    """A page whose console errors, failed requests and outside addresses fail the test."""
    problems: list[str] = []
    watch(page, problems)
    yield page
    assert page.get_by_test_id("stException").count() == 0
    assert problems == []
