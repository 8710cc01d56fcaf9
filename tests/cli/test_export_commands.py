"""`rackwright report`, `frontier` and `plan --format yaml`: files with the same figures as the plan."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from cli import frontier
from cli.main import main
from cli.requests import read_requests
from planner import frontier as frontier_of
from planner import plan
from planner.tables import FRONTIER_COLUMNS

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = ROOT / "examples" / "finetune-8b.yaml"
IMPOSSIBLE = "model: llama3.1-405b\nworkload: {kind: training, tokens: 1e13, deadline_days: 1}\nlimits: {max_devices: 8}\n"


@pytest.fixture(scope="module")
def answer():
    (named,) = read_requests([str(SMALL)])
    return plan(named.request)


def test_a_plan_as_yaml_asks_the_same_again(tmp_path, capsys):
    assert main(["plan", str(SMALL), "--format", "yaml"]) == 0
    text = capsys.readouterr().out
    again = tmp_path / "again.yaml"
    again.write_text(text, encoding="utf-8")
    (first,), (second,) = read_requests([str(SMALL)]), read_requests([str(again)])
    assert second.request == first.request
    assert text.startswith("# Fine-tune Llama 3.1 8B")
    assert main(["plan", str(again), "--format", "yaml"]) == 0
    assert capsys.readouterr().out == text


def test_yaml_of_several_requests_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["plan", str(SMALL), str(SMALL), "--format", "yaml"])
    assert stopped.value.code == 2
    assert "one request" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_frontier_file_holds_every_point_of_the_plan(ending, answer, tmp_path):
    path = tmp_path / f"frontier.{ending}"
    assert main(["frontier", str(SMALL), "-o", str(path)]) == 0
    if ending == "csv":
        rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))
        costs = [float(row["total_usd"]) for row in rows]
    else:
        table = pd.read_parquet(path)
        assert str(table["total_usd"].dtype) == "float64"
        rows = table.to_dict("records")
        costs = list(table["total_usd"])
    assert list(rows[0]) == ["request", "model", *(column.name for column in FRONTIER_COLUMNS)]
    assert costs == [point.cost_usd for point in answer.frontier]
    assert [row["pareto"] == "yes" for row in rows] == [point.pareto for point in answer.frontier]


def test_a_frontier_of_two_objectives_is_that_of_the_whole_space(tmp_path):
    path = tmp_path / "frontier.csv"
    assert main(["frontier", str(SMALL), "--axes", "power", "time", "-o", str(path)]) == 0
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))
    (named,) = read_requests([str(SMALL)])
    points = frontier_of(named.request, ("power", "time"))
    assert [float(row["facility_w"]) for row in rows] == [point.facility_w for point in points]
    assert len(points) > 1
    assert {row["pareto"] for row in rows} == {"yes"}


@pytest.mark.parametrize("axes", [(), ("power", "time")])
def test_all_that_fits_holds_the_frontier_of_the_whole_space(axes, answer, tmp_path):
    path = tmp_path / "all.parquet"
    assert main(["frontier", str(SMALL), "--all", *(("--axes", *axes) if axes else ()), "-o", str(path)]) == 0
    table = pd.read_parquet(path)
    (named,) = read_requests([str(SMALL)])
    points = frontier_of(named.request, axes or ("cost", "time"))
    assert len(table) > max(len(answer.frontier), len(points))
    marked = table[table["pareto"] == "yes"]
    assert list(marked["total_usd"]) == [point.cost_usd for point in points]
    assert list(marked["time_s"]) == [point.time_s for point in points]


def test_a_frontier_file_of_another_kind_or_too_long_is_refused(tmp_path, capsys, monkeypatch):
    assert main(["frontier", str(SMALL), "-o", str(tmp_path / "frontier.xls")]) == 2
    assert ".csv, .parquet" in capsys.readouterr().err
    monkeypatch.setattr(frontier, "CSV_ROWS", 3)
    assert main(["frontier", str(SMALL), "-o", str(tmp_path / "frontier.csv")]) == 2
    assert "3 rows" in capsys.readouterr().err
    assert main(["frontier", str(SMALL), "-o", str(tmp_path / "none" / "frontier.parquet")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(("language", "words"), [("en", "Fine-tune Llama 3.1 8B"), ("zh", "微调")])
def test_a_report_is_written_in_the_language_asked_for(language, words, tmp_path, answer):
    path = tmp_path / "report.html"
    assert main(["report", str(SMALL), "-o", str(path), "--lang", language, "--url", "http://127.0.0.1:8501/"]) == 0
    text = path.read_text(encoding="utf-8")
    assert words in text
    assert answer.recommendations[0].accelerator_name in text
    assert "http://127.0.0.1:8501/?v=1&amp;model=llama3.1-8b" in text


def test_a_report_of_another_option_or_of_nothing(tmp_path, capsys, answer):
    path = tmp_path / "report.html"
    assert main(["report", str(SMALL), "-o", str(path), "--rank", "2"]) == 0
    assert f"<strong>Rent {answer.recommendations[1].devices}" in path.read_text(encoding="utf-8")
    assert main(["report", str(SMALL), "-o", str(path), "--rank", "99"]) == 2
    assert "99" in capsys.readouterr().err
    asked = tmp_path / "impossible.yaml"
    asked.write_text(IMPOSSIBLE, encoding="utf-8")
    assert main(["report", str(asked), "-o", str(path)]) == 1
    assert "Nothing fits." in path.read_text(encoding="utf-8")
