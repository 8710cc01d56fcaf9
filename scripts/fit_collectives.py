"""Fit the collective model to the measured rows, print its errors and write the parameters back.

Run `.venv/bin/python -m scripts.fit_collectives`, with `--write` to keep the result.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from hardware_db import load_hardware
from measurements.collectives import CollectiveFits, Fitted, collective_fits, collectives_file
from planner.performance.collectives_fit import FitErrors, fit_collectives

HEADER = """\
# Collective operations by kind of link: few physical parameters each, fitted to collectives.csv and
# collectives_experts.csv by scripts/fit_collectives.py, which writes this file. Line rates are the catalog's.
#   measured_on, lent_to   catalog ids of the links with measured rows, and of links without that use the same parameters
#   default       the set of links of its tier that are not known; borrowed: parameters taken from another set
#   rows, median_error, p90_error   rows and their relative errors when predicted by a fit that did not see their group
#   fraction      share of the line rate that very large messages reach
#   launch_us     fixed cost of one call; step_us latency of one dependent step; fill_us time constant of filling the pipeline
#   elsewhere     set that holds on other hosts, where the measured machine is not typical
#   switch_ranks, switch_gain   ranks from which switches reduce, and the rate of such an all-reduce over that of a ring
#   contention    shared host bridges: the rate falls with (2/ranks)**contention
#   engines       all-reduce kernels inside a domain: up to limit_bytes and limit_ranks; barrier_us between the two halves
#   experts       dispatch and combine kernels; across_*: the same on the NIC
"""


def main(arguments: Sequence[str]) -> None:
    fits, errors = fit_collectives(load_hardware(), collective_fits())
    print(f"{'parameter set':32}{'rows':>6}{'fitted: median':>16}{'p90':>8}{'held out: median':>18}{'p90':>8}")
    for error in errors:
        print(line(error.name, [error]))
    for tier in ("host_bus", "scale_up", "scale_out"):
        print(line(f"all of {tier}", [error for error in errors if error.tier == tier]))
    if "--write" in arguments:
        Path(str(collectives_file())).write_text(HEADER + "".join(as_yaml(fits)), encoding="utf-8")


def line(name: str, errors: Sequence[FitErrors]) -> str:
    fitted, held_out = (np.concatenate([getattr(error, kind) for error in errors]) for kind in ("fitted", "held_out"))
    figures = [100 * np.quantile(errors, q) for errors in (fitted, held_out) for q in (0.5, 0.9)]
    return f"{name:32}{fitted.size:6}{figures[0]:15.1f}%{figures[1]:7.1f}%{figures[2]:17.1f}%{figures[3]:7.1f}%"


def as_yaml(fits: CollectiveFits) -> Iterable[str]:
    for group in ("links", "engines", "experts"):
        yield f"{group}:\n"
        for row in getattr(fits, group):
            yield f"  - {flow(row)}\n"


def flow(row: Fitted) -> str:
    values = row.model_dump(mode="json", exclude_defaults=True)
    first = [key for key in ("id", "tier", "default", "engine", "mode", "measured_on", "lent_to") if key in values]
    ordered = first + [key for key in values if key not in first and key != "note"] + [key for key in values if key == "note"]
    return "{" + ", ".join(f"{key}: {text(values[key])}" for key in ordered) + "}"


def text(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
