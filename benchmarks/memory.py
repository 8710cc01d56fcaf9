"""Memory of a million distinct candidates on one core, and how near it comes to measured memory: `python -m benchmarks.memory`.

Candidates are drawn at random from all strategies of a dense, a mixture-of-experts and a hybrid model, none twice, in no order:
harder on the caches than a search, which goes through its space in order. The first call fills the tables of the model.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from collections.abc import Callable
from dataclasses import fields
from importlib import resources
from typing import TypeVar

import numpy as np

from model_db import load_models
from planner.library import default_library
from planner.memory.serving import serving_memory
from planner.memory.training import training_memory
from planner.request import Serving, Training
from planner.search.columns import ServingColumns, TrainingColumns
from planner.search.shape import ModelShape
from planner.validate import validate
from planner.validation.rows import parse_rows

ROWS = 1_000_000
MODELS = ("llama3.1-405b", "deepseek-v3", "qwen3.5-397b-a17b")
PIPELINES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 21, 24, 28, 32, 42, 64]
GIB = 2.0**30

_Result = TypeVar("_Result")


def training_candidates(shape: ModelShape, rows: int) -> TrainingColumns:
    """Distinct strategies on up to 16,384 devices."""
    draw = np.random.default_rng(7)
    names = [field.name for field in fields(TrainingColumns)]
    table = np.zeros((len(names), 0), dtype=np.int64)
    while table.shape[1] < rows:
        n = 2 * rows
        tp, cp, micro = 2 ** draw.integers(0, 7, n), 2 ** draw.integers(0, 4, n), 2 ** draw.integers(0, 4, n)
        pp, dp = draw.choice(PIPELINES, n), draw.integers(1, 2049, n)
        virtual = np.where(pp > 1, 2 ** draw.integers(0, 4, n), 1)
        drawn = {
            "platform": np.zeros(n, dtype=np.int64),
            "tp": tp,
            "pp": pp,
            "virtual_stages": virtual,
            "cp": cp,
            "ep": 2 ** draw.integers(0, 9, n) if shape.experts else np.ones(n, dtype=np.int64),
            "dp": dp,
            "zero_stage": draw.integers(0, 4, n),
            "shard_group": dp * cp,
            "micro_batch": micro,
            "recompute": draw.integers(0, 3, n),
            "schedule": np.where(virtual > 1, 2, 1),
            "precision": draw.choice([0, 2], n),
            "global_batch": dp * micro * draw.integers(1, 65, n),
        }
        legal = (tp * pp * cp * dp <= 16_384) & (pp * virtual <= shape.layers) & ((dp * cp * tp) % drawn["ep"] == 0)
        more = np.stack([drawn[name] for name in names])[:, legal]
        table = np.unique(np.concatenate([table, more], axis=1), axis=1)
    table = table[:, draw.permutation(table.shape[1])[:rows]].astype(np.int32)
    return TrainingColumns(**{name: np.ascontiguousarray(row) for name, row in zip(names, table, strict=True)})


def serving_candidates(shape: ModelShape, rows: int) -> tuple[ServingColumns, np.ndarray]:
    """Replicas with their batches, and the memory of their devices."""
    draw = np.random.default_rng(7)
    tp = 2 ** draw.integers(0, 7, rows)
    attention_dp = 2 ** draw.integers(0, 6, rows) if shape.experts else np.ones(rows, dtype=np.int64)
    columns = {
        "platform": draw.integers(0, 30, rows),
        "tp": tp,
        "pp": draw.integers(1, 17, rows),
        "ep": np.where(draw.random(rows) < 0.5, 1, np.minimum(tp * attention_dp, max(1, shape.experts))),
        "attention_dp": attention_dp,
        "precision": draw.choice([0, 2, 4], rows),
        "kv_precision": draw.integers(0, 2, rows),
        "batch": draw.integers(1, 4097, rows),
    }
    memory = np.linspace(24, 288, 30)[columns["platform"]] * GIB
    return ServingColumns(**{name: column.astype(np.int32) for name, column in columns.items()}), memory


def timed(work: Callable[[], _Result]) -> tuple[_Result, str]:
    """The result, and the least wall-clock and processor time of five calls; the first one fills the tables of the model."""
    wall, processor = [], []
    for _ in range(5):
        start, used = time.perf_counter(), time.process_time()
        result = work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return result, f"first {wall[0]:.3f} s, best {min(wall):.3f} s ({min(processor):.3f} s of one core)"


def print_speed() -> None:
    for name in MODELS:
        architecture = load_models()[name].architecture
        candidates = training_candidates(ModelShape.of(architecture), ROWS)
        memory, took = timed(lambda a=architecture, c=candidates: training_memory(a, Training(), c))
        fits = int((memory.total_bytes < 80e9).sum())
        print(f"training memory, {name}: {len(candidates):,} candidates, {took}; {fits:,} fit in 80 GB")
        replicas, capacity = serving_candidates(ModelShape.of(architecture), ROWS)
        served, took = timed(lambda a=architecture, c=replicas, m=capacity: serving_memory(a, Serving(), c, m))
        print(f"serving memory, {name}: {len(replicas):,} candidates, {took}; {int((served.max_batch > 0).sum()):,} fit")


def print_accuracy() -> None:
    for kind, file in (("training-memory", "training_memory.csv"), ("serving-memory", "serving_memory.csv")):
        rows = parse_rows(resources.files("measurements").joinpath(f"runs/{file}").read_bytes(), file)
        report = validate(rows, kind, default_library())
        print(f"{kind}: {report.answered} of {report.rows} scorable rows answered, unanswered {dict(report.unanswered)}")
        for part in report.slices:
            if part.by == "all":
                print(f"  {part.quantity}: n {part.n}, median {part.median_ape_pct:.2f} %, p90 {part.p90_ape_pct:.2f} %")
        for item in report.predictions:
            error = item.relative_error
            if item.scorable and error is not None and abs(error) > 0.1:
                print(f"  row {item.row} {item.row_id} {item.quantity}: measured {item.measured:.2f}, {100 * error:+.1f} %")


if __name__ == "__main__":
    print_speed()
    print_accuracy()
