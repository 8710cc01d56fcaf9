"""How fast the page Plan answers: from server start to the first answer, and from a changed input to the new one.

    python -m benchmarks.dashboard

Drives a real browser against a server of its own; every changed input asks something that was not asked before. Prints
medians: seconds in the browser, CPU seconds of the server, bytes sent to the browser.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.server import Server, load, started
from scripts.browser import of_the_system

STARTS, CHANGES = 3, 20
QUIET_MS = 1_500  # after an answer, for what is drawn late


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=of_the_system(), args=["--no-sandbox", "--disable-gpu"])
        starts = [from_start(browser) for _ in range(STARTS)]
        for wall_s, cpu_s, what in starts:
            print(f"server start to first answer: {wall_s:.2f} s, {cpu_s:.2f} s CPU of the server ({what})")
        with started() as server:
            server.wait_until_ready()
            for query, label, task in (
                ("", "Mean traffic (requests/s)", serving),
                ("?v=1&model=llama3.1-70b&task=training", "Training data (billion tokens)", training),
            ):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                wire = Wire(page.context.new_cdp_session(page))
                page.goto(f"http://127.0.0.1:{server.port}/{query}")
                answered(page)
                changes(page, server, wire, label, task)
                page.close()
        browser.close()


def serving(number: int) -> tuple[str, str]:
    """A value that was not asked for before, and how the title says it."""
    return str(100 + 7 * number), f"at {100 + 7 * number} requests/s"


def training(number: int) -> tuple[str, str]:
    """The same for tokens to train on."""
    return str(1000 + 10 * number), f"{(1000 + 10 * number) / 1000:.3g}"


class Wire:
    """Bytes that came over the page's web socket."""

    def __init__(self, session: CDPSession) -> None:
        self.received_bytes = 0
        session.on("Network.webSocketFrameReceived", self._frame)
        session.send("Network.enable")

    def _frame(self, event: dict[str, dict[str, str]]) -> None:
        self.received_bytes += len(event["response"]["payloadData"]) * 3 // 4  # binary frames arrive in base64


def from_start(browser: Browser) -> tuple[float, float, str]:
    """Wall-clock and CPU seconds from the start of a server to the first answer in a browser that waits for it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    busy, start_s = load(), time.perf_counter()
    with started() as server:
        while True:
            try:
                page.goto(f"http://127.0.0.1:{server.port}/", wait_until="commit", timeout=2_000)
                break
            except Exception:
                page.wait_for_timeout(50)
        answered(page)
        taken = time.perf_counter() - start_s, server.cpu_s, busy
    page.close()
    return taken


def answered(page: Page) -> None:
    """Until the headline's figures stand."""
    page.get_by_test_id("stMetricValue").nth(4).wait_for(timeout=60_000)


def changes(page: Page, server: Server, wire: Wire, label: str, asked: Callable[[int], tuple[str, str]]) -> None:
    field = page.get_by_label(label, exact=True)
    page.wait_for_timeout(2 * QUIET_MS)
    seconds, cpu, sent = [], [], []
    for number in range(CHANGES):
        value, title = asked(number)
        cpu_before, bytes_before, start = server.cpu_s, wire.received_bytes, time.perf_counter()
        field.fill(value)
        field.press("Enter")
        page.get_by_role("heading", level=1, name=title).wait_for(timeout=30_000)
        seconds.append(time.perf_counter() - start)
        page.wait_for_timeout(QUIET_MS)
        cpu.append(server.cpu_s - cpu_before)
        sent.append(wire.received_bytes - bytes_before)
    wall_s, cpu_s, sent_kb = statistics.median(seconds), statistics.median(cpu), statistics.median(sent) / 1e3
    print(f"{label}, medians of {CHANGES} changes ({load()}):")
    print(f"  {wall_s:.2f} s in the browser, {cpu_s:.2f} s CPU of the server, {sent_kb:.0f} kB to the browser")


if __name__ == "__main__":
    main()
