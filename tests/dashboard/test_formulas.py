"""Formulas with the numbers put in: their arithmetic gives the figure, their text shows it."""

import pytest

from dashboard.formulas import Formula, Operand, formulas
from dashboard.language import speaking
from dashboard.method_documents import address_of, sections
from planner import plan
from planner.library import default_library
from planner.request import PlanRequest
from tests.dashboard.test_plan_page import plain, text_of

FEW = {"accelerators": ["nvidia-h100-sxm-80gb", "amd-mi300x", "nvidia-l40s"], "max_devices": 512}
QUESTIONS = {
    "grouped attention": {"model": "llama3.1-70b", "workload": {"kind": "serving", "requests_per_s": 10, "kv_precision": "bf16"}},
    "latent attention": {"model": "deepseek-v3", "workload": {"kind": "serving", "requests_per_s": 5}},
    "windows": {"model": "gpt-oss-120b", "workload": {"kind": "serving", "requests_per_s": 5}},
    "training": {"model": "llama3.1-8b", "workload": {"kind": "training", "tokens": 1e10}},
    "rented": {"model": "llama3.1-8b", "workload": {"kind": "serving"}, "site": {"acquisition": "rent"}},
}


def of(name: str, rank: int = 1) -> dict[str, Formula]:
    known = default_library()
    answer = plan(PlanRequest.parse(QUESTIONS[name] | {"limits": FEW}), known)
    with speaking("en"):
        return {formula.name: formula for formula in formulas(answer, answer.recommendations[rank - 1], known.models)}


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_arithmetic_gives_the_figure(name):
    for formula in of(name).values():
        operands = {key: operand.value for key, operand in formula.operands.items()}
        computed = eval(formula.expression, {"__builtins__": {}}, operands)  # noqa: S307 our own text
        assert computed == pytest.approx(formula.value, rel=2e-6), formula.written()


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_figure_has_its_equation_in_the_method(name):
    for formula in of(name).values():
        assert formula.equation in sections()


def test_the_cache_of_grouped_attention_is_said_as_people_compute_it():
    written = of("grouped attention")["KV cache per token"].written()
    assert written.replace("\u202f", " ") == "2 × 80 layers × 8 heads × 128 × 2 bytes (BF16) = 320 KiB"


def test_the_cache_of_latent_attention_counts_the_latent_and_the_rotary_part():
    assert of("latent attention")["KV cache per token"].written().startswith("61 layers × (512 latent + 64 rotary) × ")


def test_a_run_says_its_goodput_and_start_up():
    written = of("training")["Run time"].written()
    assert "÷ useful share 0.9 + start-up" in written


def test_signs_and_brackets_are_written_as_in_print():
    operands = {name: Operand(value, f"{value:g}") for name, value in (("a", 6.0), ("b", 2.0), ("c", 1.0))}
    assert Formula("x", "y", "(a - b) / 2 * c", operands, 2.0, "2").written() == "(6 − 2) ÷ 2 × 1 = 2"


def test_an_equation_leads_to_its_chapter_and_heading():
    assert address_of("7.1") == "method?chapter=economics#7-1-it-and-facility-power"
    assert address_of("99.9") == "method"


def test_the_page_shows_them_with_links_when_they_are_opened(opened):
    app = opened()
    assert "Method 7" not in plain(text_of(app)), "nothing is made before it is opened"
    app.session_state["section:derivation"] = True
    app.run()
    assert not app.exception
    said = text_of(app)
    assert "× PUE 1" in plain(said)
    assert "](method?chapter=economics#7-1-it-and-facility-power)" in said
