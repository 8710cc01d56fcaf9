"""Weights files and directories: shapes and formats from headers, which may be hostile; names on the hub."""

import json
import os
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facts.errors import RackwrightError
from model_db.model_files import read_model
from model_db.model_files.gguf import read_gguf_header
from model_db.model_files.hub import hub_config
from model_db.model_files.safetensors import read_safetensors_header
from planner.counting import parameters
from tests.model_db import small_llama

ROOT = Path(__file__).parent.parent.parent
LLAMA = small_llama.LLAMA | {"vocab_size": 256}
FORMS = {"BF16": 2, "F32": 4, "F8_E4M3": 1, "I32": 4}


def counted(architecture):
    return parameters(architecture).total


def read(path):
    return read_model(path, counted)


def safetensors(path, tensors, header=None, data=None):
    """Write a file with these (name, format, shape); `header` or `data` replace what would be right."""
    entries, offset = {}, 0
    for name, form, shape in tensors:
        size = FORMS[form]
        for length in shape:
            size *= length
        entries[name] = {"dtype": form, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    content = json.dumps(entries if header is None else header).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content + bytes(offset if data is None else data))
    return path


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def gguf_value(value):
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(item) for item in value)
    return struct.pack("<II", 4, value)


def gguf(path, metadata, tensors):
    """Write a GGUF file with (name, type number, shape innermost first, bytes)."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += text(key) + gguf_value(value)
    offset = 0
    for name, kind, shape, size in tensors:
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", kind, offset)
        offset += size
    path.write_bytes(head + bytes(offset))
    return path


def llama_gguf(path, *, layers=2, hidden=64, ffn=96, vocab=256, kind=1, size=2, extra=()):
    kv = hidden // 2
    tensors = [("token_embd.weight", (hidden, vocab)), ("output_norm.weight", (hidden,)), ("output.weight", (hidden, vocab))]
    for i in range(layers):
        b = f"blk.{i}."
        tensors += [(b + "attn_norm.weight", (hidden,)), (b + "ffn_norm.weight", (hidden,))]
        tensors += [(b + "attn_q.weight", (hidden, hidden)), (b + "attn_k.weight", (hidden, kv)), (b + "attn_v.weight", (hidden, kv))]
        tensors += [(b + "attn_output.weight", (hidden, hidden)), (b + "ffn_gate.weight", (hidden, ffn))]
        tensors += [(b + "ffn_up.weight", (hidden, ffn)), (b + "ffn_down.weight", (ffn, hidden))]
    tensors += list(extra)
    stored = []
    for name, shape in tensors:
        elements = shape[0] * (shape[1] if len(shape) > 1 else 1)
        one = len(shape) == 1
        stored.append((name, 0 if one else kind, shape, elements * (4 if one else size)))
    metadata = {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "llama.block_count": layers,
        "llama.embedding_length": hidden,
        "llama.feed_forward_length": ffn,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.context_length": 512,
        "tokenizer.ggml.tokens": ["a", "b"],
    }
    return gguf(path, metadata, stored)


def test_the_header_of_a_safetensors_file_gives_shapes_and_bytes_by_format(tmp_path):
    tensors = [("embed.weight", "BF16", (100, 8)), ("layer.0.weight", "F8_E4M3", (16, 8)), ("layer.0.scale", "F32", (1,))]
    table = read_safetensors_header(safetensors(tmp_path / "a.safetensors", tensors))
    assert table.elements == 800 + 128 + 1
    assert table.bytes_by_format() == {"BF16": 1600, "F8_E4M3": 128, "F32": 4}
    entry = read(tmp_path / "a.safetensors")
    assert parameters(entry.architecture).total == 929
    assert parameters(entry.architecture).active == 129


def test_one_file_of_several_says_so(tmp_path):
    path = safetensors(tmp_path / "model-00002-of-00003.safetensors", [("a.weight", "BF16", (4, 4))])
    assert "file 2 of 3" in read(path).notes[0]


def test_the_weights_are_not_read(tmp_path):
    """A header may describe far more than memory holds: the file here has no blocks on disk."""
    path = tmp_path / "sparse.safetensors"
    size = 2 * 10**11
    header = json.dumps({"w.weight": {"dtype": "BF16", "shape": [10**6, 10**5], "data_offsets": [0, size]}}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + size)
    assert parameters(read(path).architecture).total == 10**11


def entry_of(form="BF16", shape=(4, 4), offsets=(0, 32)):
    return {"dtype": form, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry_of(offsets=(0, 31))},
        {"a": entry_of(offsets=(1, 33))},
        {"a": entry_of(), "b": entry_of()},
        {"a": entry_of(), "b": entry_of(offsets=(16, 48))},
        {"a": entry_of(offsets=(32, 0))},
        {"a": entry_of(offsets=(-32, 0))},
        {"a": entry_of(offsets=(0, 2**70))},
        {"a": entry_of(offsets=(0,))},
        {"a": entry_of(form="F5")},
        {"a": entry_of(form=7)},
        {"a": entry_of(shape=[4, -4])},
        {"a": entry_of(shape=[4, 4.0])},
        {"a": entry_of(shape=[2**40, 2**40])},
        {"a": entry_of(shape=[1] * 9)},
        {"a": entry_of(shape="4")},
        {"a": 5},
        {"a": {}},
    ],
)
def test_a_header_that_does_not_fit_the_file_is_refused(tmp_path, header):
    with pytest.raises(RackwrightError) as raised:
        read_safetensors_header(safetensors(tmp_path / "bad.safetensors", [], header=header, data=32))
    assert raised.value.faults[0].code == "model_file_damaged"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "model_file_damaged"),
        (b"\x01\x02", "model_file_damaged"),
        (struct.pack("<Q", 2**60), "model_file_damaged"),
        (struct.pack("<Q", 2**60) + b"{}", "model_file_damaged"),
        (struct.pack("<Q", 100) + b"{}", "model_file_damaged"),
        (struct.pack("<Q", 2) + b"{}" + b"x", "model_file_damaged"),
        (struct.pack("<Q", 1) + b"{", "json_syntax"),
        (struct.pack("<Q", 2) + b"\xff\xff", "json_syntax"),
        (struct.pack("<Q", 2) + b"[]", "not_a_mapping"),
        (struct.pack("<Q", 200_000) + b"[" * 200_000, "json_syntax"),
    ],
)
def test_a_truncated_or_foreign_file_is_refused(tmp_path, content, code):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(RackwrightError) as raised:
        read(path)
    assert raised.value.faults[0].code == code


def test_too_many_tensors_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("model_db.model_files.safetensors.MOST_TENSORS", 10)
    monkeypatch.setattr("model_db.model_files.gguf.MOST_TENSORS", 10)
    many = [(f"t{i}", "BF16", (1,)) for i in range(11)]
    with pytest.raises(RackwrightError):
        read(safetensors(tmp_path / "many.safetensors", many))
    with pytest.raises(RackwrightError):
        read(gguf(tmp_path / "many.gguf", {}, [(name, 1, (1,), 2) for name, _, _ in many]))


@given(content=st.binary(max_size=300), length=st.none() | st.integers(0, 2**64 - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path, content, length):
    head = b"" if length is None else struct.pack("<Q", length)
    for name, start in (("f.safetensors", head), ("f.gguf", b"GGUF" + struct.pack("<I", 3))):
        path = tmp_path / name
        path.write_bytes(start + content)
        try:
            read(path)
        except RackwrightError as error:
            assert error.faults


NAMES = st.text(max_size=6)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*FORMS, "F4", "?"]),
        "shape": st.lists(st.integers(-1, 40), max_size=4),
        "data_offsets": st.lists(st.integers(-1, 64), min_size=1, max_size=3),
    }
)


@given(header=st.dictionaries(NAMES, ENTRIES | st.none() | st.integers(), max_size=4), data=st.integers(0, 64))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_header_is_read_or_refused(tmp_path, header, data):
    path = safetensors(tmp_path / "h.safetensors", [], header=header, data=data)
    try:
        entry = read(path)
    except RackwrightError as error:
        assert error.faults
    else:
        assert sum(entry.stored_bytes_by_format.values()) == data


def test_a_gguf_file_of_a_known_model_is_an_architecture(tmp_path):
    entry = read(llama_gguf(tmp_path / "tiny.gguf"))
    expected = 2 * 64 * 256 + 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96)
    assert parameters(entry.architecture).total == expected
    assert entry.name == "Tiny"
    assert entry.max_context == 512
    assert entry.architecture.stacks[0].name == "text"
    assert entry.stored_bytes_by_format == {"F16": 2 * (expected - 5 * 64), "F32": 4 * 5 * 64}


def test_blocks_of_a_quantised_gguf_are_counted_with_their_scales(tmp_path):
    """Q4_0: 18 bytes hold 32 weights."""
    table = read_gguf_header(gguf(tmp_path / "q.gguf", {}, [("a.weight", 2, (64, 10), 360)])).table
    assert (table.elements, table.stored_bytes) == (640, 360)


def test_metadata_that_does_not_fit_the_tensors_is_not_believed(tmp_path):
    entry = read(llama_gguf(tmp_path / "odd.gguf", extra=[("blk.0.extra.weight", (64, 64))]))
    assert entry.architecture.stacks[0].name == "tensors"
    assert "parameters, its tensors" in entry.notes[0]


def test_a_gguf_file_of_an_unknown_model_is_its_tensors(tmp_path):
    entry = read(gguf(tmp_path / "x.gguf", {"general.architecture": "novel"}, [("a.weight", 1, (4, 4), 32)]))
    assert parameters(entry.architecture).total == 16


def damaged(path, content):
    path.write_bytes(content)
    with pytest.raises(RackwrightError) as raised:
        read_gguf_header(path)
    return raised.value.faults[0].code


@pytest.mark.parametrize(
    "content",
    [
        b"GG",
        b"JUNKJUNKJUNK",
        b"GGUF" + struct.pack("<I", 99),
        b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**60),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<I", 77),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 8, 2**60),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 9, 1) * 10,
        b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<I", 200),
        b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<IQQIQ", 2, 2**50, 2**50, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<IQIQ", 1, 4, 99, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<IQIQ", 1, 33, 2, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<IQIQ", 1, 4, 0, 2**62),
    ],
)
def test_a_damaged_gguf_file_is_refused(tmp_path, content):
    assert damaged(tmp_path / "bad.gguf", content) == "model_file_damaged"


def test_every_prefix_of_a_gguf_file_is_refused(tmp_path):
    whole = llama_gguf(tmp_path / "whole.gguf", layers=1).read_bytes()
    header = len(whole) - 4 * 3 * 64 - 2 * (2 * 64 * 256 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96)
    for end in range(0, header, 97):
        assert damaged(tmp_path / "cut.gguf", whole[:end]) == "model_file_damaged"


def directory(path, config=LLAMA, shards=1):
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    entry = read(path / "config.json")
    total = parameters(entry.architecture).total
    parts = [total // shards] * (shards - 1)
    parts.append(total - sum(parts))
    for number, elements in enumerate(parts, 1):
        safetensors(path / f"model-{number:05}-of-{shards:05}.safetensors", [(f"part{number}", "BF16", (elements,))])
    return path, total


def test_a_directory_is_its_configuration_with_the_bytes_of_its_files(tmp_path):
    path, total = directory(tmp_path / "m", shards=3)
    entry = read(path)
    assert parameters(entry.architecture).total == total
    assert entry.stored_bytes_by_format == {"BF16": 2 * total}
    assert entry.name == "m"


def test_a_directory_whose_files_hold_something_else_says_so(tmp_path):
    path, total = directory(tmp_path / "m")
    safetensors(path / "more.safetensors", [("scales", "F32", (7,))])
    assert any(str(total + 7) in note for note in read(path).notes)


def test_the_index_says_which_files_are_the_model(tmp_path):
    path, total = directory(tmp_path / "m")
    safetensors(path / "adapter.safetensors", [("lora", "F32", (7,))])
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"part1": "model-00001-of-00001.safetensors"}}))
    assert read(path).stored_bytes_by_format == {"BF16": 2 * total}


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/b.safetensors"])
def test_an_index_cannot_lead_out_of_its_directory(tmp_path, name):
    path, _ = directory(tmp_path / "m")
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(RackwrightError) as raised:
        read(path)
    assert raised.value.faults[0].field == "weight_map"


def test_quantisation_stated_beside_the_configuration_is_found(tmp_path):
    path, _ = directory(tmp_path / "m")
    (path / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "NVFP4"}}))
    assert read(path).native_weight_format == "nvfp4"


def test_a_directory_of_weights_alone_is_its_tensors(tmp_path):
    safetensors(tmp_path / "w.safetensors", [("a.weight", "BF16", (4, 4))])
    assert parameters(read(tmp_path).architecture).total == 16


def test_a_directory_of_one_gguf_file_is_that_file(tmp_path):
    assert read(llama_gguf(tmp_path / "tiny.gguf").parent).name == "Tiny"


def test_an_empty_directory_says_what_it_needs(tmp_path):
    with pytest.raises(RackwrightError) as raised:
        read(tmp_path)
    assert raised.value.faults[0].code == "model_directory_empty"


def test_files_of_other_kinds_and_missing_ones_are_refused(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(RackwrightError) as raised:
        read(tmp_path / "a.bin")
    assert raised.value.faults[0].code == "model_file_kind"
    with pytest.raises(RackwrightError) as raised:
        read(tmp_path / "missing.json")
    assert raised.value.faults[0].code == "file_unreadable"


def test_a_layer_list_is_a_model_with_its_name(tmp_path):
    (tmp_path / "mlp.yaml").write_text("{name: Small, input: 4, layers: [{linear: 2}]}")
    entry = read(tmp_path / "mlp.yaml")
    assert (entry.name, parameters(entry.architecture).total) == ("Small", 10)


@pytest.mark.parametrize("name", ["plain", "a/b/c", "../x", "a/.." + "/b", "x/" + "y" * 300])
def test_a_name_that_no_hub_model_has_is_refused_without_a_connection(name):
    with pytest.raises(RackwrightError) as raised:
        hub_config(name)
    assert raised.value.faults[0].code == "wrong_form"


def test_without_the_library_a_hub_name_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RackwrightError) as raised:
        hub_config("meta/llama")
    assert raised.value.faults[0].code == "hub_not_installed"


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as one download needs."""

    content = json.dumps(LLAMA).encode()

    def do_HEAD(self):
        if "/known/" in self.path:
            self.send_response(200)
            self.send_header("ETag", '"0123456789abcdef0123456789abcdef01234567"')
            self.send_header("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567")
            self.send_header("Content-Length", str(len(self.content)))
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        if "/known/" in self.path:
            self.wfile.write(self.content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    pytest.importorskip("huggingface_hub")
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


ASK = """
import sys
from facts.errors import RackwrightError
from model_db.model_files.hub import hub_config
try:
    sys.stdout.write(hub_config(sys.argv[1], 3).decode())
except RackwrightError as error:
    sys.stdout.write(error.faults[0].code)
"""


def asked(port, name, home):
    """What a process answers whose hub is the stand-in: the library reads its address once, when it is imported."""
    own = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    environment = {**own, "HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ASK, name]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True).stdout


def test_a_configuration_comes_from_the_hub(hub, tmp_path):
    assert json.loads(asked(hub.server_port, "known/model", tmp_path)) == LLAMA


def test_a_model_that_the_hub_does_not_have(hub, tmp_path):
    assert asked(hub.server_port, "nobody/nothing", tmp_path) == "hub_unknown_model"


def test_a_hub_out_of_reach_is_said(hub, tmp_path):
    port = hub.server_port
    hub.shutdown()
    hub.server_close()
    assert asked(port, "known/model", tmp_path) == "hub_out_of_reach"
