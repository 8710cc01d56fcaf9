"""Speculation: expected tokens of a step, when it pays and when it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_db import load_models
from planner.performance.serving_demand import serving_demand
from planner.performance.serving_efficiency import ServingEfficiency
from planner.performance.serving_step import Replica
from planner.performance.speculation import SpeculatingReplica, Speculation
from planner.subject import prediction_layers
from tests.planner.performance.test_serving_step import LLAMA_70B, columns, h100s

ONE = np.ones(1)
SMALL = load_models()["llama3.2-1b"].architecture


def speculating(drafted: int, acceptance: float, **choices: int) -> SpeculatingReplica:
    platforms, chosen, efficiency = h100s(), columns(1, **({"tp": 8} | choices)), ServingEfficiency.roofline(h100s())
    plain = Replica.on(serving_demand(LLAMA_70B), platforms, chosen, efficiency)
    return SpeculatingReplica.on(plain, platforms, chosen, efficiency, Speculation(serving_demand(SMALL), None, drafted, acceptance))


@pytest.mark.parametrize(("acceptance", "drafted", "tokens"), [(0.8, 4, 3.3616), (0.85, 1, 1.85), (1.0, 3, 4.0)])
def test_tokens_of_a_speculated_step_meet_the_worked_examples_of_the_method(acceptance, drafted, tokens):
    assert Speculation(serving_demand(SMALL), None, drafted, acceptance).tokens_per_step == pytest.approx(tokens)


def test_speculation_pays_at_small_batches_and_not_where_compute_is_full():
    replica = speculating(3, 0.7)
    small, large = (
        replica.target.decode(batch * ONE, 512.0).total_s / replica.decode(batch * ONE, 512.0).total_s for batch in (1.0, 2048.0)
    )
    assert small[0] > 1.8
    assert large[0] < 1.0


@settings(max_examples=30, deadline=None)
@given(drafted=st.integers(1, 8), batch=st.floats(1, 4096), context=st.floats(1, 1e5), pp=st.sampled_from([1, 2, 4]))
def test_drafts_that_are_never_accepted_only_cost_time(drafted, batch, context, pp):
    replica = speculating(drafted, 0.0, pp=pp)
    assert replica.decode(batch * ONE, context).total_s[0] > replica.target.decode(batch * ONE, context).total_s[0]


@settings(max_examples=30, deadline=None)
@given(acceptance=st.floats(0, 1), batch=st.floats(1, 4096))
def test_operations_and_resources_of_a_token_each_add_up_to_its_time(acceptance, batch):
    for times in (speculating(2, acceptance).decode(batch * ONE, 2048.0), speculating(2, acceptance).prefill(2048.0).alone):
        assert sum(times.operations_s.values())[0] == pytest.approx(times.total_s[0])
        assert sum(times.resources_s.values())[0] == pytest.approx(times.total_s[0])


def test_prompts_take_longer_by_what_the_draft_reads():
    replica = speculating(1, 0.9)
    assert replica.target.prefill(2048.0).work_s[0] < replica.prefill(2048.0).work_s[0]


@pytest.mark.parametrize("model", ["glm-5", "deepseek-v3.2"])
def test_prediction_layers_run_with_one_head_their_own_or_the_main_one(model):
    layers = prediction_layers(load_models()[model].architecture)
    assert layers is not None
    demand = serving_demand(layers)
    assert demand.head_elements == serving_demand(load_models()[model].architecture).head_elements
    assert demand.mixers == 1


def test_a_model_without_prediction_layers_has_none():
    assert prediction_layers(LLAMA_70B) is None
