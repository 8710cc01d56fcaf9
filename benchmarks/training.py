"""Speed of the training model, and its accuracy on the packaged runs: `python -m benchmarks.training`.

A million distinct candidates of a dense and of a mixture-of-experts model on six platforms, in chunks that stay in the cache, timed in
processor time on one core; step parts only (memory and money are other rooms' benchmarks).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time

import numpy as np

from measurements import measured_runs
from planner.cluster.platform import platforms
from planner.library import default_library
from planner.performance.training import training_step
from planner.request import Training
from planner.search.columns import TrainingColumns
from planner.validate import kind_of, validate
from planner.validation.rows import parse_rows

CANDIDATES, CHUNK, TRIES = 1_000_000, 65_536, 3
ACCELERATORS = (
    "nvidia-h100-sxm-80gb",
    "nvidia-h200-sxm-141gb",
    "nvidia-b200-sxm-180gb",
    "nvidia-gb200-nvl72",
    "amd-mi300x",
    "google-tpu-v5p",
)
MODELS = {"llama3.1-405b": 1, "qwen3-235b-a22b": 64}  # most expert-parallel ranks


def candidates(count: int, most_ep: int) -> TrainingColumns:
    """Distinct rows, drawn without repetition from all combinations."""
    axes = {
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
    sizes = tuple(len(values) for values in axes.values())
    drawn = np.random.default_rng(0).choice(int(np.prod(sizes)), size=count, replace=False)
    places = np.unravel_index(drawn, sizes)
    rows = {name: values[place].astype(np.int32) for (name, values), place in zip(axes.items(), places, strict=True)}
    ones = np.ones(count, dtype=np.int32)
    batch = rows["dp"] * rows["micro_batch"] * 16
    return TrainingColumns(**rows, schedule=ones, shard_group=rows["dp"] * rows["cp"], global_batch=batch)


def candidates_per_s(model: str, most_ep: int) -> float:
    library = default_library()
    stands = platforms(library.hardware, ACCELERATORS)
    efficiency = library.training_efficiency.on(stands)
    architecture, workload = library.models[model].architecture, Training(sequence_tokens=8192)
    columns = candidates(CANDIDATES, most_ep)
    chunks = [columns.take(np.arange(start, min(start + CHUNK, CANDIDATES))) for start in range(0, CANDIDATES, CHUNK)]
    times = []
    for _ in range(TRIES):
        start = time.process_time()
        for chunk in chunks:
            training_step(architecture, workload, stands, chunk, efficiency)
        times.append(time.process_time() - start)
    return CANDIDATES / min(times)


def main() -> None:
    for model, most_ep in MODELS.items():
        print(f"{model}: {candidates_per_s(model, most_ep):,.0f} distinct candidates a second and core (goal with all rooms: 1,000,000)")
    for name in ("training_published", "training_mlperf"):
        rows = parse_rows(measured_runs(name))
        start = time.process_time()
        report = validate(rows, kind_of(rows.header), default_library())
        seconds = time.process_time() - start
        print(f"{name}: {report.answered} of {report.rows} rows predicted in {seconds:.2f} s")
        for part in report.slices:
            if part.by in ("all", "source", "architecture"):
                errors = f"median {part.median_ape_pct:.1f} %, p90 {part.p90_ape_pct:.1f} %"
                print(f"  {part.quantity} {part.by} {part.key}: {part.n} rows, {errors}")


if __name__ == "__main__":
    main()
