"""The main job, end to end, as a person does it."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import WAIT_MS, answered, choose, downloaded, enter, figures, number, opened, settled, watch

SAVED_LINK = "/?v=1&model=llama3.1-8b&task=serving&rate=25&in=2048"


def check_csv_against(page: Page) -> None:
    """The first row of the file has the figures that the page shows."""
    shown = figures(page)
    first = downloaded(page, "Export options as CSV")[0]
    assert first["rank"] == "1"
    cost = next(value for label, value in shown.items() if label.startswith("Cost over"))
    assert number(cost) == pytest.approx(float(first["total_usd"]), rel=0.006)
    assert number(shown["Facility power"]) == pytest.approx(float(first["facility_w"]), rel=0.006)
    assert number(shown["Tokens/s"]) == pytest.approx(float(first["tokens_per_s"]), rel=0.006)


def in_a_fresh_context(browser: Browser, address: str) -> dict[str, str]:
    """What someone else sees who opens `address`."""
    problems: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    watch(page, problems)
    opened(page, address)
    seen = figures(page)
    context.close()
    assert problems == []
    return seen


def test_serving_from_first_paint_to_a_shared_link_and_a_csv(watched: Page, app_url: str, browser: Browser) -> None:
    opened(watched, app_url)
    first = figures(watched)
    assert re.match(r"Serve Llama 3\.1 70B at 10 requests/s", first["title"])
    assert len(first) == 6
    expect(watched.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg")).to_have_count(3)

    enter(watched, "Mean traffic (requests/s)", "120")
    enter(watched, "Answer length (tokens)", "800")
    changed = figures(watched)
    assert changed["title"].endswith("120 requests/s")
    assert changed["Tokens/s"] != first["Tokens/s"]
    assert changed != first

    assert "rate=120" in watched.url
    assert "out=800" in watched.url
    assert in_a_fresh_context(browser, watched.url) == changed
    check_csv_against(watched)


def test_a_training_run_from_its_task_to_a_shared_link_and_a_csv(watched: Page, app_url: str, browser: Browser) -> None:
    opened(watched, app_url + "/?v=1&model=llama3.1-8b&task=serving&max=64")
    watched.get_by_role("radio", name="Train").click()
    expect(watched.get_by_role("heading", level=1)).to_contain_text("Pre-train", timeout=WAIT_MS)
    enter(watched, "Training data (billion tokens)", "200")
    enter(watched, "Deadline (days)", "45")
    shown = figures(watched)
    assert "200" in shown["title"]
    assert "Run time" in shown
    assert "task=training" in watched.url
    assert in_a_fresh_context(browser, watched.url) == shown
    check_csv_against(watched)


def test_the_bill_as_a_file_adds_up_and_names_units(watched: Page, app_url: str) -> None:
    opened(watched, app_url + SAVED_LINK + "&get=buy")
    bill = downloaded(watched, "Export bill as CSV")
    assert bill
    for line in bill:
        if line["subtotal_usd"] != "unknown":
            assert float(line["subtotal_usd"]) == pytest.approx(float(line["quantity"]) * float(line["unit_typical_usd"]), rel=1e-6)


def test_back_leaves_the_app_after_any_number_of_edits(watched: Page, app_url: str) -> None:
    watched.goto("about:blank")
    opened(watched, app_url)
    for rate in ("20", "30", "40"):
        enter(watched, "Mean traffic (requests/s)", rate)
    assert "rate=40" in watched.url
    watched.go_back()
    assert watched.url == "about:blank"
    watched.go_forward()
    settled(watched)
    assert figures(watched)["title"].endswith("40 requests/s")


def test_copy_link_puts_the_address_on_the_clipboard(watched: Page, app_url: str) -> None:
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(watched, app_url + SAVED_LINK)
    watched.get_by_role("button", name="Copy link").click()
    expect(watched.get_by_text("Link copied")).to_be_visible()
    assert watched.evaluate("navigator.clipboard.readText()") == watched.url


def test_the_chosen_option_is_part_of_the_link(watched: Page, app_url: str, browser: Browser) -> None:
    opened(watched, app_url)
    choose(watched, "Shown option", 1)
    assert "show=2" in watched.url
    assert in_a_fresh_context(browser, watched.url) == figures(watched)


def test_nothing_fits_offers_the_smallest_change_and_it_helps(watched: Page, app_url: str) -> None:
    opened(watched, app_url + "/?v=1&model=llama3.1-405b&task=serving&ttft=0.01")
    expect(watched.get_by_text("Nothing fits.")).to_be_visible()
    watched.get_by_role("button", name=re.compile("^Set ")).first.click()
    expect(watched.get_by_text("Nothing fits.")).to_have_count(0)
    settled(watched)
    assert "Facility power" in figures(watched)


@pytest.mark.parametrize(
    "query", ["?n=inf", "?v=1&model=llama3.1-8b&task=serving&rate=inf", "?v=99&model=x", "?v=1&c=%00%ff", "?c=" + "A" * 9000]
)
def test_a_hostile_link_is_said_and_the_page_works(query: str, watched: Page, app_url: str) -> None:
    opened(watched, f"{app_url}/{query}")
    expect(watched.get_by_role("alert").first).to_be_visible()
    assert "Facility power" in figures(watched)


def test_the_whole_task_works_by_keyboard(watched: Page, app_url: str) -> None:
    opened(watched, app_url)
    field = watched.get_by_label("Mean traffic (requests/s)", exact=True)
    field.focus()
    with answered(watched):
        watched.keyboard.press("ControlOrMeta+A")
        watched.keyboard.type("75")
        watched.keyboard.press("Tab")
    assert figures(watched)["title"].endswith("75 requests/s")
    export = watched.get_by_role("button", name="Export options as CSV")
    for _ in range(60):
        watched.keyboard.press("Tab")
        if export.evaluate("button => button === document.activeElement || button.contains(document.activeElement)"):
            break
    with watched.expect_download():
        watched.keyboard.press("Enter")


def plans(page: Page, app_url: str, origin: str) -> int:
    """How many plans came to this end."""
    found = re.search(rf'^rackwright_plans_total{{origin="{origin}"}} (\d+)$', page.request.get(app_url + "/metrics").text(), re.MULTILINE)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("leave", ["stop", "close"])
def test_a_search_shows_its_progress_and_ends_when_it_is_stopped_or_left(leave: str, page: Page, browser: Browser, app_url: str) -> None:
    stopped, computed = (plans(page, app_url, origin) for origin in ("stopped", "computed"))
    context = browser.new_context()
    searching = context.new_page()
    searching.goto(f"{app_url}/?v=1&model=deepseek-v3&task=training&days={91 if leave == 'stop' else 92}", wait_until="commit")
    expect(searching.get_by_text("Searching configurations")).to_be_visible(timeout=WAIT_MS)
    if leave == "stop":
        searching.get_by_test_id("stMain").get_by_role("button", name="Stop", exact=True).click()
        expect(searching.get_by_role("button", name="Search again")).to_be_visible(timeout=WAIT_MS)
    context.close()
    for _ in range(100):
        if plans(page, app_url, "stopped") > stopped:
            break
        page.wait_for_timeout(100)
    assert plans(page, app_url, "stopped") == stopped + 1
    assert plans(page, app_url, "computed") == computed


def test_programs_get_their_answers_from_the_same_server(page: Page, app_url: str) -> None:
    assert page.request.get(app_url + "/healthz").json()["status"] == "ok"
    asked = {"model": "llama3.2-1b", "workload": {"kind": "serving"}, "limits": {"max_devices": 8}}
    answer = page.request.post(app_url + "/api/v1/plan", data=asked)
    assert answer.status == 200
    assert answer.json()["recommendations"]
    assert page.request.post(app_url + "/api/v1/plan", data={"model": "no-such-model", "workload": {"kind": "serving"}}).status == 422
    assert "rackwright_" in page.request.get(app_url + "/metrics").text()


OWN_PRICE = b'- id: nvidia-rtx-pro-6000-ws\n  price_USD: {typical: 500}\n  price_basis: own\n  price_date: "2026-11-01"\n'


def test_own_prices_change_the_answer_and_a_faulty_file_is_said(watched: Page, app_url: str) -> None:
    opened(watched, app_url + "/?v=1&model=llama3.1-70b&task=serving&get=buy&acc=nvidia-rtx-pro-6000-ws")
    before = figures(watched)
    watched.get_by_test_id("stSidebar").get_by_text("Catalog", exact=True).click()
    upload = watched.locator("[data-testid=stFileUploader] input[type=file]")
    upload.set_input_files(
        {"name": "mine.yaml", "mimeType": "application/yaml", "buffer": b"- id: nvidia-rtx-pro-6000-ws\n  price_basis: guess\n"}
    )
    expect(watched.get_by_role("alert")).to_contain_text("guess")
    upload.set_input_files({"name": "mine.yaml", "mimeType": "application/yaml", "buffer": OWN_PRICE})
    expect(watched.get_by_text("Your own entries are in use.")).to_be_visible(timeout=WAIT_MS)
    settled(watched)
    label = next(label for label in before if label.startswith("Cost over"))
    assert number(figures(watched)[label]) < number(before[label])
    watched.get_by_role("button", name="Use the packaged catalog").click()
    expect(watched.get_by_text("Your own entries are in use.")).to_have_count(0, timeout=WAIT_MS)
    settled(watched)
    assert figures(watched) == before


def test_back_and_forward_between_pages_keep_the_question(watched: Page, app_url: str) -> None:
    opened(watched, app_url + SAVED_LINK)
    enter(watched, "Mean traffic (requests/s)", "31")
    watched.get_by_role("link", name="Model", exact=True).click()
    expect(watched.get_by_role("heading", level=1)).to_have_text("Llama 3.1 8B", timeout=WAIT_MS)
    settled(watched)
    watched.go_back()
    expect(watched.get_by_role("heading", level=1)).to_contain_text("at 31 requests/s", timeout=WAIT_MS)
    settled(watched)
    assert "rate=31" in watched.url
    watched.go_forward()
    expect(watched.get_by_role("heading", level=1)).to_have_text("Llama 3.1 8B", timeout=WAIT_MS)
    assert "/model" in watched.url
