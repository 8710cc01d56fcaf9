"""The roofline as drawn and told: roofs with their names, points, findings."""

import pytest

from dashboard import engine
from dashboard.charts.roofline import roofline_figure
from dashboard.language import speaking
from planner.answer import Roofline, RooflinePoint
from planner.explain.roofline import under_roofs
from tests.dashboard import sample

ROOFS = Roofline(
    peak_flops_per_s={"bf16": 1e15, "fp16": 1e15, "fp8": 2e15},
    memory_bytes_per_s=4e12,
    points=(
        RooflinePoint(phase="prefill", operation="", flops=2e14, moved_bytes=1e11, time_s=0.2),  # 2,000 FLOP a byte: under the flat roof
        RooflinePoint(phase="decode", operation="", flops=4e12, moved_bytes=1e11, time_s=0.05),  # 40: under the slope, at half of it
        RooflinePoint(phase="decode", operation="attention", flops=1e12, moved_bytes=5e8, time_s=0.002),
    ),
)


def figure(roofs: Roofline | None = ROOFS):
    with speaking("en"):
        return roofline_figure(sample.recommendation().model_copy(update={"roofline": roofs}))


def test_points_are_held_against_the_lower_of_both_roofs():
    prefill, decode, attention = under_roofs(ROOFS, "fp8")
    assert (prefill.memory_bound, prefill.share_of_roof) == (False, pytest.approx(0.5))
    assert (decode.memory_bound, decode.share_of_roof) == (True, pytest.approx(0.5))
    assert attention.share_of_roof == pytest.approx(0.5), "attention stays in 16 bit, its roof is that of 16 bit"


def test_the_title_says_how_near_each_phase_comes():
    assert figure().finding == "Roofline: prefill reaches 50% of the arithmetic roof; decode reaches 50% of the memory's roof"
    assert "doubt" not in figure().source


def test_a_point_above_its_roof_is_said():
    faster = ROOFS.points[1].model_copy(update={"time_s": 0.02})
    above = figure(ROOFS.model_copy(update={"points": (faster,)}))
    assert "125%" in above.finding
    assert "A point above a roof" in above.source


def test_equal_peaks_are_one_roof_with_its_formats():
    drawn = figure().chart.to_json(ensure_ascii=False)
    assert "BF16, FP16: 1.00\u202fPFLOP/s" in drawn
    assert "FP8: 2.00\u202fPFLOP/s" in drawn


def test_the_table_has_every_point_and_the_alternative_tells_it():
    drawn = figure()
    assert len(drawn.table.rows) == 3
    assert "decode, Attention: 2,000 FLOP per byte" in drawn.alternative


def test_without_a_bandwidth_nothing_is_drawn():
    assert figure(None) is None


def test_the_plan_page_shows_it_when_asked_and_a_link_keeps_it(opened, monkeypatch):
    def answered(request, library=None, progress=None):
        first = sample.recommendation().model_copy(update={"roofline": ROOFS})
        return sample.plan(request).model_copy(update={"recommendations": (first,)})

    monkeypatch.setattr(engine, "plan", answered)
    app = opened()
    assert not any("Roofline:" in title.value for title in app.subheader)
    app.segmented_control(key="limits:view").set_value("roofline").run()
    assert any("Roofline" in title.value for title in app.subheader)
    assert any("Roofline" in title.value for title in opened({"view": "roofline"}).subheader)
    assert not opened({"view": "<b>"}).exception
