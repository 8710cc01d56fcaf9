import pytest

from texts.dates import date, is_older


@pytest.mark.parametrize(
    ("iso", "english", "chinese"),
    [("2026-11-02", "2 Nov 2026", "2026年11月2日"), ("2026-09", "Sep 2026", "2026年9月"), ("2026", "2026", "2026年")],
)
def test_a_date_is_as_exact_as_its_source(iso, english, chinese):
    assert date(iso, "en") == english
    assert date(iso, "zh") == chinese


@pytest.mark.parametrize("text", ["", "soon", "2026-13", "2026-1-2", "2026-11-02T00:00"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match="ISO"):
        date(text, "en")


@pytest.mark.parametrize(
    ("text", "old"),
    [
        ("2026-05-26", False),  # 180 days before
        ("2026-05-25", True),
        ("2026-05", False),  # its last day counts
        ("2026-04", True),
        ("2026-Q2", False),
        ("2026-Q1", True),
        ("2026", False),
        ("2025", True),
        ("2024-2026", False),
        ("2023-2024", True),
        ("2027-01", False),
        ("", False),
        ("soon", False),
    ],
)
def test_a_price_is_old_after_half_a_year(text, old):
    assert is_older(text, 180, "2026-11-22") is old
