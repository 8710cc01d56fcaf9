"""Files to take along: they read back as what was shown, and no cell of them runs."""

import yaml

from dashboard.sections.exports import frontier_table, question_yaml
from dashboard.tables import Column, Table, file_name
from planner.request import PlanRequest
from tests.dashboard import sample


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
