"""Candidates evaluated in full a second and core: `python -m benchmarks.candidates`.

In full: memory, the parts of a step (or of both serving phases), size, money and power in closed form, limits. A million distinct
rows of a dense and of a mixture-of-experts model on six platforms, nothing pruned, in chunks as the search takes them.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from planner import PlanRequest, default_library
from planner.question import Question
from planner.search.columns import Columns, DeploymentColumns, ServingColumns, TrainingColumns, chunks
from planner.serving.running import memory_share
from planner.serving.stage import ServingStage
from planner.training.model import TrainedModel

CANDIDATES, TRIES = 1_000_000, 3
ACCELERATORS = [
    "nvidia-h100-sxm-80gb",
    "nvidia-h200-sxm-141gb",
    "nvidia-b200-sxm-180gb",
    "nvidia-gb200-nvl72",
    "amd-mi300x",
    "google-tpu-v5p",
]
MODELS = {"llama3.1-405b": 1, "qwen3-235b-a22b": 64}  # most expert-parallel ranks

Rows = TypeVar("Rows", bound=Columns)


def drawn(axes: Mapping[str, NDArray[np.integer]]) -> dict[str, NDArray[np.int32]]:
    """Distinct rows, drawn without repetition from all combinations."""
    sizes = tuple(len(values) for values in axes.values())
    rows = np.random.default_rng(0).choice(int(np.prod(sizes)), size=CANDIDATES, replace=False)
    places = np.unravel_index(rows, sizes)
    return {name: values[place].astype(np.int32) for (name, values), place in zip(axes.items(), places, strict=True)}


def training_candidates(most_ep: int) -> TrainingColumns:
    rows = drawn(
        {
            "platform": np.arange(len(ACCELERATORS)),
            "tp": 2 ** np.arange(4),
            "pp": 2 ** np.arange(5),
            "virtual_stages": 2 ** np.arange(3),
            "cp": 2 ** np.arange(2),
            "ep": 2 ** np.arange(most_ep.bit_length()),
            "dp": 64 * np.arange(1, 65),
            "zero_stage": np.arange(4),
            "micro_batch": 2 ** np.arange(3),
            "recompute": np.arange(3),
            "precision": np.array([0, 2]),
        }
    )
    batch = rows["dp"] * rows["micro_batch"] * 16
    schedule = np.ones(CANDIDATES, dtype=np.int32)
    return TrainingColumns(**rows, schedule=schedule, shard_group=rows["dp"] * rows["cp"], global_batch=batch)


def serving_candidates(most_ep: int) -> ServingColumns:
    """As a search makes them: replicas, each at many batches side by side."""
    axes = {
        "platform": np.arange(len(ACCELERATORS)),
        "tp": 2 ** np.arange(4),
        "pp": 2 ** np.arange(4),
        "ep": np.array([1, most_ep]),
        "attention_dp": 2 ** np.arange(4) if most_ep > 1 else np.array([1, 2]),
        "precision": np.array([0, 2]),
        "kv_precision": np.arange(2),
        "batch": np.arange(1, 2049),
    }
    rows = drawn({name: np.unique(values) for name, values in axes.items()})
    order = np.lexsort(tuple(reversed(list(rows.values()))))
    return ServingColumns(**{name: column[order] for name, column in rows.items()})


def train(model: TrainedModel, candidates: TrainingColumns) -> None:
    model.evaluate(candidates, model.memory_bytes(candidates))


def serve(stage: ServingStage, candidates: ServingColumns) -> None:
    replicas = stage.model.replicas(candidates)
    rates = replicas.rates(replicas.steps(candidates.batch), candidates.batch)
    count, share = stage.model.count(rates.requests_per_s), memory_share(replicas, candidates.batch)
    stage.evaluated(DeploymentColumns.of(candidates), count, rates.requests_per_s, rates, share)


def per_s(evaluate: Callable[[Rows], None], candidates: Rows) -> float:
    """Rows a second of processor time, the best of a few tries."""
    parts = [candidates.take(np.arange(len(candidates))[part]) for part in chunks(len(candidates))]
    times = []
    for _ in range(TRIES):
        start = time.process_time()
        for part in parts:
            evaluate(part)
        times.append(time.process_time() - start)
    return len(candidates) / min(times)


def main() -> None:
    """Print both kinds."""
    library, limits = default_library(), {"max_devices": 100_000, "accelerators": ACCELERATORS}
    for name, most_ep in MODELS.items():
        asked = {"kind": "training", "tokens": 1e12, "sequence_tokens": 8192}
        model = Question.of(PlanRequest.parse({"model": name, "workload": asked, "limits": limits}), library).training().model
        print(f"training {name}: {per_s(lambda rows, model=model: train(model, rows), training_candidates(most_ep)):,.0f}")
        stage = Question.of(PlanRequest.parse({"model": name, "workload": {"kind": "serving"}, "limits": limits}), library).serving()
        print(f"serving {name}: {per_s(lambda rows, stage=stage: serve(stage, rows), serving_candidates(most_ep)):,.0f}")


if __name__ == "__main__":
    main()
