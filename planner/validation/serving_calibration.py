"""Fit of the serving parameters to measured runs: robust, in logarithms, held near what is believed beforehand.

Every parameter is positive and has a prior (`measurements/fitted/serving_priors.yaml`): factors of a chip, a format or a
pair of both shrink towards 1, those of an engine towards what is believed of any engine. Residuals are logarithms of
predicted over measured, in units of what a good model leaves, under a pseudo-Huber loss; a family (model, chip, format)
with many rows counts little more than one with few. The minimum is found by Gauss-Newton steps with finite differences,
so that the same rows give the same file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_db import Hardware
from measurements.engine_kernels import engine_kernels
from measurements.serving_fit import Errors, Interval80, ServingFit, ServingPriors, chip_group, serving_priors
from planner.performance.serving_demand import serving_demand
from planner.performance.serving_efficiency import ServingEfficiencyTable
from planner.search.columns import PRECISIONS, FloatColumn
from planner.validation.serving_runs import Bench, Quantity, ServingRun

# What a good model leaves (measured/README: repeats differ by 20 % in TPOT and 1.6 to 3 times in TTFT at the 90th percentile).
_SCALE: Mapping[Quantity, float] = {"tpot_s": 0.12, "itl_s": 0.18, "output_tokens_per_s": 0.25, "ttft_s": 0.75}
_OPEN_TTFT_SCALE = 1.5  # outside closed loops first tokens hang on servers and routers that the rows do not describe
_TYPICAL_FAMILY = 60  # rows; larger families are weighed down, smaller ones up, by the square root
_WEIGHTS = (0.4, 1.6)
_STEPS = 5
_LONGEST_STEP = 0.5  # of a parameter's logarithm
_DIFFERENCE = 1e-3
_LARGEST_RESIDUAL = 30.0
_SEED, _RESAMPLES = 20260101, 500


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

    def fit(self, logarithms: FloatColumn) -> ServingFit:
        """The parameters as they are stored."""
        tree: dict[str, Any] = {"engines": {}, "groups": {}, "accelerators": {}, "formats": {}, "loads": {}}
        for path, value in zip(self.paths, np.exp(logarithms), strict=True):
            node = tree
            for name in path[:-1]:
                node = node.setdefault(name, {})
            node[path[-1]] = float(f"{value:.5g}")
        tree["engines"]["generic"] = _typical([engine for name, engine in tree["engines"].items() if name != "generic"])
        return ServingFit.model_validate(tree)


def _typical(engines: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Geometric mean of engines: an engine that nobody measured."""
    return {name: float(f"{np.exp(np.mean([np.log(engine[name]) for engine in engines])):.5g}") for name in engines[0]}


def parameters(priors: ServingPriors, runs: Sequence[ServingRun]) -> Parameters:
    """All parameters that `runs` can tell something about, and those of engines that none uses."""
    found: dict[tuple[str, ...], tuple[float, float]] = {("physics", name): prior for name, prior in priors.physics.items()}
    for engine in sorted(set(priors.engines) - {"generic"} | {run.engine for run in runs} - {"generic"}):
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
class Residuals:
    """Which run and quantity each residual belongs to, with its weight."""

    run: NDArray[np.intp]
    quantity: tuple[Quantity, ...]
    measured: FloatColumn
    weight: FloatColumn

    @classmethod
    def of(cls, runs: Sequence[ServingRun]) -> Residuals:
        """One residual for each measured quantity of `runs`."""
        sizes = Counter(run.family for run in runs)
        cells = [(position, name, value) for position, run in enumerate(runs) for name, value in run.measured.items()]
        weights = [
            float(np.clip(np.sqrt(_TYPICAL_FAMILY / sizes[runs[position].family]), *_WEIGHTS)) / _scale(runs[position], name)
            for position, name, _ in cells
        ]
        return cls(
            np.array([position for position, _, _ in cells]),
            tuple(name for _, name, _ in cells),
            np.array([value for _, _, value in cells]),
            np.array(weights),
        )

    def ratios(self, predicted: Mapping[Quantity, FloatColumn]) -> FloatColumn:
        """Predicted over measured."""
        values = np.array([predicted[name][run] for run, name in zip(self.run, self.quantity, strict=True)])
        return np.asarray(values / self.measured)


def _scale(run: ServingRun, quantity: Quantity) -> float:
    return _OPEN_TTFT_SCALE if quantity == "ttft_s" and run.regime != "closed" else _SCALE[quantity]


class Fitting:
    """The least-squares problem of some runs."""

    def __init__(self, runs: Sequence[ServingRun], hardware: Hardware) -> None:
        self.bench = Bench(runs, hardware)
        self.parameters = parameters(serving_priors(), runs)
        self.residuals = Residuals.of(runs)
        self._kernels = engine_kernels()

    def table(self, logarithms: FloatColumn) -> ServingEfficiencyTable:
        """The efficiency that parameters stand for."""
        return ServingEfficiencyTable(self._kernels, self.parameters.fit(logarithms), "")

    def ratios(self, logarithms: FloatColumn) -> FloatColumn:
        """Predicted over measured, one for each residual."""
        return self.residuals.ratios(self.bench.predict(self.table(logarithms)))

    def _misfit(self, logarithms: FloatColumn) -> FloatColumn:
        misfit = np.nan_to_num(np.log(self.ratios(logarithms)) * self.residuals.weight, nan=0.0)
        return np.clip(misfit, -_LARGEST_RESIDUAL, _LARGEST_RESIDUAL)

    def slopes(self, logarithms: FloatColumn) -> FloatColumn:
        """Change of every residual with every free parameter."""
        base, columns = self._misfit(logarithms), []
        for position in self.parameters.free:
            moved = logarithms.copy()
            moved[position] += _DIFFERENCE
            columns.append((self._misfit(moved) - base) / _DIFFERENCE)
        return np.column_stack(columns)

    def step(self, logarithms: FloatColumn, slopes: FloatColumn, kept: NDArray[np.bool_]) -> FloatColumn:
        """One Gauss-Newton step on the residuals that are `kept`, under the robust loss and the priors."""
        free, spread = self.parameters.free, self.parameters.spread
        misfit = self._misfit(logarithms)
        robust = (1.0 + misfit * misfit) ** -0.25  # square root of the pseudo-Huber weight
        prior = np.diag(1.0 / spread[free])
        matrix = np.vstack([(slopes * robust[:, None])[kept], prior])
        offset = np.concatenate([(misfit * robust)[kept], (logarithms - self.parameters.central)[free] / spread[free]])
        change = np.linalg.lstsq(matrix, -offset, rcond=None)[0]
        moved = logarithms.copy()
        moved[free] += np.clip(change, -_LONGEST_STEP, _LONGEST_STEP)
        return moved

    def best(self) -> tuple[FloatColumn, FloatColumn]:
        """Fitted parameters (logarithms) and the slopes there."""
        logarithms = self.parameters.central.copy()
        kept = np.ones(len(self.residuals.run), np.bool_)
        for _ in range(_STEPS):
            logarithms = self.step(logarithms, self.slopes(logarithms), kept)
        return logarithms, self.slopes(logarithms)

    def left_out_ratios(self, logarithms: FloatColumn, slopes: FloatColumn, steps: int = 3) -> FloatColumn:
        """Predicted over measured of each family by parameters fitted to the others.

        Leaving a family out moves the parameters little, so that the slopes of the whole fit serve for its steps.
        """
        ratios = np.full(len(self.residuals.run), np.nan)
        for _, members in self._families():
            moved = logarithms
            for _ in range(steps):
                moved = self.step(moved, slopes, ~members)
            ratios[members] = self.ratios(moved)[members]
        return ratios

    def _families(self) -> Iterator[tuple[tuple[str, str, str], NDArray[np.bool_]]]:
        families = [self.bench.runs[position].family for position in self.residuals.run]
        for family in sorted(set(families)):
            yield family, np.array([own == family for own in families])


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `rackwright calibrate` writes and reports."""

    fit: ServingFit
    text: str  # of serving.yaml


def calibrate_serving(runs: Sequence[ServingRun], hardware: Hardware) -> Calibration:
    """Fit the parameters to `runs`; errors are of families that the parameters were not fitted to."""
    fitting = Fitting(runs, hardware)
    logarithms, slopes = fitting.best()
    ratios = fitting.left_out_ratios(logarithms, slopes)
    quantities = np.array(fitting.residuals.quantity)
    families = np.array(["|".join(runs[position].family) for position in fitting.residuals.run])
    sources = np.array([runs[position].source for position in fitting.residuals.run])
    errors = {
        f"{source} {quantity}": family_errors(np.abs(ratios - 1.0)[chosen], families[chosen])
        for source in sorted(set(sources))
        for quantity in sorted(set(quantities[sources == source]))
        if (chosen := (quantities == quantity) & (sources == source)).any()
    }
    experts = np.array([bool(serving_demand(runs[position].architecture).experts) for position in fitting.residuals.run])
    known = {"errors": errors, "intervals": intervals(ratios, quantities, experts)}
    fit = fitting.parameters.fit(logarithms).model_copy(update=known)
    return Calibration(fit, serving_yaml(fit))


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
    lines += ["physics:", *(f"  {name}: {value:.5g}" for name, value in tree.pop("physics").items())]
    for section, records in tree.items():
        if not records:
            continue
        lines.append(f"{section}:")
        for name in sorted(records):
            cells = ", ".join(f"{key}: {value:.5g}" for key, value in records[name].items())
            lines.append(f"  {name}: {{{cells}}}")
    return "\n".join(lines) + "\n"
