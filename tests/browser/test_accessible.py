"""Every page can be used by everyone: axe, both themes, wide and narrow, nothing that scrolls sideways."""

import json
from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import WAIT_MS, opened, settled

STATES = {
    "example": "/",
    "training": "/?v=1&model=llama3.1-8b&task=training&tokens=200000000000&max=64",
    "roofline": "/?v=1&model=llama3.1-8b&task=serving&view=roofline&tab=room",
    "frontier": "/?v=1&model=llama3.1-8b&task=serving&tab=frontier&base=2",
    "sensitivity": "/?v=1&model=llama3.1-8b&task=serving&tab=sensitivity&lang=zh",
    "nothing fits": "/?v=1&model=llama3.1-405b&task=serving&ttft=0.01",
    "faulty link": "/?v=99",
    "start": "/start",
    "model": "/model?v=1&model=llama3.1-8b&task=serving",
    "compare": "/compare?v=1&model=llama3.1-8b&task=serving&with=v%3D1%26model%3Dllama3.1-8b&with=v%3D1%26model%3Dllama3.1-70b",
    "catalog": "/catalog",
    "upgrade": "/upgrade?v=1&model=llama3.1-8b&task=serving",
    "accuracy": "/accuracy",
    "method": "/method",
}
KNOWN: frozenset[str] = frozenset()  # findings inside the framework that are not ours to mend, each with its reason


def background(page: Page) -> str:
    """Colour of the page."""
    colour: str = page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")
    return colour


def scanned(page: Page) -> list[str]:
    """Serious and critical findings of axe, each with where it is."""
    return [
        f"{finding['id']}: {node['target']}"
        for finding in Axe().run(page).response["violations"]
        if finding["impact"] in {"serious", "critical"} and finding["id"] not in KNOWN
        for node in finding["nodes"]
    ]


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(state: str, browser: Browser, app_url: str) -> None:
    context = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    opened(page, app_url + STATES[state])
    light = background(page)
    found = scanned(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    expect(page.get_by_test_id("stApp")).not_to_have_css("background-color", light, timeout=WAIT_MS)
    settled(page)
    found += scanned(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    found += scanned(page)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    main = page.evaluate("(main => main.scrollWidth - main.clientWidth)(document.querySelector('[data-testid=stMain]'))")
    context.close()
    assert found == [], json.dumps(found, indent=1)
    assert (wide, main) == (0, 0)


def test_one_first_heading_and_no_level_skipped(page: Page, app_url: str) -> None:
    opened(page, app_url)
    main = page.get_by_test_id("stMain")
    levels = [int(heading.evaluate("heading => heading.tagName[1]")) for heading in main.get_by_role("heading").all()]
    assert levels.count(1) == 1
    assert all(following - before <= 1 for before, following in pairwise(levels)), levels


def test_at_320_px_the_page_reflows(page: Page, app_url: str) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    opened(page, app_url)
    main = page.evaluate("(main => main.scrollWidth - main.clientWidth)(document.querySelector('[data-testid=stMain]'))")
    assert main == 0
