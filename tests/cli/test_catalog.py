"""`rackwright catalog`: list, show, check and new, for people and for programs."""

import json

import pytest

from cli.main import main
from facts.yaml_files import parse_yaml
from hardware_db import load_hardware

OWN = "- {id: my-nic, name: Mine, kind: nic, port_Gbps: 800, basis: spec, sources: [data sheet]}\n- {id: dgx-h100, power_max_kW: 9.5}\n"


def output(capsys, *words: str, code: int = 0) -> str:
    assert main(["catalog", *words]) == code
    return capsys.readouterr().out


@pytest.fixture
def own(tmp_path) -> str:
    path = tmp_path / "my.yaml"
    path.write_text(OWN, encoding="utf-8")
    return str(path)


def test_the_list_has_every_entry(capsys):
    rows = json.loads(output(capsys, "list", "--format", "json"))
    known = {fact.id for fact in load_hardware().facts()}
    assert known <= {row["id"] for row in rows}
    assert rows[0].keys() == {"id", "kind", "name", "file"}


def test_the_list_can_be_cut_to_a_kind_or_a_group(capsys):
    switches = output(capsys, "list", "switch").splitlines()
    assert switches[0].split() == ["id", "kind", "name", "file"]
    assert len(switches) == 1 + len(load_hardware().switches)
    assert len(json.loads(output(capsys, "list", "accelerators", "--format", "json"))) == len(load_hardware().accelerators)


def test_an_unknown_kind_is_named_with_the_nearest(capsys):
    assert main(["catalog", "list", "swich"]) == 2
    assert "perhaps switch" in capsys.readouterr().err


def test_an_entry_is_shown_in_the_units_it_is_written_in_with_its_sources(capsys):
    text = output(capsys, "show", "qm9700")
    assert "port_Gbps: 400" in text
    assert "  typical: 36000" in text
    assert "sources:" in text
    shown = json.loads(output(capsys, "show", "qm9700", "--format", "json"))
    assert (shown["file"], shown["price_USD"]["typical"]) == ("network/parts.yaml", 36000)


def test_an_unknown_id_is_one_sentence_and_code_2(capsys):
    assert main(["catalog", "show", "qm970"]) == 2
    assert capsys.readouterr().err == "rackwright: no entry is called qm970; perhaps you mean qm9790.\n"


def test_own_entries_are_listed_and_shown(capsys, own):
    assert "my-nic" in output(capsys, "list", "nic", "--catalog", own)
    assert "power_max_kW: 9.5" in output(capsys, "show", "dgx-h100", "--catalog", own)


def test_the_packaged_catalog_passes(capsys, own):
    assert output(capsys, "check").endswith("entries, nothing wrong\n")
    assert output(capsys, "check", "--catalog", own).endswith("entries, nothing wrong\n")
    assert json.loads(output(capsys, "check", "--format", "json")) == []


def test_findings_name_file_entry_field_and_fix_and_give_code_1(capsys, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("- {id: nvidia-b200-sxm-180gb, server_id: dgx-b2000, tdp_W: 1e6}\n", encoding="utf-8")
    text = output(capsys, "check", "--catalog", str(path), code=1)
    assert text == ("wrong.yaml nvidia-b200-sxm-180gb: tdp_W is 1000000.0; a number, 5 to 40000 W is accepted.\n1 finding\n")
    path.write_text("- {id: nvidia-b200-sxm-180gb, server_id: dgx-b2000}\n- {id: dgx-b200, accelerator_ids: [b200]}\n", encoding="utf-8")
    findings = output(capsys, "check", "--catalog", str(path), code=1).splitlines()
    assert "perhaps you mean dgx-b200" in findings[0]
    assert findings[-1] == "2 findings"
    faults = json.loads(output(capsys, "check", "--catalog", str(path), "--format", "json", code=1))
    assert {fault["code"] for fault in faults} == {"catalog_dangling"}


def test_findings_in_chinese(capsys, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("- {id: dgx-b200, power_typical_kW: 99}\n", encoding="utf-8")
    assert "发现 1 个问题" in output(capsys, "check", "--catalog", str(path), "--lang", "zh", code=1)


def test_a_missing_file_is_a_finding(capsys, tmp_path):
    assert "cannot be read" in output(capsys, "check", "--catalog", str(tmp_path / "none.yaml"), code=1)


def test_a_template_reads_as_yaml(capsys):
    (entry,) = parse_yaml(output(capsys, "new", "nic"))
    assert entry["kind"] == "nic"
    assert main(["catalog", "new", "nick"]) == 2
    assert "perhaps nic" in capsys.readouterr().err


def test_a_filled_template_is_listed(capsys, tmp_path):
    """From `new` to a listed entry without touching Python."""
    text = output(capsys, "new", "nic")
    for open_line, value in (("- id:", "my-nic"), ("  name:", "Mine"), ("  port_Gbps:", "800"), ("  basis:", "spec"), ("    -", "a quote")):
        text = text.replace(f"{open_line} #", f"{open_line} {value} #")
    path = tmp_path / "my.yaml"
    path.write_text(text, encoding="utf-8")
    output(capsys, "check", "--catalog", str(path))
    assert "my-nic" in output(capsys, "list", "nic", "--catalog", str(path))
