"""What the serving software of a request is known to run on the platforms considered, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

from planner.answer import Refusal, Support
from planner.ground import Ground
from planner.performance.serving_support import format_support, model_support, serving_support, transfer_support
from planner.request import Serving
from planner.search.columns import PRECISIONS


def runs(ground: Ground, platform: int, precision: int) -> bool:
    """Whether no source says that the engine refuses the model or the format on `platform`."""
    engine, chip = _engine(ground), ground.hardware.accelerators[ground.platforms.accelerator_id[platform]]
    refused = model_support(engine, ground.subject.names, chip) == "none" or format_support(engine, chip, PRECISIONS[precision]) == "none"
    return not refused


def support(ground: Ground, platform: int, precision: int) -> Support | None:
    """What is known of a format on `platform` that is not refused; None for no engine in particular."""
    engine, chip = _engine(ground), ground.hardware.accelerators[ground.platforms.accelerator_id[platform]]
    facts, format_ = serving_support().get(engine), format_support(engine, chip, PRECISIONS[precision])
    model = model_support(engine, ground.subject.names, chip)
    if facts is None or format_ == "none" or model == "none":
        return None
    return Support(
        engine=engine,
        release=facts.release,
        read=facts.read,
        precision=format_,
        model=model,
        transfer=transfer_support(engine, chip),
        sources=facts.sources,
    )


def refusals(ground: Ground) -> Iterator[Refusal]:
    """Formats that were asked for or are usual, and that the engine is known not to run."""
    facts = serving_support().get(_engine(ground))
    if facts is None:
        return
    for platform, precisions in enumerate(ground.precisions):
        for precision in precisions:
            if not runs(ground, platform, precision):
                yield Refusal(
                    accelerator_id=ground.platforms.accelerator_id[platform],
                    precision=PRECISIONS[precision],
                    engine=_engine(ground),
                    release=facts.release,
                    read=facts.read,
                    sources=facts.sources,
                )


def other_engine(ground: Ground, platform: int) -> str:
    """An engine that is not known to refuse every format on `platform`; "generic" where all are."""
    chip, precisions = ground.hardware.accelerators[ground.platforms.accelerator_id[platform]], ground.precisions[platform]
    for engine in serving_support():
        known = [format_support(engine, chip, PRECISIONS[precision]) for precision in precisions]
        if model_support(engine, ground.subject.names, chip) != "none" and any(one not in {"none", "unknown"} for one in known):
            return engine
    return "generic"


def _engine(ground: Ground) -> str:
    workload = ground.request.workload
    return workload.engine if isinstance(workload, Serving) else ""
