"""Files to take along: they read back as what was shown, and no cell of them runs."""

import hashlib

import yaml

from dashboard.sections.exports import FRONTIER_ROWS, frontier_table, link_to, question_yaml
from dashboard.tables import Column, Table, file_name
from planner import frontier, plan
from planner.library import default_library
from planner.links import decode_link
from planner.request import PlanRequest
from tests.dashboard import sample


def test_the_question_reads_back_as_it_was_asked() -> None:
    plan = sample.plan(sample.TRAINING)
    assert PlanRequest.parse(yaml.safe_load(question_yaml(plan.request))) == plan.request


def test_the_report_has_the_whole_address_of_the_option_that_it_tells() -> None:
    plan = sample.plan()
    link = link_to(plan, "2", "http://127.0.0.1:8501/plan")
    address, _, view = link.rpartition("&")
    assert link.startswith("http://127.0.0.1:8501/plan?v=1&")
    assert (decode_link(address).request, view) == (plan.request, "show=2")


def test_a_question_too_long_for_a_link_has_a_report_without_one() -> None:
    stock = [{"id": hashlib.sha256(str(number).encode()).hexdigest(), "quantity": number + 1} for number in range(200)]
    plan = sample.plan().model_copy(
        update={"request": PlanRequest.parse({"model": "example-70b", "workload": {"kind": "serving"}, "stock": stock})}
    )
    assert link_to(plan, "1", "http://127.0.0.1/") == ""


def test_a_csv_has_units_in_its_columns_and_no_formula_in_its_cells() -> None:
    table = Table((Column("name", "Name"), Column("cost_usd", "Cost (USD)", 0)), (("=1+1", -3.5),))
    assert table.csv().decode("utf-8-sig") == "name,cost_usd\r\n'=1+1,-3.5\r\n"


def test_the_frontier_has_every_configuration_that_fits_and_marks_those_that_none_beats() -> None:
    answer = plan(PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "serving", "requests_per_s": 20}}))
    table = frontier_table(answer.request, default_library())
    names = [column.name for column in table.columns]
    marked = [row for row in table.rows if row[names.index("pareto")] == "yes"]
    assert len(table.rows) == min(answer.search.feasible, FRONTIER_ROWS) > len(answer.frontier)
    assert [row[names.index("time_s")] for row in marked] == [point.time_s for point in frontier(answer.request, ("cost", "time"))]
    assert table.csv().count(b"\r\n") == len(table.rows) + 1


def test_file_names_are_letters_digits_and_dashes() -> None:
    assert file_name(("Llama 3.1 70B", "../../etc", "模型"), ".csv") == "llama-3-1-70b-etc.csv"
