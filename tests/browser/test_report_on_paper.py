"""The report in Chromium: nothing is asked of a network, nothing runs sideways, and it prints."""

import re

import pytest
from playwright.sync_api import Page

from cli.main import main

EXAMPLES = {"serve-llama-3.1-70b": "en", "pretrain-405b": "zh"}


@pytest.mark.parametrize(("example", "language"), EXAMPLES.items())
def test_it_opens_alone_and_prints_on_a4(page: Page, tmp_path, example, language):
    path = tmp_path / "report.html"
    assert main(["report", f"examples/{example}.yaml", "-o", str(path), "--lang", language]) == 0
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert said == []
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 2 <= pages <= 8
    boxes = re.findall(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)", printed)
    assert all((round(float(wide)), round(float(high))) in {(595, 842), (596, 842), (594, 842), (595, 841)} for wide, high in boxes)
