"""The report: well-formed, alone, with the figures of the plan, whatever names it is given."""

import re
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from dashboard import figures
from dashboard.charts.stacked import Segment
from dashboard.language import speaking
from dashboard.report import report
from dashboard.report_charts import WIDTH, stacked_bars
from planner.answer import BillLine, Plan, Recommendation
from tests.dashboard import sample
from texts import numbers

HOSTILE = '</td><script src="https://example.org/x.js">alert(1)</script>"\'&<img src=x onerror=y>**bold**{braces}'
VOID = {"meta", "br", "img", "line", "input", "link", "hr"}


class Page(HTMLParser):
    """Elements with their attributes; anything closed that is not open, or left open, is a fault."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def named(option: Recommendation, name: str) -> Recommendation:
    line = option.bill[0].model_copy(update={"catalog_id": name, "part": name, "source": name})
    return option.model_copy(update={"accelerator_name": name, "server_name": name, "bill": (line, *option.bill[1:])})


def written(plan: Plan, language="en", rank: int = 1, link: str = "") -> str:
    shown = next((option for option in plan.recommendations if option.rank == rank), None)
    with speaking(language):
        return report(plan, shown, link)


PLANS = [
    sample.plan(sample.SERVING),
    sample.plan(sample.TRAINING),
    sample.plan(sample.SERVING, options=0),
    sample.plan(sample.SERVING, options=1),
]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("plan", PLANS, ids=["serving", "training", "nothing", "one"])
def test_it_is_well_formed_and_loads_nothing(plan, language):
    text = written(plan, language, link="http://127.0.0.1:8501/?v=1&model=x")
    page = Page(text)
    assert page.elements[0] == ("html", {"lang": "zh-CN" if language == "zh" else "en"})
    assert [tag for tag, _ in page.elements if tag == "h1"] == ["h1"]
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base", "form", "a"})
    loading = {"src", "href", "srcset", "data", "action", "background", "poster"}
    assert not [name for _, attributes in page.elements for name in attributes if name in loading or name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert not re.search(r"\b(None|nan|inf|NaN)\b", "".join(page.text))
    for drawn in re.findall(r"<svg.*?</svg>", text, re.S):
        assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 our own text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_its_figures_are_those_of_the_plan(language):
    plan = PLANS[0]
    shown = plan.recommendations[1]
    text = unescape(re.sub(r"<[^>]+>", "\n", written(plan, language, rank=2)))
    with speaking(language):
        told = [figures.cost(shown.cost), figures.power(shown), figures.latency(shown), figures.task(plan)]
        told += [figures.option_label(option) for option in plan.recommendations]
        told += [numbers.money(usd, language) for usd in shown.cost.parts.values()]
        told += [numbers.memory(size, language) for size in shown.memory.parts.values()]
        told += [numbers.duration(time_s, language) for time_s in shown.bottleneck.time_parts_s.values()]
        told += [f"{option.cost.total_usd:,.0f}" for option in plan.recommendations]
        told += [f"{line.quantity:,.0f}" for line in shown.bill]
        told += [plan.catalog_release, plan.version, plan.library_digest, "example-switch"]
    assert [figure for figure in told if figure not in text] == []


def test_hostile_names_stay_text():
    plan = PLANS[0]
    options = tuple(named(option, HOSTILE) for option in plan.recommendations)
    hostile = plan.model_copy(update={"recommendations": options, "model_name": HOSTILE, "sources": {"example-accelerator": (HOSTILE,)}})
    text = written(hostile, link=HOSTILE)
    page = Page(text)
    usual = {tag for tag, _ in Page(written(plan, link="x")).elements}
    assert {tag for tag, _ in page.elements} == usual
    assert text.count(HOSTILE) == 0
    assert HOSTILE in "".join(page.text)


def test_the_same_plan_gives_the_same_bytes():
    assert written(PLANS[1]) == written(PLANS[1])


def test_a_rented_plan_and_unknown_prices_are_told_apart():
    plan = PLANS[0]
    first = plan.recommendations[0]
    rented = first.model_copy(update={"cost": first.cost.model_copy(update={"acquisition": "rent", "at_least": True})})
    text = written(plan.model_copy(update={"recommendations": (rented,)}))
    assert "<strong>Rent 8" in text
    assert "at least $400" in text
    assert "what is used, not what is bought" in text
    switch = next(line for line in first.bill if line.unit_typical_usd is None)
    assert isinstance(switch, BillLine)
    assert re.search(r"example-switch</td><td[^>]*>2</td><td[^>]*>unknown</td>", text)


def test_bars_have_one_scale_that_starts_at_zero():
    segments = [Segment("a", "x", "compute", 3.0, "3"), Segment("a", "y", "network", 1.0, "1"), Segment("b", "x", "compute", 2.0, "2")]
    drawn = ET.fromstring(stacked_bars(segments, {"a": "A", "b": "B"}, (5.0, "limit")))  # noqa: S314 our own text
    boxes = [(float(box.attrib["x"]), float(box.attrib["width"])) for box in drawn.iter() if box.tag.endswith("rect")]
    assert boxes == [(0.0, 0.6 * WIDTH), (0.6 * WIDTH, 0.2 * WIDTH), (0.0, 0.4 * WIDTH)]
    (line,) = (mark for mark in drawn.iter() if mark.tag.endswith("line"))
    assert float(line.attrib["x1"]) == WIDTH
