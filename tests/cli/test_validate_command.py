import csv
import io
import json

import pytest

from cli.main import main
from measurements import measured_runs


@pytest.fixture
def table(tmp_path):
    lines = measured_runs("training_published").decode().splitlines()
    file = tmp_path / "runs.csv"
    file.write_text("\n".join(lines[:8]).replace("Nemotron_3_5_Lightning", "Nobodys_Model") + "\n")
    return str(file)


def test_json_has_the_documented_keys(table, capsys):
    assert main(["validate", table, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"kind", "rows", "answered", "unanswered", "slices"}
    assert report["kind"] == "training-published"
    assert set(report["slices"][0]) == {
        "quantity", "by", "key", "n", "median_ape_pct", "p90_ape_pct", "median_bias_pct", "interval80_coverage_pct"
    }  # fmt: skip


def test_csv_gives_every_row_with_its_prediction(table, capsys):
    assert main(["validate", table, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len({row["row_id"] for row in rows}) == 7
    assert all(row["reason"] or float(row["predicted"]) > 0 for row in rows)


def test_the_table_says_how_many_rows_were_predicted(table, capsys):
    assert main(["validate", table]) == 0
    assert capsys.readouterr().out.startswith("training-published: 6 of 7 rows predicted (not: unknown_model 1)")


def test_formulas_of_a_hostile_file_do_not_reach_a_spreadsheet(tmp_path, capsys):
    file = tmp_path / "runs.csv"
    file.write_text("row_id,model,n_acc,seq_len,tokens_per_s_per_acc\n=cmd|' /C calc'!A0,x,8,2048,100\n")
    assert main(["validate", str(file), "--format", "csv"]) == 0
    assert "\n'=cmd" in capsys.readouterr().out


def test_cells_that_were_blank_stay_blank(tmp_path, capsys):
    file = tmp_path / "runs.csv"
    file.write_text("row_id,model,n_acc,seq_len,tp,tokens_per_s_per_acc\na,x,8,2048,,100\n")
    assert main(["validate", str(file), "--format", "csv"]) == 0
    assert "\na,x,8,2048,,100," in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"a,a\n"])
def test_a_file_that_is_no_table_of_runs_is_refused_in_one_sentence(tmp_path, capsys, content):
    file = tmp_path / "runs.csv"
    file.write_bytes(content)
    assert main(["validate", str(file)]) == 2
    assert capsys.readouterr().err.startswith("rackwright: ")


def test_a_missing_file_is_refused_in_one_sentence(tmp_path, capsys):
    assert main(["validate", str(tmp_path / "none.csv")]) == 2
    assert "cannot be read" in capsys.readouterr().err
