"""What the browser is told of the language, and the framework's own words in it."""

import re

from playwright.sync_api import Page, expect

from tests.browser.pages import WAIT_MS, opened, settled


def test_the_page_says_its_language_and_changes_it(watched: Page, app_url: str) -> None:
    opened(watched, app_url + "/?lang=zh")
    expect(watched.locator("html")).to_have_attribute("lang", "zh-CN")
    watched.get_by_test_id("stSidebar").get_by_role("radio", name="English").click()
    expect(watched.locator("html")).to_have_attribute("lang", "en", timeout=WAIT_MS)


def test_a_number_out_of_range_is_said_in_the_readers_language(watched: Page, app_url: str) -> None:
    opened(watched, app_url + "/?lang=zh")
    field = (
        watched.get_by_test_id("stSidebar").get_by_role("textbox").or_(watched.get_by_test_id("stSidebar").get_by_role("spinbutton")).first
    )
    field.fill("99999999999")
    field.press("Enter")
    alert = watched.get_by_test_id("stSidebar").get_by_role("alert").first
    expect(alert).to_contain_text("超出允许范围")
    assert not re.search(r"[A-Za-z]{3}", alert.inner_text())


def test_what_is_spoken_of_a_chart_has_no_word_of_another_language(watched: Page, app_url: str) -> None:
    opened(watched, app_url + "/?lang=zh&v=1&model=llama3.1-8b&task=serving")
    settled(watched)
    spoken = watched.evaluate("[...document.querySelectorAll('svg [aria-label]')].map(mark => mark.getAttribute('aria-label'))")
    assert spoken
    assert not [text for text in spoken if re.search(r"\b(meaning|axis|legend|option|label)\b", text)]
