"""A quote against a bill: everything on either side is found once, nothing is passed over."""

from hypothesis import given
from hypothesis import strategies as st

from hardware_db import load_hardware
from hardware_db.records import Price
from planner.cluster.bill import FROM_STOCK, Part, bill_of
from planner.cluster.design import ClusterOptions, design_cluster
from planner.cluster.quote import AGREES, QuoteLine, compare_quote

PRICE = Price(80.0, 100.0, 130.0, "list", "2026")
BILL = bill_of([Part("switch", "a", 4, None, PRICE), Part("cable", "b", 10, None, PRICE), Part("rack", "c", 1, None, None)])


def found(*quote):
    return [(row.catalog_id, row.finding) for row in compare_quote(BILL, quote)]


def test_a_quote_of_the_bill_agrees():
    assert found(QuoteLine("a", 4, 100), QuoteLine("b", 10, 80), QuoteLine("c", 1, None)) == [(id_, "as planned") for id_ in "abc"]


def test_each_difference_has_its_word():
    rows = compare_quote(BILL, [QuoteLine("a", 3, 150), QuoteLine("b", 12, 50), QuoteLine("d", 1, 7)])
    assert [(row.catalog_id, row.finding) for row in rows] == [
        ("a", "fewer"),
        ("a", "dearer"),
        ("b", "surplus"),
        ("b", "cheaper"),
        ("c", "missing"),
        ("d", "not in the bill"),
    ]
    assert [row.excess_usd for row in rows] == [-150, 60, 100, -360, None, 7]


def test_without_a_price_of_ours_none_can_be_judged():
    assert ("c", "no reference price") in found(QuoteLine("a", 4, 100), QuoteLine("b", 10, 100), QuoteLine("c", 1, 5000))


def test_several_positions_of_one_part_count_together():
    assert found(QuoteLine("a", 1, 100), QuoteLine("a", 3, 110), QuoteLine("b", 10, None), QuoteLine("c", 1, None))[0] == (
        "a",
        "as planned",
    )


def test_stock_is_not_asked_of_a_vendor():
    owned = bill_of([Part("switch", "a", 4, None, PRICE)], {"a": 3})
    assert [line.price_basis for line in owned] == [FROM_STOCK, "list"]
    (row,) = compare_quote(owned, [QuoteLine("a", 1, 100)])
    assert row.finding == "as planned"


@given(st.lists(st.builds(QuoteLine, st.sampled_from("abcdef"), st.integers(0, 20), st.none() | st.floats(0, 300)), max_size=8))
def test_everything_on_either_side_is_found(quote):
    rows = compare_quote(BILL, quote)
    assert {row.catalog_id for row in rows} == {"a", "b", "c"} | {line.catalog_id for line in quote}


def test_our_own_design_quoted_back_agrees():
    bill = design_cluster(load_hardware(), "nvidia-h100-sxm-80gb", 256, ClusterOptions()).bill
    quote = [QuoteLine(line.catalog_id, line.quantity, line.unit_typical_usd) for line in bill]
    assert all(row.finding in AGREES for row in compare_quote(bill, quote))
