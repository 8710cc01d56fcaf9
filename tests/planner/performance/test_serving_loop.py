"""Replicas under load: identities of queueing, limits, pools."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.performance.disaggregation import Pools, disaggregated_loop
from planner.performance.serving_demand import serving_demand
from planner.performance.serving_efficiency import ServingEfficiency
from planner.performance.serving_loop import Load, _ttft_s, closed_loop, largest_batch, open_loop, saturated, static_batch
from planner.performance.serving_step import Replica
from tests.planner.performance.test_serving_step import LLAMA_70B, MOE, columns, h100s

ONE = np.ones(1)


def replica(architecture=LLAMA_70B, rows: int = 1, **choices: object) -> Replica:
    platforms = h100s()
    chosen = columns(rows, **({"tp": 8} | choices))
    return Replica.on(serving_demand(architecture), platforms, chosen, ServingEfficiency.roofline(platforms))


@settings(max_examples=40, deadline=None)
@given(clients=st.floats(1, 512), inputs=st.floats(16, 16384), outputs=st.floats(16, 4096), most=st.floats(1, 512))
def test_closed_loop_keeps_littles_law_and_what_fits(clients, inputs, outputs, most):
    rates = closed_loop(replica(), Load(inputs, outputs, burst=0.1), clients * ONE, most * ONE)
    assert rates.batch[0] <= min(most, clients) * (1 + 1e-9)
    assert rates.requests_per_s[0] * outputs * rates.tpot_s[0] == pytest.approx(rates.batch[0])
    in_system = rates.requests_per_s[0] * (rates.ttft_s[0] + outputs * rates.tpot_s[0])
    assert in_system == pytest.approx(clients, rel=0.15)  # the fixed point is cut after a few rounds


def test_clients_beyond_the_cache_wait_and_add_no_throughput():
    load = Load(2048.0, 256.0)
    full, queued = (closed_loop(replica(), load, clients * ONE, 64.0 * ONE) for clients in (64.0, 256.0))
    assert queued.ttft_s[0] > 10 * full.ttft_s[0]
    assert queued.tokens_per_s[0] == pytest.approx(full.tokens_per_s[0], rel=0.1)


def test_open_loop_decodes_what_arrives_until_nothing_more_fits():
    load, light, heavy = Load(512.0, 128.0), 1.0 * ONE, 1e4 * ONE
    relaxed = open_loop(replica(), load, light, 256.0 * ONE)
    assert relaxed.tokens_per_s[0] == pytest.approx(128.0, rel=0.02)
    assert open_loop(replica(), load, heavy, 256.0 * ONE).batch[0] == pytest.approx(256.0, rel=0.01)


def test_largest_batch_keeps_the_limits_and_the_next_one_breaks_them():
    load, limit = Load(1024.0, 256.0), 0.05 * ONE
    batch = largest_batch(replica(), load, 10.0 * ONE, limit, 4096.0 * ONE)
    found, next_one = (saturated(replica(), load, size, waiting=False).tpot_s[0] for size in (batch, batch + 2))
    assert found <= limit[0] < next_one
    assert largest_batch(replica(), load, 10.0 * ONE, 1e-6 * ONE, 4096.0 * ONE)[0] == 0.0


def test_a_static_batch_that_does_not_fit_runs_in_waves():
    load = Load(1024.0, 256.0)
    whole, halves = (static_batch(replica(), load, 64.0 * ONE, most * ONE) for most in (64.0, 32.0))
    assert halves.batch[0] == 32.0
    assert halves.end_to_end_s[0] > whole.end_to_end_s[0]


def test_disaggregated_decode_is_not_disturbed_by_prompts():
    load = Load(8192.0, 1024.0)
    alone = replica()
    pools = Pools(alone, alone, 4.0 * ONE, 1.0 * ONE, 400e9 * ONE)
    split = disaggregated_loop(pools, load, 64.0 * ONE, 256.0 * ONE)
    together = closed_loop(alone, load, 64.0 * ONE, 256.0 * ONE)
    assert split.tpot_s[0] < together.tpot_s[0]
    assert split.tpot_s[0] == pytest.approx(alone.decode(split.batch, load.context_tokens).total_s[0])


def test_prompts_that_wait_together_cost_less_each_than_one_alone():
    prompts = replica(MOE, tp=1).prefill(256.0)
    assert prompts.work_s[0] < prompts.alone_work_s[0]


def test_cached_prefix_shortens_prefill_but_is_still_attended():
    whole, half = replica().prefill(8192.0), replica().prefill(8192.0, cached_tokens=4096.0)
    short = replica().prefill(4096.0)
    assert short.alone.total_s[0] < half.alone.total_s[0] < whole.alone.total_s[0]


def test_a_prompt_of_one_token_adds_nothing_to_a_memory_bound_step_that_it_shares():
    """Its weights are read anyway; where prompts run apart they are read once more."""
    alone, load, batch = replica(tp=8), Load(1.0, 16.0), 8.0 * ONE
    apart = replace(alone.efficiency, engine=replace(alone.efficiency.engine, mixed_passes=0.0))
    step_s = alone.decode(batch, load.context_tokens).total_s[0]
    shared, separate = (saturated(replace(alone, efficiency=own), load, batch, waiting=False) for own in (alone.efficiency, apart))
    assert shared.tpot_s[0] == pytest.approx(step_s, rel=0.01)
    assert separate.tpot_s[0] == pytest.approx(step_s + 7.0 / 16.0 * alone.prefill(1.0).alone_work_s[0], rel=0.01)


def test_a_look_at_the_queue_every_ten_steps_costs_five_on_average():
    load, clients = Load(512.0, 512.0), 4.0 * ONE
    often, seldom = (closed_loop(replica(), replace(load, poll_steps=steps), clients, 64.0 * ONE) for steps in (0.0, 10.0))
    step_s = replica().decode(seldom.batch, load.context_tokens).total_s[0]
    assert seldom.ttft_s[0] - often.ttft_s[0] == pytest.approx(5.0 * step_s, rel=0.05)


@pytest.mark.parametrize(("batch", "steps"), [(1e-6, 20.0), (51.2, 20.0 * 2.0 / 3.0), (1e6, 10.0)])
def test_held_prompts_wait_all_of_it_alone_and_half_of_it_in_company(batch, steps):
    """512 tokens an answer, 20 steps held: two join the first at a batch of 51.2."""
    load = Load(512.0, 512.0)
    plain, held = (open_wait_s(replace(load, hold_steps=hold), batch) for hold in (0.0, 20.0))
    joined_s = 20.0 * batch / 512.0 * replica().prefill(512.0).work_s[0]
    assert (held - plain - joined_s) / replica().decode(batch * ONE, load.context_tokens).total_s[0] == pytest.approx(steps, rel=1e-3)


def open_wait_s(load: Load, batch: float) -> float:
    """Time to the first token at a given batch and time per token, so that nothing but the load differs."""
    running = replica()
    decode = running.decode(batch * ONE, load.context_tokens)
    engine = running.efficiency.engine
    return float(_ttft_s(decode.total_s, 1e3 * ONE, load.prefill(running), batch * ONE, ONE, load, engine)[0])


def test_a_pass_of_one_prompt_is_never_shared_and_one_of_many_tokens_is():
    prompts = [replica(MOE, tp=1).prefill(512.0, pass_tokens=limit) for limit in (1.0, 512.0, 8192.0)]
    assert prompts[0].work_s[0] == pytest.approx(prompts[1].work_s[0]) == pytest.approx(prompts[0].alone_work_s[0])
    assert prompts[2].work_s[0] < prompts[1].work_s[0]
