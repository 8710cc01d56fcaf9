"""The head of every example's plan is as reviewed; `python -m scripts.golden_plans` writes it anew for the next review."""

import json
from pathlib import Path

import pytest
import yaml

from planner import PlanRequest, plan
from scripts.golden_plans import EXAMPLES, GOLDEN, head


def near(seen, reviewed):
    """Equal but for the last of four digits, which may turn with the rounding of a machine."""
    if isinstance(reviewed, dict):
        return seen.keys() == reviewed.keys() and all(near(seen[key], reviewed[key]) for key in reviewed)
    if isinstance(reviewed, list):
        return len(seen) == len(reviewed) and all(map(near, seen, reviewed))
    if isinstance(reviewed, float):
        return seen == pytest.approx(reviewed, rel=2e-3)
    return seen == reviewed


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_plan_is_as_reviewed(path: Path):
    request = PlanRequest.parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    reviewed = json.loads(GOLDEN.joinpath(f"{path.stem}.json").read_text(encoding="utf-8"))
    seen = json.loads(json.dumps(head(plan(request))))
    assert near(seen, reviewed), json.dumps(seen, indent=1)


def test_every_golden_plan_has_its_example():
    assert {path.stem for path in GOLDEN.glob("*.json")} == {path.stem for path in EXAMPLES.glob("*.yaml")}
