from cli.tables import cells, text_table
from planner.tables import PlanColumn
from texts.numbers import MINUS, Absent

COLUMNS = (
    PlanColumn("name", "Accelerator", None, lambda row: row[0]),
    PlanColumn("cost_usd", "Cost (USD)", 0, lambda row: row[1]),
    PlanColumn("power_w", "Facility power (W)", 1, lambda row: row[2], "unknown"),
)


def test_numbers_stand_to_the_right_under_wrapped_headers():
    assert text_table(COLUMNS, [("A", 1234567.8, -3.25), ("Bcd", 5, None)], "en").splitlines() == [
        "                        Facility",
        "                  Cost     power",
        "Accelerator      (USD)       (W)",
        f"A            1,234,568      {MINUS}3.2",
        "Bcd                  5   unknown",
    ]


def test_wide_characters_take_two_columns():
    plain, wide = text_table(COLUMNS[:2], [("ab", 1), ("中", 1)], "en").splitlines()[-2:]
    assert len(plain) == len(wide) + 1


def test_files_get_full_numbers_and_the_column_says_what_none_means():
    assert cells(COLUMNS, ("A", 0.1 + 0.2, None)) == ["A", 0.30000000000000004, Absent.UNKNOWN]
    assert cells(COLUMNS, ("A", None, 1.0))[1] is Absent.NOT_APPLICABLE
