"""Processor time of whole-catalog plans, warm library, requests not seen before: `python -m benchmarks.plans`."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import time

import numpy as np

from planner import Library, PlanRequest, default_library, plan

REQUESTS = 30
SEED = 20261122


def training_requests(random: np.random.Generator) -> list[PlanRequest]:
    """A dense 405B model on up to 16,384 devices: tokens, deadline, batch, sequence, objective and site vary."""
    return [
        PlanRequest.parse(
            {
                "model": "llama3.1-405b",
                "workload": {
                    "kind": "training",
                    "tokens": float(10 ** random.uniform(11.5, 13.2)),
                    "deadline_days": float(random.uniform(30, 180)),
                    "global_batch_tokens": float(2 ** random.integers(22, 25)),
                    "sequence_tokens": int(2 ** random.integers(12, 15)),
                },
                "objective": str(random.choice(["cost", "cost", "time", "carbon", "power"])),
                "limits": {"max_devices": 16_384},
                "site": {"pue": float(random.uniform(1.05, 1.6)), "electricity_usd_per_kwh": float(random.uniform(0.04, 0.2))},
            }
        )
        for _ in range(REQUESTS)
    ]


def serving_requests(random: np.random.Generator, library: Library) -> list[PlanRequest]:
    """Any language model of the library: rate, lengths, limits and objective vary."""
    models = sorted(entry.id for entry in library.models.values() if entry.kind.startswith("decoder"))
    return [
        PlanRequest.parse(
            {
                "model": str(random.choice(models)),
                "workload": {
                    "kind": "serving",
                    "requests_per_s": float(10 ** random.uniform(-0.5, 2)),
                    "input_tokens": int(10 ** random.uniform(2, 4)),
                    "output_tokens": int(10 ** random.uniform(1.5, 3)),
                    "ttft_s": float(random.uniform(0.5, 5)),
                    "tpot_s": float(random.uniform(0.02, 0.2)),
                },
                "objective": str(random.choice(["cost", "cost", "time", "carbon", "power"])),
            }
        )
        for _ in range(REQUESTS)
    ]


def processor_s(requests: list[PlanRequest], library: Library) -> list[float]:
    """Processor time of each plan."""
    times = []
    for request in requests:
        start = time.process_time()
        plan(request, library)
        times.append(time.process_time() - start)
    return times


def main() -> None:
    """Print median and worst of both kinds."""
    library, random = default_library(), np.random.default_rng(SEED)
    plan(PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "serving"}}), library)
    plan(
        PlanRequest.parse({"model": "llama3.1-8b", "workload": {"kind": "training", "tokens": 1e9}, "limits": {"max_devices": 64}}), library
    )
    for name, requests in (("training", training_requests(random)), ("serving", serving_requests(random, library))):
        times = processor_s(requests, library)
        print(f"{name}: median {statistics.median(times):.3f} s, worst {max(times):.3f} s of processor time, {len(times)} requests")


if __name__ == "__main__":
    main()
