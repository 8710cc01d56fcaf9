"""Training: the search for runs, and what is recommended of what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from measurements.training_efficiency import training_efficiency
from planner.answer import Interval, MemoryUse, Performance, Recommendation, Strategy
from planner.economics.cost import SECONDS_PER_DAY
from planner.exact import designs
from planner.explain.bottleneck import bottleneck
from planner.explain.roofline import Phase, roofline, training_phase
from planner.goals import Goal
from planner.ground import Ground
from planner.hosts import training_host_needs
from planner.memory.training import TrainingMemory, training_memory
from planner.outcomes import Account, Outcomes
from planner.performance.micro_batch import Shares
from planner.recommend import Described, Recommend, recommendations
from planner.search.best_first import Rows
from planner.search.columns import PRECISIONS, RECOMPUTES, SCHEDULES, TrainingColumns
from planner.search.shape import ModelShape
from planner.training.model import Evaluated, TrainedModel
from planner.training.search import TrainingSearch


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """The search for runs of a trained model."""

    model: TrainedModel

    @property
    def ground(self) -> Ground:
        """What the candidates stand on."""
        return self.model.ground

    def search(self, goal: Goal, progress: Callable[[float], None]) -> tuple[Outcomes[TrainingColumns], Account[TrainingColumns]]:
        """The runs that `goal` looks for, and the account."""
        return TrainingSearch.of(self.model, goal).run(progress)

    def exact(self, chosen: Outcomes[TrainingColumns]) -> tuple[Outcomes[TrainingColumns], Recommend]:
        """The rows of `chosen` with their exact clusters, and what makes recommendations of some of them."""
        memory = training_memory(self.ground.subject.architecture, self.model.workload, chosen.columns)
        needs = training_host_needs(self.ground, self.model.workload, chosen.columns.platform, chosen.servers, memory)
        clusters = designs(self.ground, chosen, needs)
        known = self.model.evaluate(chosen.columns, memory.total_bytes, clusters)

        def recommend(order: Rows) -> tuple[Recommendation, ...]:
            describe = partial(self._described, known, memory, self._phase(known))
            return recommendations(self.ground, known.outcomes, known.charges, clusters, order, describe)

        return known.outcomes, recommend

    def _phase(self, known: Evaluated) -> Phase:
        """What one device does in a step."""
        columns = known.outcomes.columns
        shares = Shares.of(columns, np.full(len(columns), float(self.model.workload.sequence_tokens)), self.ground.platforms)
        return training_phase(self.ground.subject.architecture, self.model.workload.method, shares, known.step)

    def _described(self, known: Evaluated, memory: TrainingMemory, phase: Phase, row: int) -> Described:
        outcomes, step = known.outcomes, known.step
        run_s, tokens_per_s = float(outcomes.time_s[row]), float(outcomes.tokens_per_s[row])
        deadline_s = self.model.workload.deadline_days * SECONDS_PER_DAY
        return Described(
            strategy=_strategy(outcomes.columns, row),
            performance=Performance(
                tokens_per_s=tokens_per_s,
                tokens_per_s_per_device=tokens_per_s / int(known.outcomes.columns.devices[row]),
                step_s=float(step.step_s[row]),
                mfu=float(step.mfu[row]),
                run_s=run_s,
                calibrated=step.calibrated,
                interval=self._interval(tokens_per_s, int(outcomes.columns.platform[row])),
            ),
            memory=self._memory_use(memory, int(outcomes.columns.platform[row]), row),
            bottleneck=bottleneck(step.parts_s, step.resources_s, row),
            roofline=roofline((phase,), self.ground.platforms, int(outcomes.columns.platform[row]), row),
            headroom={} if self.model.workload.devices else {"deadline": 1.0 - run_s / deadline_s},
            tokens=self.model.workload.tokens,
            period_s=run_s,
        )

    def _interval(self, tokens_per_s: float, platform: int) -> Interval | None:
        """Throughput between which four of five unseen measured runs fell, by kind of model and whether the chip has runs."""
        borrowed = bool(self.model.efficiency.borrowed_from[platform])
        experts = ModelShape.of(self.ground.subject.architecture).experts > 0
        low, high = training_efficiency().step_time_interval(experts=experts, borrowed=borrowed)
        return Interval(low=tokens_per_s / high, high=tokens_per_s / low, coverage=0.8) if low > 0 else None

    def _memory_use(self, memory: TrainingMemory, platform: int, row: int) -> MemoryUse:
        capacity = float(self.ground.platforms.memory_bytes[platform])
        names = ("weights", "gradients", "optimizer", "activations", "logits", "buffers", "overhead")
        return MemoryUse(
            parts={name: float(getattr(memory, f"{name}_bytes")[row]) for name in names},
            used_bytes=float(memory.total_bytes[row]),
            capacity_bytes=capacity,
            reserve_bytes=capacity * self.ground.request.assumptions.memory_reserve,
            host_bytes=float(memory.host_bytes[row]),
            nvme_bytes=float(memory.nvme_bytes[row]),
        )


def _strategy(columns: TrainingColumns, row: int) -> Strategy:
    plain = ("tp", "pp", "virtual_stages", "cp", "ep", "dp", "zero_stage", "micro_batch")
    return Strategy(
        **{name: int(getattr(columns, name)[row]) for name in plain},
        schedule=SCHEDULES[columns.schedule[row]],
        recompute=RECOMPUTES[columns.recompute[row]],
        precision=PRECISIONS[columns.precision[row]],
    )
