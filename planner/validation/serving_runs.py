"""Measured serving runs as the model sees them, and what it predicts for many of them at once.

A `ServingRun` is one row of a results table, understood; a `Bench` holds runs prepared as columns, one group for each
model, engine and regime, so that calibration can evaluate them again and again with other parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hardware_db import Hardware
from measurements.engine_kernels import engine_kernels
from measurements.serving_fit import Client, ServingFit, serving_priors
from model_db.architecture import Architecture
from planner.cluster.platform import Platforms, platforms
from planner.library import Library
from planner.memory.engines import serving_recipe
from planner.memory.serving import serving_memory
from planner.performance.disaggregation import Pools, disaggregated_loop
from planner.performance.serving_demand import ServingDemand, serving_demand
from planner.performance.serving_efficiency import MeasuredRates, ServingEfficiency, ServingEfficiencyTable, load_serving_efficiency
from planner.performance.serving_loop import Load, ServingRates, closed_loop, largest_batch, open_loop, saturated, static_batch
from planner.performance.serving_step import Replica
from planner.request import Serving
from planner.search.columns import PRECISIONS, FloatColumn, ServingColumns
from planner.validation.prediction import Prediction
from planner.validation.rows import is_scorable, number_cell, text_cell

Regime = Literal["closed", "offline", "static", "steady", "open", "limits"]
Quantity = Literal["ttft_s", "tpot_s", "itl_s", "output_tokens_per_s"]
QUANTITIES: tuple[Quantity, ...] = ("ttft_s", "tpot_s", "itl_s", "output_tokens_per_s")
_CACHE_SHARE = 0.9  # of the memory left beside weights and workspace that engines hand to the cache by default
_SCALES = ((8.0, "1-8 in flight"), (64.0, "9-64 in flight"), (512.0, "65-512 in flight"), (np.inf, "over 512 in flight"))
_FULL_OCCUPANCY = 0.95  # of the places of a saturated replica, since answers end at different times


class UnpredictableError(Exception):
    """The row lacks something; the code says what."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Layout:
    """How one replica is spread, and how many there are."""

    tp: int
    pp: int
    ep: int
    attention_dp: int
    replicas: int = 1

    @property
    def devices(self) -> int:
        """Accelerators of one replica."""
        return self.tp * self.pp * self.attention_dp


@dataclass(frozen=True, slots=True)
class ServingRun:
    """One row.

    `prefill` is the layout of the prefill pool where prompts have replicas of their own; `others` are further layouts that the
    row may have used: the fastest that has room counts.
    """

    row: int
    row_id: str
    model: str
    architecture: Architecture
    accelerator: str
    precision: int  # index into PRECISIONS
    kv_precision: int  # index into KV_PRECISIONS
    engine: str
    regime: Regime
    decode: Layout
    input_tokens: float
    output_tokens: float
    clients: float  # closed: requests in flight in the deployment; static and steady: the batch; open: requests/s
    most_batch: float = np.inf  # the engine's own cap on a replica's batch
    prefill: Layout | None = None
    others: tuple[Layout, ...] = ()
    harness: str = ""
    burst: float = 0.0
    same_length: bool = False
    settings: Mapping[str, float] = field(default_factory=dict)  # of its servers, fields of `Load`
    ttft_limit_s: float = np.inf
    tpot_limit_s: float = np.inf
    measured: Mapping[Quantity, float] = field(default_factory=dict)
    slices: tuple[tuple[str, str], ...] = ()

    @property
    def family(self) -> tuple[str, str, str]:
        """(model, accelerator, precision): what leave-one-family-out leaves out."""
        return self.model, self.accelerator, PRECISIONS[self.precision]


def positive_cell(row: Mapping[str, str], name: str, most: float = 1e7) -> float | None:
    """The cell as a number above 0 and up to `most`, or None."""
    value = number_cell(row, name)
    return value if value is not None and 0 < value <= most else None


def degree_cell(row: Mapping[str, str], name: str) -> int | None:
    """The cell as a degree of parallelism or a number of devices, or None."""
    value = positive_cell(row, name, 1e5)
    return max(1, round(value)) if value is not None else None


Understanding = Callable[[int, Mapping[str, str], Library], ServingRun]


@dataclass(frozen=True, slots=True)
class _Group:
    """Candidates of one model, engine and regime as columns: runs, or the layouts that a run may have used."""

    rows: NDArray[np.intp]  # positions among the candidates
    engine: str
    regime: Regime
    demand: ServingDemand
    columns: ServingColumns
    prefill: ServingColumns | None
    replicas: FloatColumn
    prefill_replicas: FloatColumn
    load: Load
    harness: tuple[str, ...]
    clients: FloatColumn
    most: FloatColumn
    limits: tuple[FloatColumn, FloatColumn]


class Bench:
    """Runs prepared for evaluation."""

    def __init__(self, runs: Sequence[ServingRun], hardware: Hardware) -> None:
        self.runs = tuple(runs)
        self.chips = tuple(sorted({run.accelerator for run in runs}))
        measured = engine_kernels()
        self.platforms = {engine: platforms(hardware, self.chips, engine=engine) for engine in {run.engine for run in runs}}
        self._measured = {engine: MeasuredRates.of(measured, stands, engine) for engine, stands in self.platforms.items()}
        candidates = [(position, replace(run, decode=own)) for position, run in enumerate(runs) for own in (run.decode, *run.others)]
        self._of_run = np.array([position for position, _ in candidates], np.intp)
        grouped: dict[tuple[object, ...], list[int]] = {}
        for row, (_, run) in enumerate(candidates):
            grouped.setdefault((run.architecture, run.engine, run.regime, run.prefill is None), []).append(row)
        self.groups = tuple(self._group([candidates[row][1] for row in rows], rows) for rows in grouped.values())
        self._has_room = np.zeros(len(candidates), np.bool_)
        for group in self.groups:
            self._has_room[group.rows] = group.most >= 1.0

    def _group(self, runs: Sequence[ServingRun], rows: Sequence[int]) -> _Group:
        first = runs[0]

        def numbers(name: str) -> FloatColumn:
            return np.array([getattr(run, name) for run in runs], np.float64)

        columns = self._columns(runs, [run.decode for run in runs])
        prefill = [run.prefill for run in runs if run.prefill]
        most = np.minimum(_most_batch(runs, columns, self.platforms[first.engine]), numbers("most_batch"))
        load = Load(
            input_tokens=numbers("input_tokens"),
            output_tokens=numbers("output_tokens"),
            burst=numbers("burst"),
            same_length=numbers("same_length"),
            **{name: np.array([run.settings.get(name, 0.0) for run in runs]) for name in ("poll_steps", "hold_steps", "pass_tokens")},
        )
        return _Group(
            rows=np.array(rows, np.intp),
            engine=first.engine,
            regime=first.regime,
            demand=serving_demand(first.architecture),
            columns=columns,
            prefill=self._columns(runs, prefill) if prefill else None,
            replicas=np.array([run.decode.replicas for run in runs], np.float64),
            prefill_replicas=np.array([layout.replicas for layout in prefill], np.float64),
            load=load,
            harness=tuple(run.harness for run in runs),
            clients=numbers("clients"),
            most=most,
            limits=(numbers("ttft_limit_s"), numbers("tpot_limit_s")),
        )

    def _columns(self, runs: Sequence[ServingRun], layouts: Sequence[Layout]) -> ServingColumns:
        def integers(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
            return np.array(values, np.int32)

        return ServingColumns(
            platform=integers([self.chips.index(run.accelerator) for run in runs]),
            tp=integers([layout.tp for layout in layouts]),
            pp=integers([layout.pp for layout in layouts]),
            ep=integers([min(layout.ep, layout.tp * layout.attention_dp) for layout in layouts]),
            attention_dp=integers([layout.attention_dp for layout in layouts]),
            precision=integers([run.precision for run in runs]),
            kv_precision=integers([run.kv_precision for run in runs]),
            batch=integers([1 for _ in runs]),
        )

    def saturation(self) -> FloatColumn:
        """Clients over what the cache holds, per run: above 1 requests queue for a place."""
        ratio = np.full(len(self.runs), np.inf)
        for group in self.groups:
            np.minimum.at(ratio, self._of_run[group.rows], group.clients / group.replicas / np.maximum(group.most, 1e-9))
        return ratio

    def predict(self, table: ServingEfficiencyTable) -> dict[Quantity, FloatColumn]:
        """Predicted quantities of every run, in its fastest layout that has room."""
        efficiency = {engine: table.joined(rates, self.chips, engine) for engine, rates in self._measured.items()}
        found: dict[Quantity, FloatColumn] = {name: np.empty(len(self._of_run)) for name in QUANTITIES}
        for group in self.groups:
            clients = [table.fit.loads.get(name, Client()) for name in group.harness]
            client_s, stream_s = 1e-3 * np.array([c.client_ms for c in clients]), 1e-6 * np.array([c.stream_us for c in clients])
            rates, itl_s = self._rates(group, replace(group.load, client_s=client_s, stream_s=stream_s), efficiency[group.engine])
            deployment = 1.0 if group.prefill is not None else group.replicas
            found["ttft_s"][group.rows], found["tpot_s"][group.rows], found["itl_s"][group.rows] = rates.ttft_s, rates.tpot_s, itl_s
            found["output_tokens_per_s"][group.rows] = rates.tokens_per_s * deployment
        fastest = np.empty(len(self.runs), np.intp)
        order = np.lexsort((found["output_tokens_per_s"], self._has_room))
        fastest[self._of_run[order]] = order  # of several candidates of a run the last one stays
        return {name: values[fastest] for name, values in found.items()}

    def _rates(self, group: _Group, load: Load, efficiency: ServingEfficiency) -> tuple[ServingRates, FloatColumn]:
        stands = self.platforms[group.engine]
        replica = Replica.on(group.demand, stands, group.columns, efficiency)
        clients = group.clients / group.replicas
        most = np.maximum(group.most, 1.0)
        if group.prefill is not None:
            source = Replica.on(group.demand, stands, group.prefill, efficiency)
            link = stands.scale_out_bytes_per_s[group.prefill.platform] * group.prefill.devices
            rates = disaggregated_loop(Pools(source, replica, group.prefill_replicas, group.replicas, link), load, group.clients, most)
        elif group.regime == "closed":
            rates = closed_loop(replica, load, clients, most)
        elif group.regime == "offline":
            rates = saturated(replica, load, np.maximum(_FULL_OCCUPANCY * np.minimum(most, clients), 1.0))
        elif group.regime == "static":
            rates = static_batch(replica, load, clients, most)
        elif group.regime == "steady":
            rates = saturated(replica, load, clients)
        elif group.regime == "open":
            rates = open_loop(replica, load, clients, most)
        else:
            batch = np.maximum(largest_batch(replica, load, *group.limits, _FULL_OCCUPANCY * most), 1.0)
            rates = saturated(replica, load, batch, waiting=False)
        each = rates.batch / (group.replicas if group.prefill is not None else 1.0)
        return rates, replica.decode(each, load.context_tokens).total_s + load.stream_s * each


def _most_batch(runs: Sequence[ServingRun], columns: ServingColumns, stands: Platforms) -> FloatColumn:
    """Requests that fit into the cache of a replica, with the share of the answer that the engine sets aside; at most its own cap."""
    known = serving_priors()
    reserved = {**known.engine, **known.engines.get(runs[0].engine, {})}["reserved_output"][0]
    recipe = serving_recipe(runs[0].engine).model_copy(update={"utilisation": 1.0})
    most = np.zeros(len(runs))
    lengths = sorted({(run.input_tokens, run.output_tokens) for run in runs})
    for input_tokens, output_tokens in lengths:
        rows = np.array([index for index, run in enumerate(runs) if (run.input_tokens, run.output_tokens) == (input_tokens, output_tokens)])
        workload = Serving(input_tokens=max(1, round(input_tokens)), output_tokens=max(1, round(2.0 * reserved * output_tokens)))
        chosen = columns.take(rows)
        memory = serving_memory(runs[0].architecture, workload, chosen, stands.memory_bytes[chosen.platform], recipe)
        most[rows] = np.minimum(_CACHE_SHARE * memory.max_batch, recipe.sequences * chosen.attention_dp)
    return most


def understood_runs(
    rows: Iterable[Mapping[str, str]], library: Library, understand: Understanding
) -> tuple[list[ServingRun], dict[int, str]]:
    """Runs of the rows that can be predicted, and why the others cannot, by position."""
    runs: list[ServingRun] = []
    refused: dict[int, str] = {}
    for position, row in enumerate(rows):
        try:
            runs.append(understand(position, row, library))
        except UnpredictableError as error:
            refused[position] = error.code
    return runs, refused


def predictions(rows: Iterable[Mapping[str, str]], library: Library, understand: Understanding) -> Iterator[Prediction]:
    """One prediction for each quantity that a row measured; rows that are not understood say why."""
    table = list(rows)
    runs, refused = understood_runs(table, library, understand)
    bench, table_of_rates = Bench(runs, library.hardware), load_serving_efficiency()
    predicted, saturation = bench.predict(table_of_rates), bench.saturation()
    of_row = {run.row: index for index, run in enumerate(runs)}
    for position, row in enumerate(table):
        name, scorable = text_cell(row, "row_id"), is_scorable(row)
        if position in refused:
            yield Prediction(position, name, "output_tokens_per_s", float("nan"), None, refused[position], scorable, ())
            continue
        run = runs[of_row[position]]
        if not run.measured:
            yield Prediction(position, name, "output_tokens_per_s", float("nan"), None, "no_target", scorable, ())
        for quantity, measured in run.measured.items():
            value = float(predicted[quantity][of_row[position]])
            slices = run_slices(run, library.hardware, saturated=bool(saturation[of_row[position]] > 1.0))
            yield Prediction(
                position, name, quantity, measured, value, "", scorable, slices, interval80(run, quantity, value, table_of_rates.fit)
            )


def interval80(run: ServingRun, quantity: Quantity, predicted: float, fit: ServingFit) -> tuple[float, float] | None:
    """Ends between which four of five measurements should lie, from families that the fit had not seen."""
    range_ = fit.interval(quantity, experts=bool(serving_demand(run.architecture).experts))
    return None if range_ is None else (predicted * range_.low, predicted * range_.high)


def run_slices(run: ServingRun, hardware: Hardware, *, saturated: bool = False) -> tuple[tuple[str, str], ...]:
    """What errors of a run are grouped by; a closed loop with more clients than its cache holds requests is a regime of its own."""
    chip = hardware.accelerators[run.accelerator]
    kind = "moe" if serving_demand(run.architecture).experts else "dense"
    slices = {"vendor": chip.vendor, "accelerator": run.accelerator, "precision": PRECISIONS[run.precision], "architecture": kind}
    slices |= dict(run.slices)
    if run.regime == "closed":
        slices["scale"] = next(label for most, label in _SCALES if run.clients <= most)
        slices["regime"] += ", saturated" if saturated else ""
    return tuple(slices.items())
