"""`rackwright bill compare`: quote and bill in files, findings out, faults as sentences."""

import json

import pytest

from cli.main import main

BILL = "rank,part,catalog_id,quantity,unit_low_usd,unit_typical_usd,unit_high_usd,price_basis\n" + "\n".join(
    (
        "1,server,dgx-h100,4,250000,290000,320000,street",
        "1,cable,aoc-400,64,unknown,unknown,unknown,quote needed",
        "2,server,dgx-b200,2,1,2,3,list",
    )
)


def files(tmp_path, quote, bill=BILL):
    (tmp_path / "bill.csv").write_text(bill, encoding="utf-8-sig")
    (tmp_path / "quote.csv").write_text(quote, encoding="utf-8")
    return ["bill", "compare", str(tmp_path / "quote.csv"), "--bill", str(tmp_path / "bill.csv")]


def test_a_quote_that_agrees_exits_with_0(tmp_path, capsys):
    words = files(tmp_path, "catalog_id,quantity,unit_usd\ndgx-h100,4,300000\naoc-400,64,\n")
    assert main(words) == 0
    assert "as planned" in capsys.readouterr().out


def test_differences_exit_with_1_and_are_rows(tmp_path, capsys):
    words = files(tmp_path, "catalog_id,quantity,unit_usd\ndgx-h100,5,400000\n")
    assert main([*words, "--format", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [(row["catalog_id"], row["finding"]) for row in rows] == [
        ("dgx-h100", "surplus"),
        ("dgx-h100", "dearer"),
        ("aoc-400", "missing"),
    ]
    assert rows[1]["excess_usd"] == 5 * 80000


def test_another_option_of_the_bill(tmp_path, capsys):
    words = files(tmp_path, "catalog_id,quantity,unit_usd\ndgx-b200,2,2\n")
    assert main([*words, "--rank", "2", "--format", "csv"]) == 0
    assert "dgx-b200,as planned" in capsys.readouterr().out


def test_findings_in_chinese(tmp_path, capsys):
    words = files(tmp_path, "catalog_id,quantity,unit_usd\nx,1,1\n")
    assert main([*words, "--lang", "zh"]) == 1
    assert "清单中没有" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("quote", "said"),
    [
        ("catalog_id,quantity\na,1\n", "unit_usd is missing"),
        ("catalog_id,quantity,unit_usd\na,many,1\nb,-1,nan\n", "line 2: quantity is many"),
        ("catalog_id,quantity,unit_usd\n ,1,1\n", "line 2: catalog_id is missing"),
        ("", "catalog_id is missing"),
    ],
)
def test_a_quote_that_is_not_understood_is_said_in_one_sentence_a_fault(tmp_path, capsys, quote, said):
    assert main(files(tmp_path, quote)) == 2
    assert said in capsys.readouterr().err


def test_every_faulty_cell_is_named(tmp_path, capsys):
    assert main(files(tmp_path, "catalog_id,quantity,unit_usd\na,many,1\nb,-1,nan\n")) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_file_that_is_not_there_and_an_option_that_is_not_in_it(tmp_path, capsys):
    words = files(tmp_path, "catalog_id,quantity,unit_usd\n")
    assert main([*words, "--rank", "9"]) == 2
    assert main(["bill", "compare", "no such file.csv", "--bill", str(tmp_path / "bill.csv")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_formula_in_a_quote_stays_text(tmp_path, capsys):
    words = files(tmp_path, 'catalog_id,quantity,unit_usd\n"=HYPERLINK(1)",1,1\n')
    assert main([*words, "--format", "csv"]) == 1
    assert "'=HYPERLINK(1)" in capsys.readouterr().out
