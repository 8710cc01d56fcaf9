"""How fast candidate replicas are evaluated: `python benchmarks/serving.py`. One core, warm caches, no file read."""

from __future__ import annotations

import time

import numpy as np

from hardware_db import load_hardware
from model_db import load_models
from planner.cluster.platform import Platforms, platforms
from planner.performance.serving_demand import ServingDemand, serving_demand
from planner.performance.serving_efficiency import ServingEfficiency, load_serving_efficiency
from planner.performance.serving_loop import ServingRates, serving_rates
from planner.performance.serving_step import serving_steps
from planner.search.columns import PRECISIONS, ServingColumns

CHUNK_ROWS = 32_768  # as the pipeline evaluates them
CHUNKS = 16
CHIPS = ("nvidia-h100-sxm-80gb", "nvidia-b200-sxm-180gb", "amd-mi300x")
MODELS = ("llama3.1-70b", "gpt-oss-120b", "deepseek-r1")


def main() -> None:
    hardware, models = load_hardware(), load_models()
    stands = platforms(hardware, CHIPS)
    efficiency = load_serving_efficiency().on(stands, "vllm")
    columns = candidates(len(CHIPS))
    for name in MODELS:
        demand = serving_demand(models[name].architecture)
        evaluate(demand, stands, columns, efficiency)
        start = time.perf_counter()
        for _ in range(CHUNKS):
            evaluate(demand, stands, columns, efficiency)
        print(f"{name}: {CHUNKS * CHUNK_ROWS / (time.perf_counter() - start):,.0f} candidates/s")


def evaluate(demand: ServingDemand, stands: Platforms, columns: ServingColumns, efficiency: ServingEfficiency) -> ServingRates:
    """What the search needs of a chunk: both step times and the rates that follow."""
    steps = serving_steps(demand, stands, columns, input_tokens=1155.0, context_tokens=1260.0, efficiency=efficiency)
    return serving_rates(steps, columns.batch.astype(np.float64), 211.0, efficiency)


def candidates(chips: int) -> ServingColumns:
    """A chunk as the search makes them: cells of degrees and formats, each with many batches."""
    rng = np.random.default_rng(0)
    batches = 16
    cells = CHUNK_ROWS // batches

    def cell(values: list[int]) -> np.ndarray:
        return np.repeat(rng.choice(np.array(values, np.int32), cells), batches)

    return ServingColumns(
        platform=cell(list(range(chips))),
        tp=cell([1, 2, 4, 8]),
        pp=cell([1, 2]),
        ep=cell([1, 8]),
        attention_dp=cell([1, 8]),
        precision=cell([PRECISIONS.index("bf16"), PRECISIONS.index("fp8")]),
        kv_precision=cell([0, 1]),
        batch=np.tile(2 ** np.arange(batches, dtype=np.int32) // 4 + 1, cells),
    )


if __name__ == "__main__":
    main()
