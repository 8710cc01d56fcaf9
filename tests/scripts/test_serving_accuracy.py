"""The table of serving errors in the method page."""

from __future__ import annotations

from measurements.serving_fit import serving_fit
from scripts.serving_accuracy import PAGE, block, page


def test_the_page_shows_the_errors_of_the_packaged_fit():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, serving_fit().errors) == text


def test_errors_stand_with_their_rows_and_families():
    errors = serving_fit().errors
    shown = block(errors)
    for name in ("serving_latency tpot_s all", "serving_latency ttft_s vendor NVIDIA", "serving_mlperf output_tokens_per_s regime Offline"):
        assert f"| {errors[name].rows} | {errors[name].families} | {100 * errors[name].median:.1f} |" in shown
