"""The exposition that Prometheus reads."""

import re

from dashboard.metrics import BUCKETS_S, Count, Histogram, exposition

LINE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? [0-9.]+')


def test_a_count_is_kept_by_label_and_zero_is_said():
    asked = Count("asked_total", "Asked.", ("route", "status"))
    plain = Count("plain_total", "Plain.")
    for status in ("200", "200", "422"):
        asked.add("/plan", status)
    assert list(asked.text())[2:] == ['asked_total{route="/plan",status="200"} 2', 'asked_total{route="/plan",status="422"} 1']
    assert list(plain.text())[2:] == ["plain_total 0"]


def test_buckets_are_cumulative_and_hold_their_bound():
    took = Histogram("took_seconds", "Took.")
    for seconds in (0.0, BUCKETS_S[0], 0.3, 1e9):
        took.add(seconds)
    lines = dict(line.rsplit(" ", 1) for line in took.text() if not line.startswith("#"))
    assert lines[f'took_seconds_bucket{{le="{BUCKETS_S[0]}"}}'] == "2"
    assert lines['took_seconds_bucket{le="0.5"}'] == "3"
    assert lines['took_seconds_bucket{le="+Inf"}'] == lines["took_seconds_count"] == "4"


def test_label_values_cannot_break_a_line():
    asked = Count("asked_total", "Asked.", ("code",))
    asked.add('a"b\\c\nd')
    assert list(asked.text())[2] == r'asked_total{code="a\"b\\c\nd"} 1'


def test_the_exposition_is_lines_of_the_format():
    for line in exposition().splitlines():
        assert line.startswith(("# HELP rackwright_", "# TYPE rackwright_")) or LINE.fullmatch(line), line
