"""A small hand-made plan for tests of what is drawn. Its figures are invented; nothing of it ships."""

from __future__ import annotations

from types import SimpleNamespace

from model_db import load_models
from planner.answer import (
    BillLine,
    Bottleneck,
    Cost,
    Fabric,
    FabricHost,
    FabricNetwork,
    FabricRacks,
    FrontierPoint,
    LeftAfter,
    MemoryUse,
    NearestMiss,
    Performance,
    Plan,
    Power,
    Recommendation,
    SearchCounts,
    Strategy,
)
from planner.explain.assumptions import assumptions
from planner.request import PlanRequest

SERVING = PlanRequest.parse({"model": "example-70b", "workload": {"kind": "serving"}})
TRAINING = PlanRequest.parse({"model": "example-70b", "workload": {"kind": "training"}})


def recommendation(rank: int = 1, devices: int = 8, total_usd: float = 400_000.0, *, training: bool = False) -> Recommendation:
    """One option whose parts add up to `total_usd`."""
    parts = {"accelerators": 0.6, "servers": 0.15, "network": 0.1, "energy": 0.1, "maintenance": 0.05}
    it_parts_w = {"accelerators": 700.0 * devices, "hosts": 150.0 * devices, "network": 30.0 * devices}
    it_w = sum(it_parts_w.values())
    serving = Performance(
        tokens_per_s=2110.0,
        tokens_per_s_per_device=2110.0 / devices,
        ttft_s=0.31,
        tpot_s=0.024,
        end_to_end_s=5.4,
        capacity_requests_per_s=17.0,
        basis="roofline",
    )
    run = Performance(tokens_per_s=3.1e6, tokens_per_s_per_device=3.1e6 / devices, step_s=2.7, mfu=0.41, run_s=3.7e6, basis="roofline")
    return Recommendation(
        rank=rank,
        accelerator_id="example-accelerator",
        accelerator_name="=Example <b>X</b>",
        vendor="Example",
        devices=devices,
        server_id="example-server",
        server_name="Example server",
        servers=devices // 8,
        replicas=1,
        strategy=Strategy(tp=8, dp=devices // 8, precision="fp8", kv_precision="fp8", batch=64.0),
        performance=run if training else serving,
        memory=MemoryUse(
            parts={"weights": 9e9, "kv_cache": 40e9, "activations": 3e9, "framework": 2e9},
            used_bytes=54e9,
            capacity_bytes=80e9,
            reserve_bytes=6.4e9,
        ),
        cost=Cost(
            acquisition="buy",
            period_days=1461.0,
            parts={name: share * total_usd for name, share in parts.items()},
            total_usd=total_usd,
            capital_usd=total_usd * 0.85,
            usd_per_device_hour=1.43,
            usd_per_million_tokens=1.5,
            at_least=False,
            price_date="2026-05-01",
        ),
        power=Power(
            it_parts_w=it_parts_w,
            it_w=it_w,
            rated_facility_w=it_w * 1.8,
            cooling_w=it_w * 0.54,
            facility_w=it_w * 1.54,
            energy_kwh=3.1e5,
            carbon_kgco2e=1.2e5,
        ),
        bottleneck=Bottleneck(
            resource="memory",
            operation="linear",
            share=0.6,
            time_parts_s={"linear": 0.012, "attention": 0.006, "all_reduce": 0.004, "launch": 0.002},
            resources_s={"compute": 0.004, "memory": 0.014, "network": 0.004, "overhead": 0.002},
        ),
        headroom={"rate": 0.1, "ttft": 0.845, "tpot": 0.76, "memory": 0.2},
        bill=(
            BillLine(
                part="server",
                catalog_id="example-server",
                quantity=devices / 8,
                unit_power_w=10_200.0,
                unit_low_usd=250_000.0,
                unit_typical_usd=300_000.0,
                unit_high_usd=350_000.0,
                price_date="2026-05-01",
                price_basis="street",
                source="@source",
                subtotal_usd=300_000.0 * devices / 8,
            ),
            BillLine(
                part="switch",
                catalog_id="example-switch",
                quantity=2.0,
                unit_power_w=None,
                unit_low_usd=None,
                unit_typical_usd=None,
                unit_high_usd=None,
                price_date="",
                price_basis="quote needed",
                source="",
                subtotal_usd=None,
            ),
        ),
        why_not_first="" if rank == 1 else "dearer",
    )


def fabric(leaves: int = 8, spines: int = 4, cores: int = 0, planes: int = 1) -> Fabric:
    """A machine room with a network between accelerators, 46 ports a leaf; counts are of all planes."""
    network = FabricNetwork(
        name="compute",
        switch_id="example-switch",
        planes=planes,
        tiers=1 + bool(spines) + bool(cores),
        leaves=leaves,
        spines=spines,
        cores=cores,
        links=(46 * leaves, 32 * leaves if leaves > 1 else 0, 64 * cores),
        endpoints=46 * leaves // planes,
        endpoint_bytes_per_s=50e9,
        oversubscription=1.4375,
        bisection_bytes_per_s=6.4e12,
        hops=3,
        latency_s=3.9e-6,
        free_ports=144,
        most_endpoints=16384,
        after_failure={
            "link": LeftAfter(bisection=0.9973, endpoint_rate=0.0, cut_off=1),
            "spine": LeftAfter(bisection=0.75, endpoint_rate=0.75, cut_off=0),
        },
    )
    racks = FabricRacks(
        racks=6,
        server_racks=5,
        servers_per_rack=10,
        rack_units=42.0,
        fullest_rack_w=40e3,
        rack_limit_w=50e3,
        cooling_class="air_standard",
        liquid_w=0.0,
        it_w=200e3,
    )
    host = FabricHost(
        memory_needed_bytes=1e12,
        memory_included_bytes=2e12,
        memory_module_id="",
        memory_modules=0,
        memory_added_bytes=0.0,
        memory_bytes_per_s=None,
        drives_needed_bytes=0.0,
        drives_included_bytes=None,
        drive_id="",
        drives=0,
        drives_added_bytes=0.0,
    )
    return Fabric(networks=(network,), racks=racks, host=host)


def plan(request: PlanRequest = SERVING, options: int = 3) -> Plan:
    """An answer with `options` recommendations, each dearer than the one before; none: nothing fits."""
    training = request.workload.kind == "training"
    recommendations = tuple(recommendation(rank, 8 * rank, 400_000.0 * rank, training=training) for rank in range(1, options + 1))
    miss = NearestMiss(accelerator_id="example-accelerator", reason="ttft", over_by=0.4, change={"workload.ttft_s": 2.8})
    return Plan(
        request=request,
        model_name="Example 70B",
        library_digest="0123456789abcdef",
        catalog_release="2026-11-22",
        version="0",
        search=SearchCounts(
            evaluated=1000,
            pruned=100,
            feasible=300 if options else 0,
            rejected={"memory": 400, "ttft": 200},
            accelerators=12,
            nearest=() if options else (miss,),
        ),
        recommendations=recommendations,
        frontier=tuple(
            FrontierPoint(
                accelerator_id=option.accelerator_id,
                devices=option.devices,
                precision=option.strategy.precision,
                cost_usd=option.cost.total_usd,
                facility_w=option.power.facility_w,
                tokens_per_s=option.performance.tokens_per_s,
                time_s=5.4 / option.rank,
                carbon_kgco2e=option.power.carbon_kgco2e,
                at_least=False,
                pareto=option.rank < 3,
            )
            for option in recommendations
        ),
        assumptions=assumptions(request),
        sources={"example-accelerator": ("Example data sheet",)},
    )


def library() -> SimpleNamespace:
    """As much of a library as pages read: the real models, two accelerators."""
    accelerators = {
        "example-accelerator": SimpleNamespace(id="example-accelerator", name="Example <b>X</b>", vendor="Example", scale_up_link_id=None),
        "other-accelerator": SimpleNamespace(id="other-accelerator", name="Other Y", vendor="Other", scale_up_link_id=None),
    }
    hardware = SimpleNamespace(accelerators=accelerators, servers={}, scale_up_links={}, release="2026-11-22", digest="sample")
    return SimpleNamespace(hardware=hardware, models=load_models(), digest="abcdef0123456789")
