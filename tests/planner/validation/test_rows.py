import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.errors import RackwrightError
from planner.validation.rows import count_cell, is_scorable, number_cell, parse_rows, text_cell


def code_of(content):
    with pytest.raises(RackwrightError) as raised:
        parse_rows(content, "file.csv")
    return raised.value.faults[0].code


def test_a_table_is_its_header_and_its_rows_in_order():
    rows = parse_rows(b'\xef\xbb\xbfmodel , n\nLlama, 8\n\n"a, b",16\n')
    assert rows.header == ("model", "n")
    assert [dict(row) for row in rows] == [{"model": "Llama", "n": "8"}, {"model": "a, b", "n": "16"}]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "csv_empty"),
        (b"\n\n", "csv_empty"),
        (b"a,a\n1,2\n", "csv_column_repeated"),
        (b"a,b\n1,2,3\n", "csv_row_too_long"),
        (b"a\n\xff\xfe\n", "text_not_utf8"),
        (b"a\n\0\n", "csv_not_text"),
        (b'a\n"open\n', "csv_damaged"),
        (",".join(f"c{i}" for i in range(600)).encode(), "csv_too_many"),
        (b"a\n" + b"x" * 30_000, "csv_too_many"),
        (b"a\n" + b"x\n" * 100_001, "csv_too_many"),
        (b"a\n" + b"x" * 20_000_001, "file_too_large"),
    ],
)
def test_hostile_files_are_refused_with_a_reason(content, code):
    assert code_of(content) == code


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_faults(content):
    try:
        parse_rows(content)
    except RackwrightError as error:
        assert error.faults[0].code


@pytest.mark.parametrize(
    ("cell", "number"), [("1.5", 1.5), ("", None), ("nan", None), ("inf", None), ("1e999", None), ("many", None), ("-2", -2.0)]
)
def test_numbers_are_finite_or_nothing(cell, number):
    assert number_cell({"x": cell}, "x") == number


@pytest.mark.parametrize(("cell", "count"), [("8", 8), ("8.0", 8), ("0", None), ("2.5", None), ("1e30", None), ("-1", None)])
def test_counts_are_whole_positive_and_bounded(cell, count):
    assert count_cell({"x": cell}, "x") == count


def test_marks_of_nothing_are_empty():
    assert text_cell({"x": "N/A"}, "x") == ""
    assert text_cell({}, "x") == ""


def test_rows_count_unless_marked_as_context():
    assert is_scorable({})
    assert is_scorable({"scorable": "yes"})
    assert not is_scorable({"scorable": "no"})
