"""Bring a model as a table of layers, one row a layer; sizes that follow from the row before are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from dashboard.bringing import bring, said
from dashboard.language import say
from facts.errors import Fault, RackwrightError
from facts.yaml_files import Yaml
from model_db import ModelEntry
from model_db.layer_list import layer_list_architecture
from texts.translations import mark

MOST_ROWS = 200
MOST_SIZE = 1_000_000_000
MOST_REPEATS = 1_000
WHERE = "table"

Row = Mapping[str, object]

SIZES: dict[str, dict[str, str]] = {  # type of a layer: column, and what the layer calls it
    "linear": {"in": "in_features", "out": "out_features"},
    "conv2d": {"in": "in_channels", "out": "out_channels", "kernel": "kernel", "stride": "stride", "padding": "padding"},
    "embedding": {"in": "rows", "out": "dim"},
    "attention": {"in": "hidden", "heads": "heads"},
    "lstm": {"in": "in_features", "out": "hidden"},
    "layernorm": {"in": "dim"},
    "rmsnorm": {"in": "dim"},
    "batchnorm": {"in": "dim"},
    "pool": {"kernel": "kernel", "stride": "stride", "padding": "padding"},
    "globalpool": {},
    "flatten": {},
    "activation": {},
}
BIASED = ("linear", "conv2d", "attention")
NUMBERS = {  # column, its label
    "in": mark("In"),
    "out": mark("Out"),
    "kernel": mark("Kernel"),
    "stride": mark("Stride"),
    "padding": mark("Padding"),
    "heads": mark("Heads"),
    "repeat": mark("Repeat"),
}


@dataclass(frozen=True, slots=True)
class Example:
    """A table to start from."""

    name: str
    input: str
    rows: tuple[Row, ...]


EXAMPLES = (
    Example(
        mark("MLP 1000-2000-4000-8000"),
        "1000",
        tuple({"type": "linear", "out": size, "bias": True, "repeat": 1} for size in (2000, 4000, 8000)),
    ),
    Example(
        mark("Small image classifier"),
        "3, 32, 32",
        (
            {"type": "conv2d", "out": 32, "kernel": 3, "padding": 1, "bias": True, "repeat": 1},
            {"type": "conv2d", "out": 32, "kernel": 3, "padding": 1, "bias": True, "repeat": 3},
            {"type": "globalpool", "repeat": 1},
            {"type": "linear", "out": 10, "bias": True, "repeat": 1},
        ),
    ),
)


def layer_table() -> None:
    """The section on the page; what is wrong with a row is said under the table."""
    box = st.expander(say("Build a model as a table of layers"), key="section:layer_table", on_change="rerun")
    if not box.open:
        return
    with box:
        st.session_state.setdefault("layers:name", say(EXAMPLES[0].name))
        st.session_state.setdefault("layers:input", EXAMPLES[0].input)
        st.session_state.setdefault("layers:turn", 0)
        with st.container(horizontal=True, gap="small"):
            for number, example in enumerate(EXAMPLES):
                st.button(say(example.name), key=f"layers:example:{number}", on_click=_start, args=(example,))
        name = st.text_input(say("Name"), max_chars=60, key="layers:name", persist_state="session")
        sizes = st.text_input(
            say("Input"),
            max_chars=60,
            key="layers:input",
            persist_state="session",
            help=say("Features, or channels and the grid, as 3, 224, 224. Left empty, every layer states its own sizes."),
        )
        key = f"layers:table:{st.session_state['layers:turn']}"
        if key not in st.session_state:  # shown anew: from what was edited last
            st.session_state["layers:base"] = st.session_state.get("layers:edited", _frame(EXAMPLES[0].rows))
        edited = st.data_editor(st.session_state["layers:base"], key=key, num_rows="dynamic", hide_index=True, column_config=_columns())
        st.session_state["layers:edited"] = edited
        rows = [{str(column): cell for column, cell in row.items()} for row in edited.to_dict("records")]
        st.button(say("Use these layers"), on_click=_use, args=(rows, sizes, name))
        said("layers")


def model_of_rows(rows: Sequence[Row], sizes: str, name: str) -> ModelEntry:
    """The model that `rows` describe. Raises `RackwrightError` with the row of a layer at fault."""
    if len(rows) > MOST_ROWS:
        raise RackwrightError(Fault("layer_list", WHERE, "layers", str(len(rows)), f"<= {MOST_ROWS}"))
    document: dict[str, Yaml] = {"layers": [_layer(row, number) for number, row in enumerate(rows, 1)]}
    if sizes.strip():
        document["input"] = [_whole(size.strip(), "input") for size in sizes.split(",")]
    architecture = layer_list_architecture(document, WHERE)
    return ModelEntry(id="layers", name=name, family="layers", kind="layers", architecture=architecture, source="")


def _layer(row: Row, number: int) -> Yaml:
    """One row as an entry of a layer list; a cell that its type does not have is left aside."""
    kind = row.get("type")
    if not isinstance(kind, str) or kind not in SIZES:
        raise RackwrightError(Fault("layer_list", WHERE, f"layers[{number}].type", str(_cell(kind) or "–"), ", ".join(SIZES)))
    fields: dict[str, Yaml] = {"type": kind}
    for column, field in SIZES[kind].items():
        value = _cell(row.get(column))
        if value is not None:
            fields[field] = _whole(value, f"layers[{number}].{column}")
    if kind in BIASED and isinstance(row.get("bias"), bool):
        fields["bias"] = bool(row["bias"])
    repeats = _cell(row.get("repeat"))
    times = 1 if repeats is None else _whole(repeats, f"layers[{number}].repeat")
    if not 1 <= times <= MOST_REPEATS:
        raise RackwrightError(Fault("layer_list", WHERE, f"layers[{number}].repeat", str(times), f"1 to {MOST_REPEATS}"))
    return fields if times == 1 else {"repeat": times, "layers": [fields]}


def _cell(value: object) -> object:
    """`value`, or None for a cell left empty, whichever way the table says so."""
    return None if value is None or value is pd.NA or value != value else value  # noqa: PLR0124 not-a-number


def _whole(value: object, field: str) -> int:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not number.is_integer() or not 0 <= number <= MOST_SIZE:
        raise RackwrightError(Fault("layer_list", WHERE, field, str(value)[:40], f"0 to {MOST_SIZE}"))
    return int(number)


def _frame(rows: Sequence[Row]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=["type", *NUMBERS, "bias"])
    return frame.astype({"type": "object", **dict.fromkeys(NUMBERS, "Int64"), "bias": "boolean"})


def _columns() -> dict[str, ColumnConfig | str | None]:
    numbers: dict[str, ColumnConfig | str | None] = {
        column: st.column_config.NumberColumn(
            say(label), min_value=0, max_value=MOST_REPEATS if column == "repeat" else MOST_SIZE, step=1, width="small"
        )
        for column, label in NUMBERS.items()
    }
    return {
        "type": st.column_config.SelectboxColumn(say("Layer"), options=list(SIZES), required=True),
        **numbers,
        "bias": st.column_config.CheckboxColumn(say("Bias"), default=True, width="small"),
    }


def _start(example: Example) -> None:
    """Begin again from `example` (from a callback)."""
    st.session_state["layers:name"] = say(example.name)
    st.session_state["layers:input"] = example.input
    st.session_state["layers:edited"] = _frame(example.rows)
    st.session_state["layers:turn"] += 1


def _use(rows: Sequence[Row], sizes: str, name: str) -> None:
    bring("layers", lambda: model_of_rows(rows, sizes, name.strip() or say("My model")))
