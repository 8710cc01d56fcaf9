"""What else is possible: a point picked in the chart becomes the plan that is shown, and its link opens it again."""

from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import WAIT_MS, opened, settled

LINK = "/?v=1&model=llama3.1-8b&task=serving&rate=20&acc=nvidia-h100-sxm-80gb,nvidia-l40s&tab=frontier&x=power"


def answer(page: Page) -> str:
    return page.get_by_test_id("stMain").get_by_test_id("stMarkdownContainer").filter(has_text="per token, limited by").first.inner_text()


def test_a_point_of_the_chart_becomes_the_shown_plan_and_its_link_opens_it(watched: Page, browser: Browser, app_url: str) -> None:
    opened(watched, app_url + LINK)
    first = answer(watched)
    point = watched.get_by_test_id("stVegaLiteChart").last.locator("path[aria-label*='L40S']").last
    expect(point).to_be_attached(timeout=WAIT_MS)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    assert box["width"] >= 23.5, "a target of 24 px"
    watched.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    watched.wait_for_function("location.search.includes('show=')", timeout=WAIT_MS)
    settled(watched)
    picked = answer(watched)
    assert picked != first
    assert "L40S" in picked
    fresh = browser.new_context()
    page = fresh.new_page()
    opened(page, watched.url)
    assert answer(page) == picked
    fresh.close()


def test_the_same_by_keyboard_through_the_table(watched: Page, app_url: str) -> None:
    opened(watched, app_url + LINK)
    first = answer(watched)
    summary = watched.locator("summary").filter(has_text="Pick a configuration from a table")
    summary.focus()
    summary.press("Enter")
    expect(watched.get_by_test_id("stDataFrame").last).to_be_visible(timeout=WAIT_MS)
    settled(watched)
    for _ in range(8):  # past the buttons of the table to its cells
        watched.keyboard.press("Tab")
        watched.wait_for_timeout(200)
        if watched.evaluate("document.activeElement.getAttribute('role')") == "gridcell":
            break
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "Shift+Space"):
        watched.keyboard.press(key)
        watched.wait_for_timeout(200)
    watched.wait_for_function("location.search.includes('show=')", timeout=WAIT_MS)
    settled(watched)
    assert answer(watched) != first
