"""The report is one file that needs nothing else, says what the page says, and runs nothing it was given."""

import html.parser

import pytest
import sample
import yaml

from dashboard.report import report
from dashboard.sections.exports import frontier_table, question_yaml
from dashboard.tables import Column, Table, file_name
from planner.request import PlanRequest


class Reader(html.parser.HTMLParser):
    """Elements and their attributes, to look for what must not be there."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href"} and value]


@pytest.mark.parametrize("request_", [sample.SERVING, sample.TRAINING], ids=["serving", "training"])
def test_the_report_needs_no_network_and_runs_nothing(request_) -> None:
    plan = sample.plan(request_)
    text = report(plan, plan.recommendations[0], "?v=1&model=<script>alert(1)</script>")
    reader = Reader()
    reader.feed(text)
    assert reader.addresses == []
    assert not {"script", "img", "iframe", "link", "b"} & set(reader.tags), "a name from a catalog is text, never an element"
    assert reader.tags.count("h1") == 1
    assert reader.tags.count("svg") == 2
    assert "=Example &lt;b&gt;X&lt;/b&gt;" in text


def test_the_question_reads_back_as_it_was_asked() -> None:
    plan = sample.plan(sample.TRAINING)
    assert PlanRequest.parse(yaml.safe_load(question_yaml(plan))) == plan.request


def test_the_frontier_has_a_row_a_point() -> None:
    plan = sample.plan()
    assert len(frontier_table(plan).rows) == len(plan.frontier)


def test_a_csv_has_units_in_its_columns_and_no_formula_in_its_cells() -> None:
    table = Table((Column("name", "Name"), Column("cost_usd", "Cost (USD)", 0)), (("=1+1", -3.5),))
    assert table.csv().decode("utf-8-sig") == "name,cost_usd\r\n'=1+1,-3.5\r\n"


def test_file_names_are_letters_digits_and_dashes() -> None:
    assert file_name(("Llama 3.1 70B", "../../etc", "模型"), ".csv") == "llama-3-1-70b-etc.csv"
