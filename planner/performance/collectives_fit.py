"""Fit of the collective model to measured rows: few physical parameters by kind of link, least squares on log time.

A parameter set is fitted to all rows of its link; beside its error stands that of rows which a fit did not see
(leave-one-group-out, a group being an accelerator, an operation and a number of ranks, or a size on the fabric).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardware_db.catalog import Hardware
from measurements.collectives import (
    CollectiveFits,
    CollectiveLink,
    EngineAllReduce,
    ExpertKernel,
    MeasuredCollectives,
    measured_collectives,
    measured_expert_exchanges,
)
from planner.cluster.platform import Platforms, expert_network, platforms
from planner.performance.collectives import Network, all_gather_s, all_reduce_s, all_to_all_s, expert_exchange_s
from planner.search.columns import FloatColumn

Tier = Literal["pcie", "scale_up", "scale_out"]
Rows = NDArray[np.intp]
Fit: TypeAlias = CollectiveLink | EngineAllReduce | ExpertKernel

_LIBRARIES = ("nccl", "rccl")
_ENGINES_WITH_PAIRS = ("vllm", "sglang")
_LEAST_ROWS = 8  # with fewer rows only the fraction is fitted
_LIMITS_BYTES = tuple(2**exponent for exponent in range(18, 25))
_SIGNIFICANT = 4


@dataclass(frozen=True, slots=True)
class FitErrors:
    """Relative errors on the rows of one parameter set: all rows fitted, and each predicted by a fit without its group."""

    name: str
    tier: Tier
    fitted: FloatColumn
    held_out: FloatColumn


def fit_collectives(hardware: Hardware, fits: CollectiveFits) -> tuple[CollectiveFits, tuple[FitErrors, ...]]:
    """All parameter sets fitted anew, starting from `fits`, which says what was measured on which link."""
    errors = []
    inside, across = ([row for row in fits.links if _across(row) is side] for side in (False, True))
    rows: list[Fit] = [*inside, *fits.engines, *fits.experts, *across]  # the fabric borrows from all the others
    for row in rows:
        measured = measured_expert_exchanges() if isinstance(row, ExpertKernel) else measured_collectives()
        chosen = _rows_of(row, measured)
        if chosen.size:
            parameters = _least_squares(row, hardware, fits, measured, chosen)
            fits = _replaced(fits, row, parameters)
            error = _errors(row, hardware, fits, measured, chosen)
            fits = _with_derived(_replaced(fits, row, parameters | _quality(error.held_out)))
            errors.append(error)
    return fits, tuple(errors)


def predicted_s(hardware: Hardware, fits: CollectiveFits, measured: MeasuredCollectives, rows: Rows) -> FloatColumn:
    """Time of the measured `rows` by the model with the parameters `fits`."""
    text = {key: column[rows] for key, column in measured.text.items()}
    keys = ("accelerator_id", "software", "scale_out_link", *(("mode",) if "mode" in text else ()))
    names, place = np.unique(np.stack([text[key] for key in keys]), axis=1, return_inverse=True)
    result = np.empty(rows.size)
    for group, (accelerator, software, fabric, *mode) in enumerate(names.T):
        here = place.ravel() == group
        one = platforms(hardware, [str(accelerator)], fabric_ids=[str(fabric)], engine=str(software), fits=fits)
        number = {key: column[rows[here]] for key, column in measured.number.items()}
        if mode:
            result[here] = _expert_s(hardware, one, str(mode[0]), fits, number)
        else:
            result[here] = _collective_s(one.network, text["operation"][here], number)
    return result


def _collective_s(network: Network, operation: NDArray[np.str_], number: dict[str, FloatColumn]) -> FloatColumn:
    arguments = (number["size_bytes"], number["ranks"], number["ranks_in_domain"], network)
    gather = all_gather_s(*arguments)
    return np.where(
        operation == "all_reduce", all_reduce_s(*arguments), np.where(operation == "all_to_all", all_to_all_s(*arguments), gather)
    )


def _expert_s(hardware: Hardware, one: Platforms, mode: str, fits: CollectiveFits, number: dict[str, FloatColumn]) -> FloatColumn:
    """Kernels of high throughput send a token once to each domain, those of low latency once to each of its experts."""
    tokens, size, k, n, g = (number[key] for key in ("tokens", "token_bytes", "experts_per_token", "ranks", "ranks_in_domain"))
    if mode == "normal":
        return expert_exchange_s(tokens, size, k, n, g, expert_network(hardware, one, "normal", fits))
    return all_to_all_s(tokens * size * k, n, g, expert_network(hardware, one, "low_latency", fits))


def _rows_of(row: Fit, measured: MeasuredCollectives) -> Rows:
    """Measured rows that decide the parameters of `row`."""
    text, number = measured.text, measured.number
    crosses = number["ranks"] > number["ranks_in_domain"]
    on_link = np.isin(text["scale_up_link"], row.measured_on)
    if isinstance(row, ExpertKernel):
        return np.flatnonzero(on_link & (text["mode"] == row.mode))
    if isinstance(row, EngineAllReduce):
        return np.flatnonzero(measured.used & on_link & (text["software"] == row.engine) & (number["ranks"] <= row.limit_ranks))
    if _across(row):
        return np.flatnonzero(measured.used & crosses & np.isin(text["scale_out_link"], row.measured_on))
    library = np.isin(text["software"], _LIBRARIES)
    if row.contention:  # on PCIe the engines call the library, but for pairs of two of them
        library |= ~(np.isin(text["software"], _ENGINES_WITH_PAIRS) & (number["ranks"] == 2))
    return np.flatnonzero(measured.used & ~crosses & on_link & library)


def _across(row: Fit) -> bool:
    return isinstance(row, CollectiveLink) and any(id_.startswith(("efa", "ib", "roce")) for id_ in row.measured_on + row.lent_to)


def _free(row: Fit, measured: MeasuredCollectives, rows: Rows) -> list[str]:
    """Names of the parameters that the rows can decide."""
    if rows.size < _LEAST_ROWS:
        return ["fraction"]
    ranks = measured.number["ranks"][rows]
    if isinstance(row, EngineAllReduce):
        return ["fraction", "launch_us", "barrier_us"]
    if isinstance(row, ExpertKernel):
        crosses = (ranks > measured.number["ranks_in_domain"][rows]).any()
        return ["fraction", "launch_us", "step_us", *(("across_fraction", "across_launch_us", "across_step_us") if crosses else ())]
    if _across(row):
        return ["fraction", "launch_us", "fill_us"]  # one number of ranks cannot tell steps from the launch
    names = ["fraction", "launch_us", "step_us", "fill_us"]
    gain = ["switch_gain"] if (ranks >= row.switch_ranks).any() else []
    return names + gain + (["contention"] if row.contention else [])


def _least_squares(row: Fit, hardware: Hardware, fits: CollectiveFits, measured: MeasuredCollectives, rows: Rows) -> dict[str, float]:
    """The parameters of `row` that fit `rows` best; a size limit is tried at each power of two."""
    limits = _LIMITS_BYTES if isinstance(row, EngineAllReduce) else (None,)
    tried = [_descend(row, hardware, fits, measured, rows, {} if limit is None else {"limit_bytes": float(limit)}) for limit in limits]
    return min(tried, key=lambda pair: pair[0])[1]


def _descend(
    row: Fit, hardware: Hardware, fits: CollectiveFits, measured: MeasuredCollectives, rows: Rows, fixed: dict[str, float]
) -> tuple[float, dict[str, float]]:
    from scipy.optimize import least_squares  # noqa: PLC0415 heavy, and only calibration needs it

    names = _free(row, measured, rows)
    start = np.log([getattr(row, name) for name in names])
    target = np.log(measured.number["time_us"][rows] * 1e-6)

    def residuals(logs: FloatColumn) -> FloatColumn:
        parameters = dict(zip(names, np.exp(logs), strict=True)) | fixed
        return np.log(predicted_s(hardware, _replaced(fits, row, parameters), measured, rows)) - target

    lowest = [np.log(1e-2)] * len(names)
    highest = [np.log(1.4) if name.endswith("fraction") else np.log(1e3) for name in names]
    solved = least_squares(residuals, np.clip(start, lowest, highest), loss="soft_l1", bounds=(lowest, highest))
    values = {name: float(f"{value:.{_SIGNIFICANT}g}") for name, value in zip(names, np.exp(solved.x), strict=True)}
    return float(solved.cost), values | fixed


def _errors(row: Fit, hardware: Hardware, fits: CollectiveFits, measured: MeasuredCollectives, rows: Rows) -> FitErrors:
    actual = measured.number["time_us"][rows] * 1e-6
    held_out = np.empty(rows.size)
    groups = _groups(row, measured, rows)
    for group in np.unique(groups):
        out = groups == group
        parameters = _least_squares(row, hardware, fits, measured, rows[~out])
        held_out[out] = predicted_s(hardware, _replaced(fits, row, parameters), measured, rows[out])
    fitted = predicted_s(hardware, fits, measured, rows)
    return FitErrors(_name(row), _tier(row), np.abs(fitted / actual - 1), np.abs(held_out / actual - 1))


def _groups(row: Fit, measured: MeasuredCollectives, rows: Rows) -> NDArray[np.intp]:
    """Rows that are held out together; where all rows would be, those of one size."""
    operation = measured.text["direction" if isinstance(row, ExpertKernel) else "operation"][rows]
    labels = [measured.text["accelerator_id"][rows], measured.number["ranks"][rows].astype(str), operation]
    group = np.unique(np.stack(labels), axis=1, return_inverse=True)[1].ravel()
    if _across(row) or np.ptp(group) == 0:
        group = np.unique(measured.number["size_bytes"][rows], return_inverse=True)[1]
    return np.asarray(group, dtype=np.intp)


def _quality(held_out: FloatColumn) -> dict[str, float]:
    median, p90 = np.quantile(held_out, [0.5, 0.9])
    return {"rows": held_out.size, "median_error": round(float(median), 3), "p90_error": round(float(p90), 3)}


def _replaced(fits: CollectiveFits, row: Fit, parameters: dict[str, float]) -> CollectiveFits:
    """`fits` with new parameters in the place of `row`."""

    def swap(rows: Sequence[Fit]) -> tuple[Fit, ...]:
        return tuple(old.model_copy(update=parameters) if _name(old) == _name(row) else old for old in rows)

    return fits.model_copy(update={"links": swap(fits.links), "engines": swap(fits.engines), "experts": swap(fits.experts)})


def _with_derived(fits: CollectiveFits) -> CollectiveFits:
    """Parameters that no row decides, from the nearest relative that one does (see the notes of the rows)."""
    links = {row.id: row for row in fits.links}
    fabric = next(row for row in fits.experts if row.mode == "low_latency")
    borrowed = {
        "rdma": {
            "fraction": links["efa"].fraction,
            "fill_us": links["efa"].fill_us,
            "launch_us": fabric.across_launch_us,
            "step_us": fabric.across_step_us,
        },
        "efa": {"step_us": fabric.across_step_us},
        "nvlink5-nvl72": {"switch_gain": links["nvlink5"].switch_gain},
        "xgmi": _library(links["nvlink5-nvl72"], "launch_us", "step_us", "fill_us"),
        "torus": _library(links["nvlink5-nvl72"], "fraction", "launch_us", "step_us", "fill_us"),
    }
    across = {name: getattr(fabric, name) for name in ("across_fraction", "across_launch_us", "across_step_us")}
    normal = next(row for row in fits.experts if row.mode == "normal")
    across_normal = {name: getattr(normal, name) for name in across}
    experts = tuple(row.model_copy(update=across if row.mode == "low_latency" else across_normal) for row in fits.experts)
    return fits.model_copy(
        update={"links": tuple(row.model_copy(update=borrowed.get(row.id, {})) for row in fits.links), "experts": experts}
    )


def _library(row: CollectiveLink, *names: str) -> dict[str, float]:
    return {name: getattr(row, name) for name in names}


def _name(row: Fit) -> str:
    if isinstance(row, CollectiveLink):
        return row.id
    return f"{row.engine if isinstance(row, EngineAllReduce) else row.mode} {'+'.join(row.measured_on)}"


def _tier(row: Fit) -> Tier:
    if isinstance(row, CollectiveLink):
        return "scale_out" if _across(row) else "pcie" if row.contention else "scale_up"
    return "scale_up"
