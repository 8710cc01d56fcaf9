"""How fast the page Plan answers: from server start to the first answer, and from a changed input to the new one.

    .venv/bin/python benchmarks/dashboard.py

Drives a real browser against a server of its own; every changed input asks something that was not asked before. Prints
medians: seconds in the browser, CPU seconds of the server, bytes sent to the browser.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
CHANGES = 20
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "asgi.py", "--server.port", str(port), "--server.headless", "true"]
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path).exists()
        browser = playwright.chromium.launch(
            executable_path=None if own else shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        wire = Wire(page.context.new_cdp_session(page))
        started_s = time.perf_counter()
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            first_answer(page, f"http://127.0.0.1:{port}/")
            print(f"server start to first answer: {time.perf_counter() - started_s:.2f} s")
            changes(page, server.pid, wire)
        finally:
            server.terminate()
            server.wait(10)
            browser.close()


class Wire:
    """Bytes that came over the page's web socket."""

    def __init__(self, session: CDPSession) -> None:
        self.received_bytes = 0
        session.on("Network.webSocketFrameReceived", self._frame)
        session.send("Network.enable")

    def _frame(self, event: dict[str, dict[str, str]]) -> None:
        self.received_bytes += len(event["response"]["payloadData"]) * 3 // 4  # binary frames arrive in base64


def first_answer(page: Page, address: str) -> None:
    end_s = time.perf_counter() + 60
    while time.perf_counter() < end_s:
        try:
            page.goto(address, wait_until="commit", timeout=2_000)
            break
        except Exception:
            page.wait_for_timeout(50)
    page.get_by_test_id("stMetricValue").nth(4).wait_for(timeout=60_000)


def changes(page: Page, server_pid: int, wire: Wire) -> None:
    field = page.get_by_label("Mean traffic (requests/s)", exact=True)
    page.wait_for_timeout(3_000)
    seconds, cpu, sent = [], [], []
    for number in range(CHANGES):
        rate = 100 + 7 * number
        cpu_before, bytes_before, start = cpu_s(server_pid), wire.received_bytes, time.perf_counter()
        field.fill(str(rate))
        field.press("Enter")
        page.get_by_role("heading", level=1, name=f"at {rate} requests/s").wait_for(timeout=30_000)
        seconds.append(time.perf_counter() - start)
        page.wait_for_timeout(1_500)
        cpu.append(cpu_s(server_pid) - cpu_before)
        sent.append(wire.received_bytes - bytes_before)
    print(f"changed input to new answer, median of {CHANGES}: {statistics.median(seconds):.2f} s in the browser")
    print(f"server CPU a change, median: {statistics.median(cpu):.2f} s")
    print(f"sent to the browser a change, median: {statistics.median(sent) / 1e3:.0f} kB")


def cpu_s(pid: int) -> float:
    """CPU seconds of the process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


if __name__ == "__main__":
    main()
