"""`rackwright model`: the list, one model from wherever it comes, for people and for programs."""

import io
import json
import struct
import sys
from pathlib import Path

import pytest

from cli.main import main
from tests.model_db import small_llama

ROOT = Path(__file__).parent.parent.parent
LLAMA = small_llama.LLAMA | {"max_position_embeddings": 512}
LLAMA_TOTAL = 2 * 64 * 1000 + 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96)


def printed(capsys, *words):
    assert main(["model", *words]) == 0
    return capsys.readouterr().out


def shown(capsys, source, *words):
    return json.loads(printed(capsys, "show", str(source), "--format", "json", *words))


def refused(capsys, *words):
    assert main(["model", *words]) == 2
    return capsys.readouterr().err


def test_the_list_names_every_model_with_its_parameters(capsys):
    table = printed(capsys, "list")
    assert "llama3.1-405b" in table
    assert "405,853,388,800" in table
    rows = json.loads(printed(capsys, "list", "--format", "json"))
    assert len(rows) == len(table.splitlines())
    assert {"id", "kind", "parameters", "name"} == set(rows[0])


def test_json_has_the_figures_under_fixed_names(capsys):
    figures = shown(capsys, "llama3.1-8b")
    assert set(figures["parameters"]) == {"total", "active", "by_component"}
    assert figures["parameters"]["total"] == 8_030_261_248
    assert sum(figures["parameters"]["by_component"].values()) == 8_030_261_248
    assert figures["kv_cache_bytes_per_token"] == 131_072
    assert figures["weight_bytes"]["bf16"] == 16_060_522_496
    assert figures["flops_per_token"] == pytest.approx(16.08e9, rel=1e-3)
    assert figures["context"] == 4096


def test_numbers_in_json_are_whole_where_they_are_exact(capsys):
    figures = shown(capsys, "deepseek-v3")
    assert all(isinstance(size, int) for size in figures["weight_bytes"].values())
    assert isinstance(figures["flops_per_token"], int)


@pytest.mark.parametrize("name", ["meta-llama/Llama-3.1-8B", "LLAMA3.1-8B", "llama-3.1-8b", "Llama 3.1 8B"])
def test_a_model_is_found_under_its_other_names(capsys, name):
    assert shown(capsys, name)["id"] == "llama3.1-8b"


def test_the_sheet_says_parameters_bytes_and_where_they_come_from(capsys):
    sheet = printed(capsys, "show", "deepseek-v3")
    for text in ("671,026,419,200", "36,625,618,432", "routed experts", "weights in fp8_block", "source: "):
        assert text in sheet


def test_the_sheet_in_chinese(capsys):
    assert main(["--lang", "zh", "model", "show", "llama3.1-8b"]) == 0
    assert "参数" in capsys.readouterr().out


def test_the_context_and_the_cache_format_are_options(capsys):
    long = shown(capsys, "gemma3-27b", "--context", "131072", "--kv-bits", "8")
    assert long["kv_cache_bytes_per_token"] == 81_920 / 2
    assert long["kv_cache_bytes"] == (81_920 * 131_072 + 416 * 2**20) / 2
    assert long["flops_per_token"] > shown(capsys, "gemma3-27b")["flops_per_token"]


@pytest.mark.parametrize("words", [["--context", "0"], ["--context", "many"], ["--kv-bits", "3"], ["--format", "xml"]])
def test_options_out_of_range_are_refused(capsys, words):
    with pytest.raises(SystemExit) as exit_code:
        main(["model", "show", "llama3.1-8b", *words])
    assert exit_code.value.code == 2
    assert capsys.readouterr().err


def test_image_models_have_work_a_sample(capsys):
    figures = shown(capsys, "resnet-50")
    assert figures["flops_per_token"] is None
    assert figures["flops_per_sample"] == pytest.approx(8.18e9, rel=1e-3)
    assert "FLOPs per sample" in printed(capsys, "show", "resnet-50")


def test_a_configuration_file(capsys, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA))
    figures = shown(capsys, path)
    assert figures["parameters"]["total"] == LLAMA_TOTAL
    assert figures["context"] == 512
    assert not figures["mapped_by_fields"]


def test_a_configuration_from_standard_input(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(LLAMA).encode())))
    assert shown(capsys, "-")["parameters"]["total"] == LLAMA_TOTAL


@pytest.mark.parametrize(("name", "total"), [("mlp.yaml", 42_014_000), ("resnet152.yaml", 60_192_808)])
def test_a_list_of_layers(capsys, name, total):
    assert shown(capsys, ROOT / "examples" / "models" / name)["parameters"]["total"] == total


def safetensors(path):
    header = json.dumps({"a.weight": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))


def test_a_file_of_weights_and_a_directory(capsys, tmp_path):
    safetensors(tmp_path / "model.safetensors")
    figures = shown(capsys, tmp_path / "model.safetensors")
    assert figures["parameters"]["total"] == 32
    assert figures["stored_bytes"] == {"BF16": 64}
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    assert shown(capsys, tmp_path)["parameters"]["total"] == LLAMA_TOTAL


def test_a_gguf_file(capsys, tmp_path):
    name = struct.pack("<Q", 8) + b"a.weight"
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + name + struct.pack("<IQQIQ", 2, 32, 4, 8, 0)
    (tmp_path / "m.gguf").write_bytes(head + bytes(4 * 34))
    figures = shown(capsys, tmp_path / "m.gguf")
    assert figures["parameters"]["total"] == 128
    assert figures["stored_bytes"] == {"Q8_0": 136}


def test_own_models_on_top_of_the_catalog(capsys, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        "models: [{id: mine, name: Mine, family: llama, kind: decoder, source: me, "
        "decoder: {layers: 2, hidden: 64, heads: 4, kv_heads: 2, head_dim: 16, ffn_dim: 96, vocab: 1000}}]"
    )
    assert shown(capsys, "mine", "--models", str(own))["parameters"]["total"] == LLAMA_TOTAL
    assert "mine" in printed(capsys, "list", "--models", str(own))


def test_an_unknown_model_names_those_like_it(capsys):
    assert "llama3.1-8b" in refused(capsys, "show", "llama3.1-9b")


def test_a_file_that_is_not_there(capsys, tmp_path):
    assert "nothing.json" in refused(capsys, "show", str(tmp_path / "nothing.json"))


def test_a_damaged_file_is_a_sentence(capsys, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(struct.pack("<Q", 2**60))
    assert "damaged" in refused(capsys, "show", str(tmp_path / "bad.safetensors"))


def test_a_configuration_with_what_is_missing_is_a_sentence(capsys, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "novel"}')
    assert "num_hidden_layers" in refused(capsys, "show", str(tmp_path / "config.json"))


def test_a_hub_name_without_the_library_is_a_sentence(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "huggingface_hub" in refused(capsys, "show", "nobody/nothing")
