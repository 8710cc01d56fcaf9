"""The best-first search finds what full enumeration finds, for every objective, and its bounds are bounds."""

import dataclasses

import numpy as np
import pytest

from planner.admission import admitted
from planner.goals import BestOfEach, Frontier, groups
from planner.ground import ground
from planner.library import default_library
from planner.outcomes import objective_key, undominated
from planner.request import Limits, PlanRequest
from planner.search import training_space
from planner.search.columns import TrainingColumns
from planner.search.shape import ModelShape
from planner.subject import subject
from planner.training.model import TrainedModel
from planner.training.search import TrainingSearch

OBJECTIVES = ["cost", "time", "throughput", "power", "carbon"]


def model_for(model="llama3.1-8b", objective="cost", max_devices=64, accelerators=(), **workload):
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
    return TrainedModel.on(stands, library.training_efficiency.on(stands.platforms))


def search_for(model, goal=None):
    return TrainingSearch.of(model, goal or BestOfEach.of(model.ground.request.objective, len(model.ground.precisions)))


def cells_on(model, platform):
    """Every cell on one platform, whether it fits or not."""
    search = search_for(model)
    layouts = search.layouts(platform)
    choices = training_space.Choices.of(search.shape, model.workload)
    layout, choice = np.nonzero(layouts.devices[:, None] * choices.pp <= search.counts.max())
    return choices.cells(layouts.take(layout), choice)


def any_ranks(cells):
    return np.ones(len(cells), dtype=np.int32), np.full(len(cells), 1_000_000, dtype=np.int32)


def everything(model):
    """All candidates of the space, and the bounds of each: its pipeline's, its own."""
    search = search_for(model)
    parts, bounds = [], []
    for platform in range(len(model.ground.precisions)):
        cells = cells_on(model, platform)
        if not len(cells):
            continue
        pipelines = dataclasses.replace(cells, zero_stage=np.ones(len(cells), dtype=np.int32))
        alone = model.alone(pipelines)
        most = search.most_ranks(pipelines)
        pipeline_bound = model.pipeline_bounds(pipelines, alone, search.fewest_ranks(alone, most), most, search.goal.objectives)[0]
        rows, candidates = training_space.with_counts(cells, search.counts, *any_ranks(cells))
        real = training_space.has_shards(candidates, model.workload)
        rows, candidates = rows[real], candidates.take(real)
        parts.append(candidates)
        bounds.append(np.stack([pipeline_bound[rows], search.bounds(candidates, alone.take(rows))[0]], axis=1))
    return TrainingColumns.concatenate([TrainingColumns.none(), *parts]), np.concatenate([np.zeros((0, 2)), *bounds])


def evaluated(model, candidates):
    return model.evaluate(candidates, model.memory_bytes(candidates)).outcomes


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_bounds_never_exceed_a_candidate_and_the_search_finds_the_best(objective):
    chips = ["nvidia-h100-sxm-80gb", "nvidia-h200-sxm-141gb", "amd-mi300x", "google-tpu-v5p"]
    model = model_for(objective=objective, max_devices=96, accelerators=chips)
    candidates, bounds = everything(model)
    assert len(candidates) > 100_000
    outcomes = evaluated(model, candidates)
    exact = objective_key(outcomes, objective)
    known = exact < 1e30  # feasible, and with every figure that the objective needs
    assert known.sum() > 1_000
    assert (bounds[known] <= exact[known, None] * (1 + 1e-9) + 1e-12).all()

    for figure in np.quantile(exact[known], [0.001, 0.1, 0.5]):  # what is below it has no more ranks than are tried for it
        pipelines = dataclasses.replace(candidates, dp=np.ones_like(candidates.dp), zero_stage=np.ones_like(candidates.dp))
        pipelines = dataclasses.replace(
            pipelines, shard_group=candidates.cp, global_batch=search_for(model).layouts(0).global_batch[0] * np.ones_like(candidates.dp)
        )
        search, alone = search_for(model), model.alone(pipelines)
        most = search.most_ranks(pipelines)
        ranks = model.most_ranks_below(np.full(len(candidates), figure), bounds[:, 0], alone, search.fewest_ranks(alone, most), most)
        assert (candidates.dp <= ranks)[known & (exact < figure)].all()

    key = objective_key(outcomes, objective)
    group = groups(candidates)
    search = search_for(model)
    best = np.full(len(search.goal.best), np.inf)
    np.minimum.at(best, group, key)
    search.run(lambda share: None)
    assert np.allclose(search.goal.best, best, rtol=1e-12)


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
        "offload": str(random.choice(["none", "none", "optimizer", "states"])),
        "offload_to": str(random.choice(["host", "nvme"])),
    }


@pytest.mark.parametrize("seed", range(50))
def test_on_small_spaces_every_objective_finds_what_brute_force_finds(seed):
    space = small_space(seed)
    model = model_for(**space)
    candidates, _ = everything(model)
    outcomes = evaluated(model, candidates)
    group = groups(candidates)
    for objective in OBJECTIVES:
        search = search_for(model_for(objective=objective, **space))
        best = np.full(len(search.goal.best), np.inf)
        np.minimum.at(best, group, objective_key(outcomes, objective))
        search.run(lambda share: None)
        assert np.allclose(search.goal.best, best, rtol=1e-12), objective


AXES = [("cost", "time"), ("cost", "power"), ("time", "power"), ("carbon", "time"), ("throughput", "cost"), ("carbon", "power")]


@pytest.mark.parametrize("seed", range(50))
def test_on_small_spaces_every_frontier_is_that_of_brute_force(seed):
    space = small_space(seed)
    model = model_for(**space)
    outcomes = evaluated(model, everything(model)[0])
    for axes in AXES:
        found, _ = search_for(model, goal := Frontier(axes)).run(lambda share: None)
        first, second = (objective_key(outcomes.take(outcomes.feasible), axis) for axis in axes)
        optimal = undominated(first, second)
        order = np.argsort(first[optimal])
        assert np.allclose(goal.first, first[optimal][order], rtol=1e-12), axes
        assert np.allclose(goal.second, second[optimal][order], rtol=1e-12), axes
        kept = set(zip(*(objective_key(found, axis).tolist() for axis in axes), strict=True))
        assert set(zip(goal.first.tolist(), goal.second.tolist(), strict=True)) <= kept


def test_candidates_that_fit_and_end_in_time_have_no_fewer_ranks_than_their_cell_is_tried_with():
    model = model_for(max_devices=16, accelerators=["nvidia-h100-sxm-80gb"])
    pipelines = search_for(model).pipelines()
    cells = pipelines.cells(np.arange(len(pipelines.columns)), model.usable_bytes)
    columns = pipelines.columns.take(np.repeat(np.arange(len(pipelines.columns)), np.diff(cells.first)))
    key = ("tp", "pp", "virtual_stages", "cp", "ep", "micro_batch", "recompute", "precision")
    known = zip(*(getattr(columns, name).tolist() for name in key), cells.zero_stage.tolist(), strict=True)
    fewest = dict(zip(known, cells.fewest.tolist(), strict=True))
    candidates, _ = everything(model)
    fits = model.memory_bytes(candidates) <= model.usable_bytes[candidates.platform]
    good = candidates.take(fits & (evaluated(model, candidates).time_s <= model.allowed_s))
    assert len(good) > 1_000
    for ranks, *choice in zip(good.dp.tolist(), *(getattr(good, name).tolist() for name in (*key, "zero_stage")), strict=True):
        assert ranks >= fewest[tuple(choice)]


def test_the_search_reports_what_it_did():
    model = model_for()
    shares = []
    outcomes, account = search_for(model).run(shares.append)
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
    model = model_for()
    shape = ModelShape.of(model.ground.subject.architecture)
    cells = cells_on(model, 0)
    counts = training_space.device_counts(8, 64)[None, :]
    _, candidates = training_space.with_counts(cells, counts, *any_ranks(cells))
    assert np.isin(candidates.devices, counts).all()
    assert (candidates.global_batch % (candidates.dp * candidates.micro_batch) == 0).all()
    assert (np.abs(candidates.global_batch - 128) <= 13).all()
    assert (candidates.pp * candidates.virtual_stages <= shape.layers).all()
    assert (shape.heads % candidates.tp == 0).all()
    rows = np.stack([getattr(candidates, column.name) for column in dataclasses.fields(candidates)])
    assert np.unique(rows, axis=1).shape[1] == len(candidates)
