"""Rows of `serving_latency.csv` (fixed concurrency, aggregated or disaggregated) as serving runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from planner.library import Library
from planner.search.columns import KV_PRECISIONS, PRECISIONS
from planner.validation.names import precision_index
from planner.validation.prediction import Prediction
from planner.validation.rows import text_cell
from planner.validation.serving_names import deployment_settings, served_model, serving_accelerator
from planner.validation.serving_runs import Layout, Quantity, ServingRun, UnpredictableError, degree_cell, positive_cell, predictions

_BF16 = PRECISIONS.index("bf16")
_NO_LOAD = "no_load"
_DRAWN_LENGTH = 0.9  # InferenceX draws lengths uniformly from 0.8 to 1.0 of the stated ones
_REQUESTS_PER_CLIENT = 10  # of one InferenceX run


def serving_latency_run(position: int, row: Mapping[str, str], library: Library) -> ServingRun:
    """The run of a row. Raises `UnpredictableError` with the first thing that is missing."""
    model, chip = served_model(text_cell(row, "model"), library), serving_accelerator(text_cell(row, "system"), library)
    precision = precision_index(text_cell(row, "precision"))
    precision = _BF16 if precision is None else precision
    split = text_cell(row, "mode") == "disagg"
    decode, prefill = _layout(row, "decode_" if split else ""), _layout(row, "prefill_") if split else None
    clients = positive_cell(row, "concurrency")
    if clients is None:
        batch = positive_cell(row, "decode_batch_size" if split else "batch_size")
        clients = None if batch is None else batch * decode.replicas * (1 if split else decode.attention_dp)
    lengths = positive_cell(row, "isl"), positive_cell(row, "osl")
    if clients is None or lengths[0] is None or lengths[1] is None:
        raise UnpredictableError(_NO_LOAD)
    drawn = text_cell(row, "origin").lower().startswith("inferencex")
    harness = "inferencex" if drawn else "aiconfigurator"
    share = _DRAWN_LENGTH if drawn else 1.0
    engine = text_cell(row, "framework").lower()
    cells: tuple[tuple[Quantity, str], ...] = (("ttft_s", "ttft_ms"), ("tpot_s", "tpot_ms"))
    values = {quantity: positive_cell(row, cell) for quantity, cell in cells}
    measured = {quantity: value * 1e-3 for quantity, value in values.items() if value}
    return ServingRun(
        row=position,
        row_id=text_cell(row, "row_id"),
        model=model,
        architecture=library.models[model].architecture,
        accelerator=chip,
        precision=precision,
        kv_precision=KV_PRECISIONS.index("bf16" if precision == _BF16 else "fp8"),
        engine=engine,
        regime="closed",
        decode=decode,
        prefill=prefill,
        input_tokens=share * lengths[0],
        output_tokens=share * lengths[1],
        clients=clients,
        harness=harness,
        burst=1.0 / _REQUESTS_PER_CLIENT,
        same_length=not drawn,
        settings=_settings(row, engine, (model, chip, PRECISIONS[precision]), decode, clients) if drawn and not split else {},
        measured=measured,
        slices=(
            ("source", harness),
            ("framework", engine),
            ("mode", "disaggregated" if split else "aggregated"),
            ("regime", "closed loop"),
        ),
    )


def _layout(row: Mapping[str, str], prefix: str) -> Layout:
    """Degrees of a pool; devices = tp pp attention_dp, expert degrees lie inside."""

    def degree(name: str) -> int:
        return degree_cell(row, prefix + name) or 1

    return Layout(degree("tp_size"), degree("pp_size"), degree("moe_ep_size"), degree("attention_dp_size"), degree("num_workers"))


def _settings(row: Mapping[str, str], engine: str, names: tuple[str, str, str], layout: Layout, clients: float) -> dict[str, float]:
    """What InferenceX sets on the servers of one pool."""
    lengths = f"{text_cell(row, 'isl')}/{text_cell(row, 'osl')}"
    description = f"{engine} {' '.join(names)} tp{layout.tp} dp{layout.attention_dp} {lengths} {text_cell(row, 'measured')}"
    return deployment_settings(description, clients)


def predict(rows: Iterable[Mapping[str, str]], library: Library) -> Iterator[Prediction]:
    """Predictions of all rows; a row gives one for each quantity it measured."""
    yield from predictions(rows, library, serving_latency_run)
