"""Fit of the collective model to measured rows: few physical parameters by kind of link, least squares on log time.

A parameter set is fitted to all rows of its link; beside its error stands that of rows which a fit did not see
(leave-one-group-out, a group being an accelerator, an operation and a number of ranks, or a size on the fabric).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardware_db.catalog import Hardware
from measurements.collectives import (
    CollectiveFits,
    CollectiveLink,
    EngineAllReduce,
    ExpertKernel,
    MeasuredCollectives,
    Tier,
    measured_collectives,
    measured_expert_exchanges,
)
from planner.cluster.platform import Platforms, expert_network, platforms
from planner.performance.collectives import Network, all_gather_s, all_reduce_s, all_to_all_s, expert_exchange_s
from planner.search.columns import FloatColumn

Rows = NDArray[np.intp]
Fit: TypeAlias = CollectiveLink | EngineAllReduce | ExpertKernel

_LIBRARIES = ("nccl", "rccl")
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


def fit_collectives(
    hardware: Hardware, fits: CollectiveFits, only: Collection[str] | None = None
) -> tuple[CollectiveFits, tuple[FitErrors, ...]]:
    """All parameter sets, or those named, fitted anew, starting from `fits`, which says what was measured on which link."""
    errors = []
    inside, across = ([row for row in fits.links if _across(row) is side] for side in (False, True))
    rows: list[Fit] = [*inside, *fits.engines, *fits.experts, *across]  # the fabric borrows from all the others
    for row in rows:
        measured = measured_expert_exchanges() if isinstance(row, ExpertKernel) else measured_collectives()
        chosen = _rows_of(row, measured, fits.engines)
        if chosen.size and (only is None or row.name in only):
            parameters = _least_squares(row, hardware, fits, measured, chosen)
            fits = _replaced(fits, row, parameters)
            error = _errors(row, hardware, fits, measured, chosen)
            fits = _with_borrowed(_replaced(fits, row, parameters | _quality(error.held_out)))
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
        one = platforms(hardware, [str(accelerator)], fabric_ids=[str(fabric)], engine=str(software), fits=fits, as_measured=True)
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


def _rows_of(row: Fit, measured: MeasuredCollectives, engines: Sequence[EngineAllReduce]) -> Rows:
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
    if row.tier == "host_bus":  # where an engine has no kernel of its own it calls the library
        library = np.full(library.shape, fill_value=True)
        for engine in engines:
            library &= ~(
                (text["software"] == engine.engine)
                & np.isin(text["scale_up_link"], engine.measured_on)
                & (number["ranks"] <= engine.limit_ranks)
            )
    return np.flatnonzero(measured.used & ~crosses & on_link & library)


def _across(row: Fit) -> bool:
    return isinstance(row, CollectiveLink) and row.tier == "scale_out"


def _free(row: Fit, rows: Rows) -> list[str]:
    """Names of the parameters that the rows can decide."""
    if rows.size < _LEAST_ROWS:
        return ["fraction"]
    if isinstance(row, EngineAllReduce):
        names = ["fraction", "launch_us", "barrier_us"]
    elif isinstance(row, ExpertKernel):
        names = ["fraction", "launch_us", "step_us", "across_fraction", "across_launch_us", "across_step_us"]
    else:
        names = ["fraction", "launch_us", "step_us", "fill_us"]
        names += ["switch_gain"] if row.switch_ranks < np.inf else []
        names += ["contention"] if row.contention else []
    return [name for name in names if name not in row.borrowed]


def _least_squares(row: Fit, hardware: Hardware, fits: CollectiveFits, measured: MeasuredCollectives, rows: Rows) -> dict[str, float]:
    """The parameters of `row` that fit `rows` best; a size limit is tried at each power of two."""
    limits = _LIMITS_BYTES if isinstance(row, EngineAllReduce) else (None,)
    tried = [_descend(row, hardware, fits, measured, rows, {} if limit is None else {"limit_bytes": float(limit)}) for limit in limits]
    return min(tried, key=lambda pair: pair[0])[1]


def _descend(
    row: Fit, hardware: Hardware, fits: CollectiveFits, measured: MeasuredCollectives, rows: Rows, fixed: dict[str, float]
) -> tuple[float, dict[str, float]]:
    from scipy.optimize import least_squares  # noqa: PLC0415 heavy, and only calibration needs it

    names = _free(row, rows)
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
    return FitErrors(
        row.name, row.tier if isinstance(row, CollectiveLink) else "scale_up", np.abs(fitted / actual - 1), np.abs(held_out / actual - 1)
    )


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
        return tuple(old.model_copy(update=parameters) if old.name == row.name else old for old in rows)

    return fits.model_copy(update={"links": swap(fits.links), "engines": swap(fits.engines), "experts": swap(fits.experts)})


def _with_borrowed(fits: CollectiveFits) -> CollectiveFits:
    """Parameters that no row decides, from the nearest relative that has one."""
    rows: list[Fit] = [*fits.links, *fits.engines, *fits.experts]
    known = {row.name: row for row in rows}
    for row in known.values():
        sources = {parameter: source.split("/") for parameter, source in row.borrowed.items()}
        fits = _replaced(fits, row, {parameter: getattr(known[name], theirs) for parameter, (name, theirs) in sources.items()})
    return fits
