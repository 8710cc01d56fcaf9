"""What the browser tests read of a page and do on it, in a user's words."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from playwright.sync_api import ConsoleMessage, Page, TimeoutError, expect  # noqa: A004 not a built-in one

WAIT_MS = 20_000


def settled(page: Page) -> None:
    """Until the answer stands and no placeholder is left."""
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT_MS)
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator("[data-stale=true]")).to_have_count(0, timeout=WAIT_MS)


def opened(page: Page, address: str) -> None:
    """Go to `address` and wait for the answer."""
    page.goto(address)
    settled(page)


def figures(page: Page) -> dict[str, str]:
    """The headline: its sentence and its cards."""
    cards = page.get_by_test_id("stMetric").all()
    values = {card.get_by_test_id("stMetricLabel").inner_text(): card.get_by_test_id("stMetricValue").inner_text() for card in cards}
    return {"title": page.get_by_role("heading", level=1).inner_text(), **values}


def enter(page: Page, label: str, value: str) -> None:
    """Type a number and leave the field."""
    field = page.get_by_label(label, exact=True)
    with answered(page):
        field.fill(value)
        field.press("Enter")


def choose(page: Page, label: str, number: int) -> None:
    """Open a list and take its entry `number`. A list closes by itself when a chart that comes late moves it."""
    entry = page.get_by_role("option").nth(number)
    with answered(page):
        for _ in range(5):
            page.get_by_role("combobox", name=label).press("ArrowDown")
            try:
                entry.click(timeout=WAIT_MS / 5)
                break
            except TimeoutError:
                page.keyboard.press("Escape")


@contextmanager
def answered(page: Page) -> Iterator[None]:
    """Until the answer to what is done inside stands; it has another link than the one before."""
    before = page.url
    yield
    page.wait_for_url(lambda address: address != before, timeout=WAIT_MS, wait_until="commit")
    settled(page)


def downloaded(page: Page, button: str) -> list[dict[str, str]]:
    """Press the button, read the CSV that comes."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    data = waiting.value.path().read_bytes()
    assert data.startswith(b"\xef\xbb\xbf"), "spreadsheets know UTF-8 by its byte order mark"
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def number(text: str) -> float:
    """The number that a headline shows: "$1.92 M" is 1.92e6, "31.4 kW" is 31.4e3."""
    match = re.search(r"([\d.,]+)\s*([kMBTG]?)", text.replace("\u202f", " "))
    assert match is not None, text
    scale: Mapping[str, float] = {"": 1, "k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
    return float(match[1].replace(",", "")) * scale[match[2]]


def watch(page: Page, problems: list[str]) -> None:
    """Collect what goes wrong on `page`."""

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: None if local(request.url) else problems.append(f"outside request: {request.url}"))


def local(address: str) -> bool:
    """Of this machine, or no address of a network at all."""
    return address.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))
