"""Speed of the cluster room: columns for a million candidates, exact designs of a shortlist.

python -m benchmarks.cluster
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from hardware_db import load_hardware
from planner.cluster.design import design_cluster
from planner.cluster.infrastructure import infrastructure
from planner.cluster.network import link_finder
from planner.cluster.platform import platforms

CANDIDATES, CHUNK, SHORTLIST, TRIES = 1_000_000, 131_072, 100, 5
GOALS_S = {"platform columns of 1,000,000 candidates": 0.15, "exact design of 100 clusters": 0.3}


def fastest_s(work: Callable[[], None]) -> float:
    """The best of several tries, in processor time: what the work takes on a core of its own."""
    times = []
    for _ in range(TRIES):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    hardware = load_hardware()
    ids = [id_ for id_, chip in hardware.accelerators.items() if chip.server_id]
    columns = platforms(hardware, ids)
    around = infrastructure(hardware, columns)
    chance = np.random.default_rng(0)
    rows = chance.integers(0, len(ids), CANDIDATES).astype(np.int32)
    devices = (2 ** chance.integers(0, 14, CANDIDATES)).astype(np.int32)

    def gather() -> None:
        for start in range(0, CANDIDATES, CHUNK):
            chunk = slice(start, start + CHUNK)
            columns.network.take(rows[chunk])
            around.per_device(rows[chunk], devices[chunk])

    shortlist = list(zip(rows[:SHORTLIST], devices[:SHORTLIST], strict=True))

    def design() -> None:
        find_link = link_finder(hardware)
        for row, count in shortlist:
            design_cluster(hardware, ids[row], int(count), find_link=find_link)

    taken = dict(zip(GOALS_S, (fastest_s(gather), fastest_s(design)), strict=True))
    taken["platforms and their infrastructure, once a request"] = fastest_s(
        lambda: void(infrastructure(hardware, platforms(hardware, ids)))
    )
    for what, time_s in taken.items():
        goal = f"goal {GOALS_S[what]:g} s" if what in GOALS_S else ""
        print(f"{what:52}{time_s:8.3f} s  {goal}")


def void(_: object) -> None:
    """Nothing, with what was computed."""


if __name__ == "__main__":
    main()
