"""Replicas under load: identities of queueing, limits, pools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.performance.disaggregation import Pools, disaggregated_loop, matched_decode_replicas
from planner.performance.serving_demand import serving_demand
from planner.performance.serving_efficiency import ServingEfficiency
from planner.performance.serving_loop import Load, closed_loop, largest_batch, open_loop, saturated, static_batch
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
    assert saturated(replica(), load, batch).tpot_s[0] <= limit[0] < saturated(replica(), load, batch + 2).tpot_s[0]
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


def test_matched_pools_prefill_as_many_requests_as_they_decode():
    load, batch, alone = Load(2048.0, 512.0), 64.0 * ONE, replica()
    pools = Pools(alone, alone, ONE, ONE, 400e9 * ONE)
    decode_rate = matched_decode_replicas(pools, load, batch) * batch / (512.0 * alone.decode(batch, load.context_tokens).total_s)
    assert decode_rate[0] == pytest.approx(1.0 / alone.prefill(2048.0).work_s[0])


def test_prompts_that_wait_together_cost_less_each_than_one_alone():
    prompts = replica(MOE, tp=1).prefill(256.0)
    assert prompts.work_s[0] < prompts.alone_work_s[0]


def test_cached_prefix_shortens_prefill_but_is_still_attended():
    whole, half = replica().prefill(8192.0), replica().prefill(8192.0, cached_tokens=4096.0)
    short = replica().prefill(4096.0)
    assert short.alone.total_s[0] < half.alone.total_s[0] < whole.alone.total_s[0]
