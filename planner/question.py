"""A request with what it stands on: the accelerators considered, their platforms, and the stage that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from planner.admission import admitted
from planner.ground import Ground, ground
from planner.library import Library
from planner.request import PlanRequest, Serving
from planner.serving.model import ServedModel
from planner.serving.stage import ServingStage
from planner.subject import subject
from planner.training.model import TrainedModel
from planner.training.stage import TrainingStage


@dataclass(frozen=True, slots=True)
class Question:
    """See the module.

    considered   accelerators, in the order of the platforms
    left_out     accelerator -> why
    """

    library: Library
    ground: Ground
    considered: tuple[str, ...]
    left_out: dict[str, str]

    @classmethod
    def of(cls, request: PlanRequest, library: Library) -> Self:
        """Raises `RackwrightError` for an unknown model or accelerator."""
        about = subject(request, library.models)
        considered, left_out = admitted(request.limits, library.hardware)
        return cls(library, ground(request, about, library.hardware, considered), considered, left_out)

    def serving(self) -> ServingStage:
        """The stage of a serving workload."""
        workload = self.ground.request.workload
        assert isinstance(workload, Serving)  # noqa: S101 the caller chose this stage by the workload
        return ServingStage(ServedModel.on(self.ground, self.library.serving_efficiency.on(self.ground.platforms, workload.engine)))

    def training(self) -> TrainingStage:
        """The stage of a training workload."""
        return TrainingStage(TrainedModel.on(self.ground, self.library.training_efficiency.on(self.ground.platforms)))
