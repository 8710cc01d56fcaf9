"""A model of one's own: as a table of layers, a weights file or a list of layers; faults are sentences and the page goes on."""

import json
import struct
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.navigation import FOLDER
from dashboard.sections.layer_table import EXAMPLES, MOST_ROWS, model_of_rows
from dashboard.sections.own_model import model_of
from facts.errors import RackwrightError
from planner.counting import parameters
from tests.model_db.test_model_files import gguf_value, llama_gguf

APP = Path(__file__).parents[2] / "app.py"
MLP = 42_014_000  # (1000*2000 + 2000) + (2000*4000 + 4000) + (4000*8000 + 8000)


def safetensors(shape=(4, 8), damage=0) -> bytes:
    size = 2 * shape[0] * shape[1]
    header = json.dumps({"w.weight": {"dtype": "BF16", "shape": shape, "data_offsets": [0, size + damage]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


@pytest.fixture
def app() -> AppTest:
    opened = AppTest.from_file(str(APP), default_timeout=60)
    opened.query_params["model"] = "llama3.1-8b"
    opened.query_params["task"] = "serving"
    opened.run()
    return opened.switch_page(str(FOLDER / "model.py")).run()


def click(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()


def went_wrong(app: AppTest) -> bool:
    return bool(app.exception) or any("went wrong" in title.value for title in app.title)


def test_the_example_table_counts_every_weight_and_bias() -> None:
    entry = model_of_rows(EXAMPLES[0].rows, EXAMPLES[0].input, "MLP")
    assert parameters(entry.architecture).total == MLP


def test_a_row_repeats_and_sizes_follow_from_the_row_before() -> None:
    rows = [{"type": "linear", "out": 10, "bias": False, "repeat": 3, "kernel": pd.NA, "in": float("nan")}]
    assert parameters(model_of_rows(rows, "10", "r").architecture).total == 300
    image = model_of_rows(EXAMPLES[1].rows, EXAMPLES[1].input, "i")
    assert parameters(image.architecture).total == (3 * 9 * 32 + 32) + 3 * (32 * 9 * 32 + 32) + (32 * 10 + 10)


@pytest.mark.parametrize(
    ("rows", "sizes", "field"),
    [
        ([{"type": None}], "", "layers[1].type"),
        ([{"type": "linear", "out": -1}], "10", "layers[1].out"),
        ([{"type": "linear", "out": 10, "repeat": 0}], "10", "layers[1].repeat"),
        ([{"type": "linear", "out": 10}], "ten", "input"),
        ([{"type": "linear", "out": 10}], "nan", "input"),
        ([{"type": "linear", "out": 10}, {"type": "linear", "in": 11, "out": 5}], "10", "layers[2].in_features"),
        ([{"type": "linear", "out": 10}] * (MOST_ROWS + 1), "10", "layers"),
        ([], "10", "layers"),
    ],
)
def test_a_fault_in_the_table_names_its_place(rows, sizes, field) -> None:
    with pytest.raises(RackwrightError) as raised:
        model_of_rows(rows, sizes, "x")
    assert raised.value.faults[0].field == field


def test_files_are_read_by_their_kind() -> None:
    assert parameters(model_of("a b.SAFETENSORS", safetensors()).architecture).total == 32
    assert parameters(model_of("cut.safetensors", safetensors()[:-10]).architecture).total == 32
    with pytest.raises(RackwrightError):
        model_of("cut.safetensors", safetensors()[:40])
    layers = b"name: mlp\ninput: 1000\nlayers:\n- linear: [1000, 2000, 4000, 8000]\n"
    entry = model_of("../../mlp.yaml", layers, "Mine")
    assert (entry.name, parameters(entry.architecture).total) == ("Mine", MLP)
    for title, content in (("x.safetensors", safetensors(damage=2)), ("x.gguf", b"GGUF\x03"), ("x.yaml", b"layers: 3"), ("x.exe", b"1")):
        with pytest.raises(RackwrightError):
            model_of(title, content)


def test_of_a_large_gguf_file_its_beginning_is_enough(tmp_path) -> None:
    """Its header holds the vocabulary: 3 MB here; of the weights after it nothing is needed."""
    small = llama_gguf(tmp_path / "small.gguf").read_bytes()
    vocabulary = [f"token {number:060d}" for number in range(48_000)]
    short, long = (gguf_value(tokens) for tokens in (["a", "b"], vocabulary))
    large = small.replace(short, long, 1)
    assert len(large) - len(small) > 3 * 2**20
    entry = model_of("large.gguf", large[:-4096], "Mine")
    assert (entry.name, entry.architecture.vocab) == ("Mine", 256)
    with pytest.raises(RackwrightError):
        model_of("large.gguf", large[: 2**20])


def test_the_table_becomes_the_model_of_the_page(app) -> None:
    app.session_state["section:layer_table"] = True
    app.run()
    click(app, "Use these layers")
    assert not went_wrong(app)
    assert app.title[0].value == r"MLP 1000\-2000\-4000\-8000"
    assert app.metric[0].value.startswith("42")
    app.text_input(key="layers:input").set_value("ten").run()
    click(app, "Use these layers")
    assert not went_wrong(app)
    assert "ten" in app.error[0].value
    click(app, "Small image classifier")
    click(app, "Use these layers")
    assert not app.error
    assert app.title[0].value == "Small image classifier"
    app.switch_page(str(FOLDER / "plan.py")).run()
    assert not went_wrong(app)  # such a model is counted, and a plan is refused in a sentence


def test_an_uploaded_weights_file_becomes_the_model_and_a_damaged_one_is_said(app) -> None:
    app.session_state["section:own_model"] = True
    app.run()
    app.file_uploader(key="own_model:file:0").upload("tiny.safetensors", safetensors(damage=2), "application/octet-stream").run()
    click(app, "Use this model")
    assert not went_wrong(app)
    assert app.error
    app.file_uploader(key="own_model:file:1").upload("tiny.safetensors", safetensors(), "application/octet-stream").run()
    click(app, "Use this model")
    assert not went_wrong(app)
    assert not app.error
    assert app.title[0].value.startswith("tiny")
