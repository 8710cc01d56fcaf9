"""The best-first search finds what full enumeration finds, for every objective, and its bounds are bounds."""

import dataclasses

import numpy as np
import pytest

from planner.admission import admitted
from planner.ground import ground
from planner.library import default_library
from planner.outcomes import objective_key
from planner.request import Limits, PlanRequest
from planner.search import training_space
from planner.search.columns import PRECISIONS, TrainingColumns
from planner.search.shape import ModelShape
from planner.subject import subject
from planner.training import TrainingStage
from planner.training_search import TrainingSearch

OBJECTIVES = ["cost", "time", "throughput", "power", "carbon"]


def stage_for(model="llama3.1-8b", objective="cost", max_devices=64, accelerators=(), **workload):
    library = default_library()
    raw = {"kind": "training", "tokens": 1e10, "deadline_days": 30, "global_batch_tokens": 1_048_576} | workload
    request = PlanRequest.parse(
        {
            "model": model,
            "workload": raw,
            "objective": objective,
            "limits": {"max_devices": max_devices, "accelerators": list(accelerators)},
        }
    )
    considered, _ = admitted(request.limits, library.hardware)
    stands = ground(request, subject(request, library.models), library.hardware, considered)
    return TrainingStage.on(stands, library.training_efficiency.on(stands.platforms))


def everything(stage):
    """All candidates of the space, and the bounds of each: its cell's, its layout's, its own."""
    search = TrainingSearch.of(stage)
    parts, bounds = [], []
    for platform in range(len(stage.ground.precisions)):
        layouts = search._layouts(platform)
        if not len(layouts):
            continue
        _, cells = search._cells(layouts)
        cell_bound = stage.cell_bound(cells, stage.alone(cells), search._most_ranks(cells))
        layout_of = ("tp", "cp", "ep", "micro_batch", "precision")
        layout_bound = dict(
            zip(
                zip(*(getattr(layouts, name).tolist() for name in layout_of), strict=True),
                stage.cell_bound(layouts, stage.alone(layouts), search._most_ranks(layouts)),
                strict=True,
            )
        )
        rows, candidates = training_space.with_counts(cells, search.counts, np.zeros(len(cells)))
        keys = zip(*(getattr(cells, name).tolist() for name in layout_of), strict=True)
        of_layout = np.array([layout_bound[key] for key in keys])
        parts.append(candidates)
        bounds.append(np.stack([cell_bound[rows], of_layout[rows], search._bound(candidates, stage.alone(cells).take(rows))], axis=1))
    return TrainingColumns.concatenate([TrainingColumns.none(), *parts]), np.concatenate([np.zeros((0, 3)), *bounds])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_bounds_never_exceed_a_candidate_and_the_search_finds_the_best(objective):
    chips = ["nvidia-h100-sxm-80gb", "nvidia-h200-sxm-141gb", "amd-mi300x", "google-tpu-v5p"]
    stage = stage_for(objective=objective, max_devices=96, accelerators=chips)
    candidates, bounds = everything(stage)
    assert len(candidates) > 100_000
    outcomes = stage.evaluate(candidates).outcomes
    exact = objective_key(outcomes, objective)
    known = exact < 1e30  # feasible, and with every figure that the objective needs
    assert known.sum() > 1_000
    assert (bounds[known] <= exact[known, None] * (1 + 1e-9) + 1e-12).all()

    key = objective_key(outcomes, objective)
    group = candidates.platform * len(PRECISIONS) + candidates.precision
    best = np.full(len(stage.ground.precisions) * len(PRECISIONS), np.inf)
    np.minimum.at(best, group, key)
    search = TrainingSearch.of(stage)
    search.run(lambda share: None)
    assert np.allclose(search.best, best, rtol=1e-12)


SMALL_MODELS = ("llama3.2-1b", "llama3.2-3b", "qwen3-8b", "llama3.1-8b", "qwen3-30b-a3b", "gpt-oss-20b")


def small_space(seed):
    """A random small space: one accelerator, few devices, one model, a deadline that some candidates miss."""
    random = np.random.default_rng(seed)
    usable, _ = admitted(Limits(), default_library().hardware)
    return {
        "model": str(random.choice([model for model in SMALL_MODELS if model in default_library().models])),
        "accelerators": (str(random.choice(usable)),),
        "max_devices": int(random.choice([2, 4, 8, 16])),
        "tokens": float(10 ** random.uniform(6, 10)),
        "deadline_days": float(10 ** random.uniform(-1, 2)),
        "global_batch_tokens": float(2 ** random.integers(15, 21)),
        "sequence_tokens": int(2 ** random.integers(9, 14)),
        "method": str(random.choice(["pretrain", "finetune", "lora"])),
    }


@pytest.mark.parametrize("seed", range(50))
def test_on_small_spaces_every_objective_finds_what_brute_force_finds(seed):
    space = small_space(seed)
    stage = stage_for(**space)
    candidates, _ = everything(stage)
    outcomes = stage.evaluate(candidates).outcomes
    group = candidates.platform * len(PRECISIONS) + candidates.precision
    for objective in OBJECTIVES:
        best = np.full(len(PRECISIONS), np.inf)
        np.minimum.at(best, group, objective_key(outcomes, objective))
        search = TrainingSearch.of(stage_for(objective=objective, **space))
        search.run(lambda share: None)
        assert np.allclose(search.best, best, rtol=1e-12), objective


def test_the_search_reports_what_it_did():
    stage = stage_for()
    shares = []
    outcomes, account = TrainingSearch.of(stage).run(shares.append)
    assert account.feasible == account.evaluated - sum(account.rejected.values())
    assert account.pruned > account.evaluated
    assert outcomes.feasible.all()
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_device_counts_step_by_server_then_by_at_most_five_per_cent():
    counts = training_space.device_counts(8, 100_000)
    assert counts[:5].tolist() == [1, 2, 4, 8, 16]
    assert set(range(8, 8 * 128 + 1, 8)) <= set(counts.tolist())
    beyond = counts[counts >= 8 * 128]
    assert (beyond[1:] / beyond[:-1] <= 1.05).all()
    assert counts[-1] > 95_000


def test_every_candidate_is_whole():
    stage = stage_for()
    shape = ModelShape.of(stage.ground.subject.architecture)
    layouts = training_space.layouts(shape, stage.workload, 8, 64, (0,))
    _, cells = training_space.cells(layouts, shape, stage.workload, 64)
    counts = training_space.device_counts(8, 64)[None, :]
    _, candidates = training_space.with_counts(cells, counts, np.zeros(len(cells)))
    assert np.isin(candidates.devices, counts).all()
    assert (candidates.global_batch % (candidates.dp * candidates.micro_batch) == 0).all()
    assert (np.abs(candidates.global_batch - 128) <= 13).all()
    assert (candidates.pp * candidates.virtual_stages <= shape.layers).all()
    assert (shape.heads % candidates.tp == 0).all()
    rows = np.stack([getattr(candidates, column.name) for column in dataclasses.fields(candidates)])
    assert np.unique(rows, axis=1).shape[1] == len(candidates)
