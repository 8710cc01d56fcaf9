"""`rackwright plan` and `link` on the examples: the same figures in every form."""

import csv
import io
import json
import re
import textwrap
from functools import cache
from pathlib import Path

import pytest

from cli.main import main
from cli.requests import read_requests
from planner import plan
from planner.tables import BILL_COLUMNS, RECOMMENDATION_COLUMNS

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
SMALL = str(ROOT / "examples" / "finetune-8b.yaml")
ODD = "model: llama3.1-405b\nworkload: {kind: training, tokens: 1e13, deadline_days: 1}\nlimits: {max_devices: 8}\n"


def shown(capsys, *words: str) -> str:
    assert main(["plan", *words]) == 0
    return capsys.readouterr().out


@cache
def answer(path: Path):
    (named,) = read_requests([str(path)])
    return plan(named.request)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_answered_plausibly(path):
    """Memory fits, power and money are positive, the bill and parts add up, the interval holds its figure."""
    found = answer(path)
    assert found.recommendations
    for item in found.recommendations:
        assert 0 < item.memory.used_bytes <= item.memory.capacity_bytes
        assert sum(item.cost.parts.values()) == pytest.approx(item.cost.total_usd)
        if item.power.it_w is not None and item.power.facility_w is not None:
            assert item.power.facility_w >= item.power.it_w > 0
        assert sum(item.bottleneck.time_parts_s.values()) > 0
        assert item.devices <= found.request.limits.max_devices
        if item.performance.interval:
            assert item.performance.interval.low <= item.performance.tokens_per_s <= item.performance.interval.high
    assert [item.rank for item in found.recommendations] == list(range(1, len(found.recommendations) + 1))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_same_request_gives_the_same_bytes_and_so_does_its_link(path, capsys):
    first = shown(capsys, str(path), "--format", "json")
    assert main(["link", str(path)]) == 0
    link = capsys.readouterr().out.strip()
    assert len(link) < 2_000
    assert shown(capsys, "--link", link, "--format", "json") == first
    assert json.loads(first)["recommendations"]


def test_several_requests_are_a_list(capsys):
    assert len(json.loads(shown(capsys, SMALL, SMALL, "--format", "json", "--top", "1"))) == 2


def test_csv_holds_the_full_figures_of_the_plan(capsys):
    text = shown(capsys, SMALL, "--format", "csv")
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    found = answer(Path(SMALL))
    assert list(rows[0]) == ["request", "model", *(column.name for column in RECOMMENDATION_COLUMNS)]
    assert [float(row["total_usd"]) for row in rows] == [item.cost.total_usd for item in found.recommendations]
    assert [int(row["accelerators"]) for row in rows] == [item.devices for item in found.recommendations]
    assert {row["ttft_s"] for row in rows} == {"n/a"}
    assert not any(cell in {"", "None", "nan"} for row in rows for cell in row.values())


def test_the_bill_as_csv_adds_up(tmp_path, capsys):
    path = tmp_path / "owned.yaml"
    path.write_text("model: llama3.1-8b\nworkload: {kind: serving, requests_per_s: 5}\nsite: {acquisition: buy}\n", encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(shown(capsys, str(path), "--format", "csv", "--bill").removeprefix("\ufeff"))))
    assert list(rows[0]) == ["request", "rank", *(column.name for column in BILL_COLUMNS)]
    for item in answer(path).recommendations:
        subtotals = [row["subtotal_usd"] for row in rows if int(row["rank"]) == item.rank]
        assert len(subtotals) == len(item.bill) > 0
        priced = sum(float(text) for text in subtotals if text != "unknown")
        assert priced == pytest.approx(sum(line.subtotal_usd or 0.0 for line in item.bill))
        assert priced == pytest.approx(item.cost.capital_usd)


def test_a_rented_option_has_no_bill(capsys):
    assert "rented: nothing is bought" in shown(capsys, SMALL, "--bill")


def test_top_limits_every_form(capsys):
    assert len(json.loads(shown(capsys, SMALL, "--format", "json", "--top", "2"))["recommendations"]) == 2
    assert len(shown(capsys, SMALL, "--format", "csv", "--top", "2").strip().splitlines()) == 3


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_answers_in_words_and_figures(language, capsys):
    text = shown(capsys, SMALL, "--lang", language)
    best = answer(Path(SMALL)).recommendations[0]
    assert best.accelerator_name in text
    assert f"{best.cost.total_usd:,.0f}" in text
    assert ("Fine-tune" in text) == (language == "en")
    assert not any(word in text for word in ("None", "nan"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_fits_is_an_answer_with_code_1(language, tmp_path, capsys):
    path = tmp_path / "odd.yaml"
    path.write_text(ODD, encoding="utf-8")
    assert main(["plan", str(path), "--lang", language]) == 1
    text = capsys.readouterr().out
    assert {"en": "Nothing fits", "zh": "没有"}[language] in text
    assert main(["plan", str(path), "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["recommendations"] == []


def test_an_unknown_key_of_a_link_is_named_and_the_rest_is_planned(capsys):
    assert main(["plan", "--link=v=1&model=llama3.1-8b&task=serving&rate=1&utm=x", "--top", "1"]) == 0
    assert "utm" in capsys.readouterr().err


def test_a_link_of_another_catalog_says_what_it_was(capsys):
    assert main(["plan", "--link=v=1&model=llama3.1-8b&task=serving&rate=1&was=0123456789abcdef~1920000~31000~5000~16", "--top", "1"]) == 0
    assert "then it was 16 accelerators, $1.92" in capsys.readouterr().out


def test_links_start_with_the_base_that_was_asked_for(capsys):
    assert main(["link", SMALL, "--base", "https://planner.example.org/", "--without-figures"]) == 0
    link = capsys.readouterr().out
    assert link.startswith("https://planner.example.org/?v=1&model=llama3.1-8b&task=training")
    assert "was=" not in link


def test_own_hardware_from_the_guide_appears_in_plan_csv_and_bill(tmp_path, capsys):
    """The example of docs/extend/accelerator.md, dropped in as a file, without touching Python."""
    guide = (ROOT / "docs" / "extend" / "accelerator.md").read_text(encoding="utf-8")
    entries = re.findall(r"(?:^ {4}[- ].*\n)+", guide, re.MULTILINE)
    own = tmp_path / "own.yaml"
    own.write_text(textwrap.dedent(next(block for block in entries if "memory_GiB" in block)), encoding="utf-8")
    (id_,) = re.findall(r"accelerator_ids: \[(.*)\]", own.read_text(encoding="utf-8"))
    asked = tmp_path / "asked.yaml"
    asked.write_text(f"model: llama3.1-8b\nworkload: {{kind: serving}}\nlimits: {{accelerators: [{id_}]}}\n", encoding="utf-8")

    assert main(["plan", str(asked)]) == 2
    assert id_ in capsys.readouterr().err
    found = json.loads(shown(capsys, str(asked), "--catalog", str(own), "--format", "json"))
    assert {item["accelerator_id"] for item in found["recommendations"]} == {id_}
    rows = list(csv.DictReader(io.StringIO(shown(capsys, str(asked), "--catalog", str(own), "--format", "csv").removeprefix("\ufeff"))))
    assert [row["accelerator_id"] for row in rows] == [id_] * len(found["recommendations"])
    assert id_ in shown(capsys, str(asked), "--catalog", str(own), "--format", "csv", "--bill")
