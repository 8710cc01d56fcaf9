"""Write the golden plans: the head of each example's plan, to be reviewed by eye before it is committed.

python -m scripts.golden_plans
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from planner import Plan, PlanRequest, plan

ROOT = Path(__file__).parents[1]
EXAMPLES, GOLDEN = ROOT / "examples", ROOT / "tests" / "planner" / "golden"
_RANKS = 5


def head(answer: Plan) -> dict[str, object]:
    """What a reviewer looks at: the first plans with their strategy and four significant digits of each figure."""
    return {"model": answer.model_name, "plans": [_plan(item.model_dump()) for item in answer.recommendations[:_RANKS]]}


def _plan(item: dict[str, object]) -> dict[str, object]:
    kept = ("accelerator_id", "devices", "servers", "replicas", "strategy")
    beside = item["prefill"]
    figures = {
        "cost": ("acquisition", "total_usd"),
        "power": ("facility_w",),
        "memory": ("used_bytes",),
        "bottleneck": ("resource", "share"),
    }
    figures |= {"performance": ("tokens_per_s", "step_s", "run_s", "ttft_s", "tpot_s")}
    nested = {f"{group}.{name}": _rounded(item[group][name]) for group, names in figures.items() for name in names}  # type: ignore[index]
    part = {"prefill": {name: beside[name] for name in kept}} if isinstance(beside, dict) else {}
    return {name: item[name] for name in kept} | part | nested


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    """Write one file an example."""
    GOLDEN.mkdir(exist_ok=True)
    for path in sorted(EXAMPLES.glob("*.yaml")):
        request = PlanRequest.parse(yaml.safe_load(path.read_text(encoding="utf-8")))
        text = json.dumps(head(plan(request)), indent=1, sort_keys=True) + "\n"
        GOLDEN.joinpath(f"{path.stem}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
