"""Takes the pictures of the documents from the running dashboard, in a real browser.

    .venv/bin/python scripts/screenshots.py

Starts a server of its own, waits until every page stands, and writes docs/images/*.png.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
HEIGHT = 900
COMPARED = "/compare?v=1&model=llama3.1-70b&task=serving" + "".join(
    f"&with=model%3Dllama3.1-70b%26task%3Dserving%26rate%3D10%26show%3D{rank}" for rank in (1, 3)
)
PICTURES = (
    # name, address, width, colour scheme
    ("plan-light", "/", 1440, "light"),
    ("plan-dark", "/", 1440, "dark"),
    ("plan-narrow", "/", 390, "light"),
    ("training", "/?v=1&model=llama3.1-8b&task=training&tokens=1000000000000&days=30&max=1024", 1440, "light"),
    ("roofline", "/?v=1&model=llama3.1-70b&task=serving&acc=nvidia-h100-sxm-80gb&view=roofline", 1440, "light"),
    ("compare", COMPARED, 1440, "light"),
    ("nothing-fits", "/?v=1&model=llama3.1-405b&task=serving&ttft=0.01", 1440, "light"),
    ("model", "/model?v=1&model=deepseek-v3&task=serving", 1440, "light"),
    ("catalog", "/catalog", 1440, "light"),
    ("accuracy", "/accuracy", 1440, "light"),
    ("plan-zh", "/?v=1&model=llama3.1-70b&task=serving&lang=zh", 1440, "light"),
)


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "asgi.py", "--server.port", str(port), "--server.headless", "true"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        take(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(10)


def wait_for(address: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=1):  # noqa: S310 our own address
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("the server did not start")


def take(address: str) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path).exists()
        browser = playwright.chromium.launch(
            executable_path=None if own else shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, path, width, scheme in PICTURES:
            page = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
            page.goto(address + path)
            settle(page)
            page.screenshot(path=IMAGES / f"{name}.png")
            print(IMAGES / f"{name}.png")
            page.close()
        browser.close()


def settle(page: Page) -> None:
    page.get_by_role("heading", level=1).wait_for(timeout=60_000)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
    page.wait_for_timeout(1_500)


if __name__ == "__main__":
    main()
