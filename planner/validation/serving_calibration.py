"""Fit of the serving parameters to measured runs: robust, in logarithms, held near what is believed beforehand.

Every parameter is positive and has a prior (`measurements/fitted/serving_priors.yaml`): factors of a chip or a format shrink
towards 1, those of an engine towards what is believed of any engine. Residuals are logarithms of predicted over measured, in
units of what a good model leaves; a family (model, chip, format) with many rows counts little more than one with few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_db import Hardware
from measurements.engine_kernels import engine_kernels
from measurements.serving_fit import Errors, Interval80, ServingFit, ServingPriors, chip_group, serving_priors
from planner.performance.robust_fit import Fit, Problem, fit, refit_without
from planner.performance.serving_demand import serving_demand
from planner.performance.serving_efficiency import ServingEfficiencyTable
from planner.search.columns import PRECISIONS, FloatColumn
from planner.validation.serving_runs import Bench, Quantity, ServingRun, run_slices

# What a good model leaves (measured/README: repeats differ by 20 % in TPOT and 1.6 to 3 times in TTFT at the 90th percentile).
_SCALE: Mapping[Quantity, float] = {"tpot_s": 0.12, "itl_s": 0.18, "output_tokens_per_s": 0.25, "ttft_s": 0.75}
_OPEN_TTFT_SCALE = 1.0  # outside closed loops first tokens hang on servers and routers that the rows do not describe
_TYPICAL_FAMILY = 60  # rows; larger families are weighed down, smaller ones up, by the square root
_WEIGHTS = (0.4, 1.6)
# Sections of the fit of which a run depends on one record, and on which.
_RECORDS: Mapping[str, Callable[[ServingRun], str]] = {
    "engines": lambda run: run.engine,
    "groups": lambda run: chip_group(run.accelerator),
    "accelerators": lambda run: run.accelerator,
    "formats": lambda run: PRECISIONS[run.precision],
    "loads": lambda run: run.harness,
}
_SHARED_FORMAT = ("formats", "bf16")  # heads, and mixers of 4-bit expert models, are in it whatever the run's own format
_ANY_ENGINE = "generic"  # stands for engines that nobody measured
_SEED, _RESAMPLES = 20260101, 500
_LEAST_ROWS = 20  # of a slice that is reported, but for
_ALWAYS = ("all", "regime")


@dataclass(frozen=True, slots=True)
class Parameters:
    """Paths into `serving.yaml` with the prior of each; those with no spread are not fitted."""

    paths: tuple[tuple[str, ...], ...]
    central: FloatColumn  # logarithms
    spread: FloatColumn

    @property
    def free(self) -> NDArray[np.intp]:
        """Positions of what is fitted."""
        return np.flatnonzero(self.spread > 0)

    def fit(self, free: FloatColumn) -> ServingFit:
        """The parameters as they are stored, from the logarithms of those that are fitted."""
        logarithms = self.central.copy()
        logarithms[self.free] = free
        tree: dict[str, Any] = {"engines": {}, "groups": {}, "accelerators": {}, "formats": {}, "loads": {}}
        for path, value in zip(self.paths, np.exp(logarithms), strict=True):
            node = tree
            for name in path[:-1]:
                node = node.setdefault(name, {})
            node[path[-1]] = float(f"{value:.5g}")
        return ServingFit.model_validate(tree)


def parameters(priors: ServingPriors, runs: Sequence[ServingRun]) -> Parameters:
    """All parameters that `runs` can tell something about, and those of engines that none uses."""
    found: dict[tuple[str, ...], tuple[float, float]] = {("physics", name): prior for name, prior in priors.physics.items()}
    for engine in sorted({_ANY_ENGINE, *priors.engines, *(run.engine for run in runs)}):
        own = {**priors.engine, **priors.engines.get(engine, {})}
        found |= {("engines", engine, name): prior for name, prior in own.items()}
    measured = engine_kernels().accelerators
    chips = sorted({run.accelerator for run in runs})
    for group in sorted({chip_group(chip) for chip in chips if chip not in measured}):
        found |= {("groups", group, name): prior for name, prior in priors.group.items()}
    for chip in chips:
        found |= {("accelerators", chip, name): prior for name, prior in priors.accelerator.items()}
    for precision in sorted({run.precision for run in runs}):
        found |= {("formats", PRECISIONS[precision], name): prior for name, prior in priors.format.items()}
    for harness in sorted({run.harness for run in runs} - {""}):
        found |= {("loads", harness, name): prior for name, prior in priors.load.items()}
    central = np.log([value for value, _ in found.values()])
    return Parameters(tuple(found), central, np.array([spread for _, spread in found.values()]))


@dataclass(frozen=True, slots=True)
class Observations:
    """Measured quantities, each with the run it belongs to and its noise: the scale of a good model's misses over a weight."""

    run: NDArray[np.intp]
    quantity: tuple[Quantity, ...]
    measured: FloatColumn
    noise: FloatColumn

    @classmethod
    def of(cls, runs: Sequence[ServingRun]) -> Observations:
        """One for each measured quantity of `runs`."""
        sizes = Counter(run.family for run in runs)
        cells = [(position, name, value) for position, run in enumerate(runs) for name, value in run.measured.items()]
        weights = [np.clip(np.sqrt(_TYPICAL_FAMILY / sizes[runs[position].family]), *_WEIGHTS) for position, _, _ in cells]
        return cls(
            np.array([position for position, _, _ in cells]),
            tuple(name for _, name, _ in cells),
            np.array([value for _, _, value in cells]),
            np.array([_scale(runs[position], name) for position, name, _ in cells]) / np.array(weights),
        )


def _scale(run: ServingRun, quantity: Quantity) -> float:
    return _OPEN_TTFT_SCALE if quantity == "ttft_s" and run.regime != "closed" else _SCALE[quantity]


class Fitting:
    """The fit to some runs, and what it predicts for families it did not see."""

    def __init__(self, runs: Sequence[ServingRun], hardware: Hardware) -> None:
        self.bench = Bench(runs, hardware)
        self.parameters = parameters(serving_priors(), runs)
        self.observations = Observations.of(runs)
        self._kernels = engine_kernels()

    def predicted(self, free: FloatColumn) -> FloatColumn:
        """Every observation as the parameters predict it."""
        found = self.bench.predict(ServingEfficiencyTable(self._kernels, self.parameters.fit(free), ""))
        return np.array([found[name][run] for run, name in zip(self.observations.run, self.observations.quantity, strict=True)])

    @cached_property
    def problem(self) -> Problem:
        """Least squares in logarithms. Rows of one engine do not depend on another's parameters: those move together."""
        free = [self.parameters.paths[position] for position in self.parameters.free]
        sets: dict[tuple[str, str], dict[str, int]] = {}
        for column, path in enumerate(free):
            if path[0] in _RECORDS and path[:2] != _SHARED_FORMAT:
                sets.setdefault((path[0], path[-1]), {})[path[1]] = column
        runs = [self.bench.runs[position] for position in self.observations.run]
        return Problem(
            model=lambda parameters: np.log(self.predicted(parameters)),
            observed=np.log(self.observations.measured),
            weights=np.ones(len(runs)),
            prior=self.parameters.central[self.parameters.free],
            prior_deviation=self.parameters.spread[self.parameters.free],
            disjoint=tuple(np.array(list(members.values())) for members in sets.values()),
            depends=np.array([[members.get(_RECORDS[section](run), -1) for run in runs] for (section, _), members in sets.items()]),
            noise=self.observations.noise,
        )

    def left_out(self, full: Fit) -> FloatColumn:
        """Every observation as predicted by parameters fitted to all families but its own."""
        families = np.array(["|".join(self.bench.runs[position].family) for position in self.observations.run])
        predicted = np.full(len(families), np.nan)
        for family in np.unique(families):
            members = families == family
            predicted[members] = self.predicted(refit_without(self.problem, full, members))[members]
        return predicted


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `rackwright calibrate serving` writes: the fit with its errors on families that it did not see, and its text."""

    fit: ServingFit
    text: str  # of serving.yaml


def calibrate_serving(runs: Sequence[ServingRun], hardware: Hardware, inputs: str) -> Calibration:
    """Fit the parameters to `runs`, whose `inputs` have that digest; errors are of families that the parameters were not fitted to."""
    fitting = Fitting(runs, hardware)
    whole = fit(fitting.problem)
    ratios = fitting.left_out(whole) / fitting.observations.measured
    experts = np.array([bool(serving_demand(runs[position].architecture).experts) for position in fitting.observations.run])
    known = {
        "errors": dict(_errors(fitting, ratios, hardware)),
        "intervals": intervals(ratios, np.array(fitting.observations.quantity), experts),
        "inputs": inputs,
    }
    found = fitting.parameters.fit(whole.parameters).model_copy(update=known)
    return Calibration(found, serving_yaml(found))


def _errors(fitting: Fitting, ratios: FloatColumn, hardware: Hardware) -> Iterator[tuple[str, Errors]]:
    """Errors by table and quantity, of all observations and of those with one property in common."""
    runs, saturation = fitting.bench.runs, fitting.bench.saturation()
    families = np.array(["|".join(runs[position].family) for position in fitting.observations.run])
    members: dict[tuple[str, str, str, str], list[int]] = {}
    for row, (position, quantity) in enumerate(zip(fitting.observations.run, fitting.observations.quantity, strict=True)):
        properties = dict(run_slices(runs[position], hardware, saturated=bool(saturation[position] > 1.0)))
        table = properties.pop("table", "")
        for by, key in (("all", ""), *properties.items()):
            members.setdefault((table, quantity, by, key), []).append(row)
    for (table, name, by, key), rows in sorted(members.items()):
        if len(rows) >= _LEAST_ROWS or by in _ALWAYS:
            yield " ".join(filter(None, (table, name, by, key))), family_errors(np.abs(ratios[rows] - 1.0), families[rows])


def family_errors(errors: FloatColumn, families: NDArray[np.str_]) -> Errors:
    """Median and 90th percentile of relative errors, with the 5 to 95 % range of the median over resampled families."""
    names = np.unique(families)
    members = [errors[families == name] for name in names]
    draws = np.random.default_rng(_SEED).integers(0, len(names), (_RESAMPLES, len(names)))
    medians = [float(np.median(np.concatenate([members[name] for name in draw]))) for draw in draws]
    low, high = np.quantile(medians, [0.05, 0.95])
    figures = float(np.median(errors)), float(low), float(high), float(np.quantile(errors, 0.9))
    return Errors(
        rows=len(errors),
        families=len(names),
        **dict(zip(("median", "median_low", "median_high", "p90"), (round(figure, 4) for figure in figures), strict=True)),
    )


def intervals(ratios: FloatColumn, quantities: NDArray[np.str_], experts: NDArray[np.bool_]) -> dict[str, Interval80]:
    """Range of measured over predicted that holds four of five left-out runs, by quantity and kind of model."""
    found: dict[str, Interval80] = {}
    for quantity in sorted(set(quantities)):
        for kind, members in (("dense", ~experts), ("moe", experts)):
            chosen = (quantities == quantity) & members
            if chosen.any():
                low, high = np.quantile(1.0 / ratios[chosen], [0.1, 0.9])
                found[f"{quantity} {kind}"] = Interval80(low=round(float(low), 4), high=round(float(high), 4))
    return found


def serving_yaml(fit: ServingFit) -> str:
    """`serving.yaml`: one line a record, in a fixed order."""
    lines = ["# Serving parameters fitted to measured runs by `rackwright calibrate`; meanings and priors in serving_priors.yaml."]
    tree = fit.model_dump()
    lines += [f'inputs: "{tree.pop("inputs")}"']
    lines += ["physics:", *(f"  {name}: {value:.5g}" for name, value in tree.pop("physics").items())]
    for section, records in tree.items():
        if not records:
            continue
        lines.append(f"{section}:")
        for name in sorted(records):
            cells = ", ".join(f"{key}: {value:.5g}" for key, value in records[name].items())
            lines.append(f"  {name}: {{{cells}}}")
    return "\n".join(lines) + "\n"
