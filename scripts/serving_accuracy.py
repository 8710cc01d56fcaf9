"""Write the table of serving errors in docs/method/serving.md from the fitted file.

python -m scripts.serving_accuracy
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from measurements.serving_fit import Errors, serving_fit

PAGE = Path(__file__).parents[1] / "docs" / "method" / "serving.md"
START, END = "<!-- errors: python -m scripts.serving_accuracy -->\n", "<!-- end of errors -->\n"
_HEAD = "| rows | of a source | n | families | median % | 90 % of resampled families | p90 % |\n|---|---|---|---|---|---|---|\n"
_QUANTITIES = {
    "tpot_s": "time per output token",
    "ttft_s": "time to first token",
    "itl_s": "time between tokens",
    "output_tokens_per_s": "generated tokens a second",
}
_TABLES = {"serving_latency": "fixed concurrency", "serving_published": "published tables", "serving_mlperf": "MLPerf Inference"}
_SHOWN = ("all", "regime", "vendor", "precision", "architecture", "framework", "accelerator", "scale")


def block(errors: Mapping[str, Errors]) -> str:
    """The table between its marks."""
    return START + _HEAD + "".join(_rows(errors)) + END


def _rows(errors: Mapping[str, Errors]) -> Iterator[str]:
    for table, source in _TABLES.items():
        for quantity, label in _QUANTITIES.items():
            for by in _SHOWN:
                start = f"{table} {quantity} {by}"
                for name, found in errors.items():
                    if name == start or name.startswith(start + " "):
                        key = name.removeprefix(start).strip() or "all"
                        span = f"{100 * found.median_low:.1f} to {100 * found.median_high:.1f}"
                        figures = f"{100 * found.median:.1f} | {span} | {100 * found.p90:.0f}"
                        yield f"| {source}, {label} | {key} | {found.rows} | {found.families} | {figures} |\n"


def page(text: str, errors: Mapping[str, Errors]) -> str:
    """The page with its table in step with the fit."""
    before, rest = text.split(START)
    return before + block(errors) + rest.split(END)[1]


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), serving_fit().errors), encoding="utf-8")


if __name__ == "__main__":
    main()
