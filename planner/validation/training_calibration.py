"""Calibration of training efficiency: measured runs in, `measurements/fitted/training.yaml` out (method section 3.9).

Every parameter has a meaning and a prior. A row depends on the physics, on one accelerator, one number format, one pair of
both, one software stack and one of its releases; errors are reported for rows whose family (model, accelerator, format),
accelerator or release was left out of the fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from facts.yaml_files import Yaml, parse_yaml
from measurements.training_efficiency import NEUTRAL, Software, TrainingEfficiency, TrainingPhysics, parse_software
from planner.cluster.platform import platforms
from planner.library import Library
from planner.performance.efficiency import TRANSFER, Condition, Efficiency, Factors, efficiency
from planner.performance.relatives import generation, nearest_relative, power_ratio
from planner.performance.robust_fit import Fit, Problem, refit_without
from planner.search.columns import PRECISIONS, BoolColumn, FloatColumn
from planner.validation.training_candidates import candidates
from planner.validation.training_runs import TrainingRun

_PHYSICS = tuple(item.name for item in fields(TrainingPhysics))
Place = tuple[str, Condition]  # accelerator, and under what it runs


@dataclass(frozen=True, slots=True)
class Priors:
    """`training_priors.yaml`: values and spreads (in logarithms)."""

    physics: Mapping[str, tuple[float, float]]
    spreads: Mapping[str, float]
    software: Mapping[str, Software]  # what is known of stacks, unfitted

    @classmethod
    def parse(cls, content: bytes) -> Priors:
        """From the YAML text."""
        top = _mapping(parse_yaml(content, "training_priors.yaml"))
        physics = {
            name: (_float(_mapping(row), "value"), _float(_mapping(row), "spread")) for name, row in _mapping(top["physics"]).items()
        }
        spreads = {name: _float(top, name) for name in top if name.endswith("_spread")}
        return cls(physics, spreads, {name: parse_software(_mapping(row)) for name, row in _mapping(top["software"]).items()})


def _mapping(raw: Yaml) -> Mapping[str, Yaml]:
    return raw if isinstance(raw, dict) else {}


def _float(row: Mapping[str, Yaml], key: str) -> float:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


@dataclass(frozen=True, slots=True)
class Names:
    """The parameters in order, as (kind, key); all are logarithms. Kinds beyond physics are factors with prior 1."""

    items: tuple[tuple[str, Hashable], ...]

    @classmethod
    def of(cls, runs: Iterable[TrainingRun]) -> Names:
        """Those that any of `runs` depends on."""
        found: dict[tuple[str, Hashable], None] = {("physics", name): None for name in _PHYSICS}
        for run in runs:
            found.update(dict.fromkeys(_of_run(run)))
        return cls(tuple(found))

    def positions(self) -> Mapping[tuple[str, Hashable], int]:
        """Where each stands."""
        return {item: index for index, item in enumerate(self.items)}


def _of_run(run: TrainingRun) -> Iterable[tuple[str, Hashable]]:
    """The factors that a run depends on."""
    precision = PRECISIONS[run.precision]
    yield "accelerator", run.accelerator
    if precision != "bf16":
        yield "format", precision
    yield "pair", (run.accelerator, precision)
    yield "attention", run.accelerator
    if run.condition.recipe:
        yield "recipe", run.condition.recipe
    yield "stack", run.stack
    yield "traffic", run.stack
    yield "stack_attention", run.stack
    if run.release:
        yield "release", (run.stack, run.release)
    if run.experts and precision != "bf16":
        yield "experts", precision
    if run.experts:
        yield "stack_experts", run.stack
    if run.experts and run.release:
        yield "release_experts", (run.stack, run.release)


_KINDS = (
    "accelerator",
    "format",
    "pair",
    "attention",
    "experts",
    "recipe",
    "stack",
    "traffic",
    "stack_attention",
    "release",
    "stack_experts",
    "release_experts",
)


def place_of(run: TrainingRun) -> Place:
    """What a platform row stands for in calibration: equal places have equal rates."""
    return run.accelerator, run.condition


class Calibration:
    """Measured runs prepared for fitting: their candidates, their platforms and the parameters they depend on."""

    def __init__(self, runs: Iterable[TrainingRun], measured_s: Iterable[float], library: Library, priors: Priors) -> None:
        self.runs = tuple(runs)
        self.observed = np.log(np.array(list(measured_s)))
        self.places = tuple(dict.fromkeys(place_of(run) for run in self.runs))
        self.platforms = platforms(library.hardware, [place[0] for place in self.places])
        self.reached = library.training_efficiency.reached(self.platforms)
        row_of = {place: row for row, place in enumerate(self.places)}
        rows = [row_of[place_of(run)] for run in self.runs]
        domains = [int(self.platforms.scale_up_domain[row]) for row in rows]
        self.groups = tuple(group.that_fit(self.platforms) for group in candidates(self.runs, rows, domains))
        self.names = Names.of(self.runs)
        self.software = priors.software
        self.position = self.names.positions()
        self.prior, self.deviation = self._prior(priors)

    def _prior(self, priors: Priors) -> tuple[FloatColumn, FloatColumn]:
        values, spreads = [], []
        for kind, key in self.names.items:
            value, spread = priors.physics[str(key)] if kind == "physics" else (1.0, priors.spreads[f"{kind}_spread"])
            values.append(np.log(value))
            spreads.append(spread)
        return np.array(values), np.array(spreads)

    def parameters_of(self, fitted: TrainingEfficiency) -> FloatColumn:
        """The parameter vector that an earlier fit stands for; what it does not know stays neutral."""
        values: dict[tuple[str, Hashable], float] = {("physics", name): getattr(fitted.physics, name) for name in _PHYSICS}
        for chip, row in fitted.accelerators.items():
            values |= {("accelerator", chip): row.rate, ("attention", chip): row.attention}
        values |= {("pair", pair): value for pair, value in fitted.pairs.items()}
        for kind, factors in (("format", fitted.formats), ("experts", fitted.experts), ("recipe", fitted.recipes)):
            values |= {(kind, key): value for key, value in factors.items()}
        for stack, software in fitted.software.items():
            values |= {("stack", stack): software.dense, ("stack_experts", stack): software.moe / software.dense}
            values |= {("traffic", stack): software.traffic, ("stack_attention", stack): software.attention}
            for release, (dense, moe) in software.releases.items():
                values |= {("release", (stack, release)): dense, ("release_experts", (stack, release)): moe / dense}
        return np.log([values.get(item, 1.0) for item in self.names.items])

    def physics(self, parameters: FloatColumn) -> TrainingPhysics:
        """The physics part of a parameter vector."""
        return TrainingPhysics(**{name: float(np.exp(parameters[self.position["physics", name]])) for name in _PHYSICS})

    def _value(self, parameters: FloatColumn, kind: str, key: Hashable) -> float:
        position = self.position.get((kind, key))
        return 0.0 if position is None else float(parameters[position])

    def efficiency(self, parameters: FloatColumn) -> Efficiency:
        """Rates of all places under a parameter vector."""

        def log(kind: str, key: Hashable) -> float:
            return self._value(parameters, kind, key)

        physics = self.physics(parameters)
        software = [self.software.get(condition.stack, NEUTRAL) for _, condition in self.places]
        older = [row.attention_on(generation(chip), physics) for chip, row in zip(self.platforms.accelerators, software, strict=True)]
        formats = [log("format", precision) for precision in PRECISIONS]
        chips = [chip for chip, _ in self.places]
        conditions = [condition for _, condition in self.places]
        limited = np.log([condition.power_share for condition in conditions]) * physics.power
        rates = np.array([log("accelerator", chip) for chip in chips]) + limited
        pairs = np.array([[formats[i] + log("pair", (chip, precision)) for i, precision in enumerate(PRECISIONS)] for chip in chips])
        dense = np.array([log("stack", c.stack) + log("release", (c.stack, c.release)) for c in conditions])
        extra = np.array([log("stack_experts", c.stack) + log("release_experts", (c.stack, c.release)) for c in conditions])
        factors = Factors(
            products=np.exp(rates[:, None] + pairs),
            experts=np.tile(np.exp([log("experts", precision) for precision in PRECISIONS]), (len(chips), 1)),
            attention=np.exp(rates + [log("attention", chip) + log("stack_attention", c.stack) for chip, c in self.places]) * older,
            memory=np.array([c.bandwidth_share for c in conditions]),
            traffic=np.exp([log("traffic", c.stack) for c in conditions]),
            quantisation=np.exp([log("recipe", c.recipe) for c in conditions]),
            dense=np.exp(dense),
            moe=np.exp(dense + extra),
            score_bytes=np.array([row.score_bytes for row in software]),
            fuses_experts=np.array([row.fuses_experts(c.release, c.recipe) for row, c in zip(software, conditions, strict=True)]),
        )
        return efficiency(self.reached, factors, physics, (), calibrated=True)

    def log_step_s(self, parameters: FloatColumn) -> FloatColumn:
        """Logarithm of the predicted step time of every run: its fastest variant."""
        rates = self.efficiency(parameters)
        index = {run: position for position, run in enumerate(self.runs)}
        predicted = np.empty(len(self.runs))
        for group in self.groups:
            fastest = np.full(len(group.runs), np.inf)
            np.minimum.at(fastest, group.run_of_variant, group.step_s(self.platforms, rates))
            predicted[[index[run] for run in group.runs]] = np.log(fastest)
        return predicted

    def problem(self) -> Problem:
        """The fit to all runs. Repeats of one configuration share their weight as if half of their scatter were common."""
        same = [(run.family, run.layout, run.devices, run.global_batch, run.sequence_tokens) for run in self.runs]
        repeats = Counter(same)
        kinds = {kind: [index for index, item in enumerate(self.names.items) if item[0] == kind] for kind in _KINDS}
        depends = np.full((len(_KINDS), len(self.runs)), -1, dtype=np.intp)
        for row, run in enumerate(self.runs):
            for kind, key in _of_run(run):
                depends[_KINDS.index(kind), row] = self.position[kind, key]
        return Problem(
            model=self.log_step_s,
            observed=self.observed,
            weights=np.array([repeats[key] ** -0.5 for key in same]),
            prior=self.prior,
            prior_deviation=self.deviation,
            disjoint=tuple(np.array(kinds[kind], dtype=np.intp) for kind in _KINDS),
            depends=depends,
        )

    def left_out(self, problem: Problem, full: Fit, group_of: Callable[[TrainingRun], Hashable | None]) -> FloatColumn:
        """Log predictions of every run by a fit that did not see its group; NaN where the group is None."""
        groups: dict[Hashable, list[int]] = {}
        for row, run in enumerate(self.runs):
            key = group_of(run)
            if key is not None:
                groups.setdefault(key, []).append(row)
        predicted = np.full(len(self.runs), np.nan)
        for rows in groups.values():
            mask = np.zeros(len(self.runs), dtype=bool)
            mask[rows] = True
            parameters = self._borrowed(refit_without(problem, full, mask), ~mask)
            predicted[rows] = self.log_step_s(parameters)[rows]
        return predicted

    def _borrowed(self, parameters: FloatColumn, kept: BoolColumn) -> FloatColumn:
        """Parameters with those of accelerators and releases that no kept run has, as prediction fills them in for the unknown."""
        seen = [run for run, keep in zip(self.runs, kept, strict=True) if keep]
        filled = parameters.copy()
        self._borrow_accelerators(filled, {run.accelerator for run in seen})
        releases = {(run.stack, run.release) for run in seen}
        for kind, key in self.names.items:
            if kind in ("release", "release_experts") and key not in releases and isinstance(key, tuple):
                known = sorted(release for stack, release in releases if stack == key[0])
                older = [release for release in known if release <= key[1]]
                nearest = older[-1] if older else known[-1] if known else None
                filled[self.position[kind, key]] = self._value(parameters, kind, (key[0], nearest))
        return filled

    def _borrow_accelerators(self, parameters: FloatColumn, seen: Container[str]) -> None:
        """Fill in the factors of accelerators that are not among those `seen`."""
        chips = {chip.id: chip for chip in self.platforms.accelerators}
        known = {name: chip for name, chip in chips.items() if name in seen}
        power = self.physics(parameters).power
        for kind, key in self.names.items:
            name, rest = (str(key[0]), key[1:]) if kind == "pair" and isinstance(key, tuple) else (str(key), ())
            if kind in ("accelerator", "attention", "pair") and name not in known:
                relative = nearest_relative(chips[name], known)
                clock = power * np.log(power_ratio(chips[name], chips[relative])) if kind == "accelerator" else 0.0
                theirs = self._value(parameters, kind, (relative, *rest) if rest else relative)
                parameters[self.position[kind, key]] = TRANSFER * theirs + clock
