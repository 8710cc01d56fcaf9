"""Every code that an answer holds has words for people."""

import pytest

from dashboard.presets import presets
from dashboard.wording import MEMORY_PARTS, OPERATIONS, PARTS, REASONS, RESOURCE_MEANINGS, plain
from planner import PlanRequest, plan
from planner.answer import Plan
from texts.words import LIMITS, RESOURCES


@pytest.fixture(scope="module")
def answers() -> list[Plan]:
    """Plans of several kinds, small enough to be quick."""
    small = {"limits": {"max_devices": 64}}
    return [
        plan(PlanRequest.parse(presets()[0].request.model_dump(mode="json") | small)),
        plan(PlanRequest.parse({"model": "gpt-oss-120b", "workload": {"kind": "serving"}, "site": {"acquisition": "buy"}} | small)),
        plan(PlanRequest.parse({"model": "llama3.2-1b", "workload": {"kind": "training", "tokens": 1e10}} | small)),
        plan(PlanRequest.parse({"model": "llama3.1-405b", "workload": {"kind": "serving", "ttft_s": 0.001}} | small)),
    ]


def test_parts_operations_and_reasons_have_words(answers: list[Plan]) -> None:
    options = [option for answer in answers for option in answer.recommendations]
    assert options
    assert {part for option in options for part in (*option.cost.parts, *option.power.it_parts_w)} <= PARTS.keys()
    assert {operation for option in options for operation in option.bottleneck.time_parts_s} <= OPERATIONS.keys()
    assert {resource for option in options for resource in option.bottleneck.resources_s} <= RESOURCES.keys() & RESOURCE_MEANINGS.keys()
    assert {part for option in options for part in option.memory.parts} <= MEMORY_PARTS.keys()
    assert {option.why_not_first for option in options} - {""} <= REASONS.keys()
    assert {limit for option in options for limit in option.headroom} <= LIMITS.keys()
    assert {code for answer in answers for code in answer.search.rejected} <= LIMITS.keys()


def test_plain_text_has_nothing_that_markdown_acts_on() -> None:
    assert plain("![x](http://a.b) **b** $1 <i>") == r"\!\[x\]\(http\://a\.b\) \*\*b\*\* \$1 \<i\>"
