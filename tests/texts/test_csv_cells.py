import csv
import datetime as dt
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texts.csv_cells import csv_bytes, csv_text
from texts.numbers import Absent

PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


def cells(content: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline="")))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_a_spreadsheet_would_run_is_escaped(start):
    assert cells(csv_text(["name"], [[f"{start}1+2"]]))[1] == [f"'{start}1+2"]


@pytest.mark.parametrize(("number", "text"), [(-5, "-5"), (-0.25, "-0.25"), (1e-7, "1e-07"), (16384, "16384"), (0.1, "0.1")])
def test_numbers_are_bare_and_never_escaped(number, text):
    assert cells(csv_text(["figure"], [[number]]))[1] == [text]


def test_a_spreadsheet_sees_utf8_and_iso_dates_and_words_for_no_value():
    content = csv_bytes(["名", "day", "flag", "gap"], [['中文, "quoted"', dt.date(2026, 11, 2), True, Absent.UNKNOWN]])
    assert content.startswith(b"\xef\xbb\xbf")
    assert cells(content.decode("utf-8"))[1] == ['中文, "quoted"', "2026-11-02", "true", "unknown"]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_refused(number):
    with pytest.raises(ValueError, match="Absent"):
        csv_text(["figure"], [[number]])


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 cells under 1"):
        csv_text(["a"], [[1, 2]])


@given(st.lists(st.tuples(PRINTABLE, st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**62), 2**62)), min_size=1))
def test_pandas_reads_back_the_numbers_exactly(rows):
    table = pd.read_csv(
        io.BytesIO(csv_bytes(["text", "real_w", "whole"], rows)), encoding="utf-8-sig", dtype={"text": str}, keep_default_na=False
    )
    assert table["real_w"].tolist() == [row[1] for row in rows]
    assert table["whole"].tolist() == [row[2] for row in rows]


@given(st.lists(PRINTABLE, min_size=1))
def test_no_text_cell_begins_like_a_formula(texts):
    for row in cells(csv_text(["text"], [[text] for text in texts]))[1:]:
        assert not row or not row[0].startswith(tuple("=+-@\t\r"))
