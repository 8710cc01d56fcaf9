import pytest

from texts.dates import date


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
