"""Step times against worked examples and the identities that every step must satisfy."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_db import load_hardware
from model_db.architecture import Architecture, Attention, Block, Embedding, Linear, Mlp, Moe, Stack
from planner.cluster.platform import Platforms
from planner.performance.collectives import Link, Network
from planner.performance.serving_demand import serving_demand
from planner.performance.serving_efficiency import ServingEfficiency
from planner.performance.serving_loop import serving_rates
from planner.performance.serving_step import OPERATIONS, Replica, ServingSteps
from planner.search.columns import ServingColumns

LLAMA_70B = Architecture(
    stacks=(
        Stack(
            name="text",
            blocks=(
                Block(name="embedding", layers=(Embedding(rows=128256, dim=8192),)),
                Block(
                    name="layer",
                    repeat=80,
                    layers=(Attention(hidden=8192, heads=64, kv_heads=8, head_dim=128), Mlp(hidden=8192, ffn=28672)),
                ),
                Block(name="head", layers=(Linear(in_features=8192, out_features=128256, sharding="column"),)),
            ),
        ),
    ),
    vocab=128256,
    hidden=8192,
)
MOE = Architecture(
    stacks=(
        Stack(
            name="text",
            blocks=(
                Block(
                    name="layer",
                    repeat=48,
                    layers=(
                        Attention(hidden=2048, heads=32, kv_heads=4, head_dim=128, window=512),
                        Moe(hidden=2048, experts=128, top_k=8, expert_ffn=768),
                    ),
                ),
            ),
        ),
    ),
    vocab=151936,
    hidden=2048,
)


def h100s(scale_up_domain: int = 8) -> Platforms:
    peak = np.array([[989.5e12, 989.5e12, 1979e12, 1979e12, np.nan, np.nan]])
    one = np.ones(1)
    link = Link(bytes_per_s=450e9 * one, fraction=one, launch_s=0 * one, step_s=0 * one, fill_s=0 * one)
    return Platforms(
        accelerator_id=("h100",),
        accelerators=(load_hardware().accelerators["nvidia-h100-sxm-80gb"],),
        server_id=("dgx",),
        peak_flops_per_s=peak,
        matmul_fraction=np.full_like(peak, np.nan),
        memory_bytes=80e9 * one,
        memory_bandwidth_bytes_per_s=3.35e12 * one,
        devices_per_server=np.array([8], np.int32),
        scale_up_domain=np.array([scale_up_domain], np.int32),
        scale_up_bytes_per_s=450e9 * one,
        scale_up_latency_s=0 * one,
        scale_out_bytes_per_s=50e9 * one,
        scale_out_latency_s=5e-6 * one,
        host_link_bytes_per_s=55e9 * one,
        network=Network(link, link),
    )


def columns(rows: int = 1, **choices: object) -> ServingColumns:
    values = {"platform": 0, "tp": 1, "pp": 1, "ep": 1, "attention_dp": 1, "precision": 0, "kv_precision": 0, "batch": 1} | choices
    return ServingColumns(**{name: np.broadcast_to(np.asarray(value, np.int32), (rows,)) for name, value in values.items()})


def steps(architecture: Architecture, chosen: ServingColumns, platforms: Platforms | None = None, context: float = 2048.0):
    platforms = platforms or h100s()
    replica = Replica.on(serving_demand(architecture), platforms, chosen, ServingEfficiency.roofline(platforms))
    return ServingSteps(replica.decode(chosen.batch.astype(np.float64), context), replica.prefill(1024.0))


def test_decode_of_llama_70b_on_eight_h100_meets_the_worked_example_of_the_method():
    resources = steps(LLAMA_70B, columns(tp=8, batch=64)).decode.operations_s
    bound = resources["linear"] + resources["attention"] + resources["head"]
    assert bound[0] == pytest.approx(6.87e-3, rel=0.05)  # example 28 is the bandwidth bound; compute adds in quadrature


@pytest.mark.parametrize("architecture", [LLAMA_70B, MOE])
def test_operations_and_resources_each_add_up_to_the_step(architecture):
    chosen = columns(6, tp=[1, 2, 4, 8, 4, 8], pp=[1, 1, 2, 1, 1, 2], attention_dp=[1, 4, 1, 1, 2, 1], ep=[1, 8, 4, 8, 1, 2], batch=64)
    for times in (steps(architecture, chosen).decode, steps(architecture, chosen).prefill.alone):
        assert set(times.operations_s) <= set(OPERATIONS)
        np.testing.assert_allclose(sum(times.operations_s.values()), times.total_s, rtol=1e-12)
        np.testing.assert_allclose(sum(times.resources_s.values()), times.total_s, rtol=1e-12)


def test_step_grows_with_batch_and_context_and_shrinks_with_tensor_parallelism():
    batches = steps(LLAMA_70B, columns(4, tp=8, batch=[1, 8, 64, 256])).decode.total_s
    assert (np.diff(batches) > 0).all()
    assert steps(LLAMA_70B, columns(tp=8, batch=64), context=8192.0).decode.total_s > batches[2]
    degrees = steps(LLAMA_70B, columns(4, tp=[1, 2, 4, 8], batch=64)).decode.total_s
    assert (np.diff(degrees) < 0).all()


def test_sliding_window_bounds_the_cache_that_a_step_reads():
    near = steps(MOE, columns(batch=64), context=512.0).decode.total_s
    far = steps(MOE, columns(batch=64), context=65536.0).decode.total_s
    assert near == pytest.approx(far)


def test_rates_obey_littles_law():
    chosen = columns(tp=8, batch=64)
    efficiency = ServingEfficiency.roofline(h100s())
    rates = serving_rates(steps(LLAMA_70B, chosen), chosen.batch.astype(float), 512.0, efficiency)
    in_decode = rates.requests_per_s * 512.0 * rates.tpot_s
    assert in_decode == pytest.approx(64.0)
