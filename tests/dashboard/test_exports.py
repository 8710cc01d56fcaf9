"""Files to take along: they read back as what was shown, and no cell of them runs."""

import hashlib

import yaml

from dashboard.sections.exports import link_to, question_yaml
from dashboard.tables import Column, Table, file_name
from planner.links import decode_link
from planner.request import PlanRequest
from tests.dashboard import sample


def test_the_question_reads_back_as_it_was_asked() -> None:
    plan = sample.plan(sample.TRAINING)
    assert PlanRequest.parse(yaml.safe_load(question_yaml(plan))) == plan.request


def test_the_report_has_the_whole_address_of_the_option_that_it_tells() -> None:
    plan = sample.plan()
    link = link_to(plan, plan.recommendations[1], "http://127.0.0.1:8501/plan")
    address, _, view = link.rpartition("&")
    assert link.startswith("http://127.0.0.1:8501/plan?v=1&")
    assert (decode_link(address).request, view) == (plan.request, "show=2")


def test_a_question_too_long_for_a_link_has_a_report_without_one() -> None:
    stock = [{"id": hashlib.sha256(str(number).encode()).hexdigest(), "quantity": number + 1} for number in range(200)]
    plan = sample.plan().model_copy(
        update={"request": PlanRequest.parse({"model": "example-70b", "workload": {"kind": "serving"}, "stock": stock})}
    )
    assert link_to(plan, plan.recommendations[0], "http://127.0.0.1/") == ""


def test_a_csv_has_units_in_its_columns_and_no_formula_in_its_cells() -> None:
    table = Table((Column("name", "Name"), Column("cost_usd", "Cost (USD)", 0)), (("=1+1", -3.5),))
    assert table.csv().decode("utf-8-sig") == "name,cost_usd\r\n'=1+1,-3.5\r\n"


def test_file_names_are_letters_digits_and_dashes() -> None:
    assert file_name(("Llama 3.1 70B", "../../etc", "模型"), ".csv") == "llama-3-1-70b-etc.csv"
