import math
import re
from functools import partial

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from texts import numbers
from texts.numbers import MINUS, SPACE, Absent
from texts.translations import LANGUAGES

SHOWS = [
    numbers.memory,
    numbers.bandwidth,
    numbers.compute,
    numbers.work,
    numbers.power,
    numbers.energy,
    numbers.carbon,
    numbers.duration,
    numbers.money,
    numbers.count,
    numbers.number,
]


def plain(text: str) -> str:
    return text.replace(SPACE, " ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.memory(80e9, "en"), "74.5 GiB"),
        (numbers.memory(1023 * 2**30, "en", 4), "1,023 GiB"),
        (numbers.memory(2**40, "en"), "1.00 TiB"),
        (numbers.capacity(80e9, "en"), "80 GB"),
        (numbers.capacity(1.536e12, "en"), "1.536 TB"),
        (numbers.bandwidth(3.35e12, "en"), "3.35 TB/s"),
        (numbers.link_rate(50e9, "en"), "400 Gb/s"),
        (numbers.compute(412e12, "en"), "412 TFLOP/s"),
        (numbers.peak(989.5e12, "bf16", "en"), "990 TFLOP/s bf16 dense"),
        (numbers.work(3.8e25, "en"), "38.0 YFLOP"),
        (numbers.power(31_400, "en"), "31.4 kW"),
        (numbers.power(0.5, "en"), "500 mW"),
        (numbers.energy(1_200, "en"), "1.20 MWh"),
        (numbers.energy(0.25, "en"), "250 Wh"),
        (numbers.carbon(12_000, "en"), "12.0 t CO₂e"),
        (numbers.duration(0.0384, "en"), "38.4 ms"),
        (numbers.duration(59.96, "en"), "60.0 s"),
        (numbers.duration(7_560, "en"), "2.10 h"),
        (numbers.duration(86_400 * 52.3, "en"), "52.3 days"),
        (numbers.period(60, "en"), "60 days"),
        (numbers.period(1, "en"), "1 day"),
        (numbers.period(365, "en"), "1 year"),
        (numbers.period(4 * 365.25, "en"), "4 years"),
        (numbers.period(0.5, "en"), "12 h"),
        (numbers.money(1_922_000, "en"), "$1.92 M"),
        (numbers.money(2.1, "en"), "$2.10"),
        (numbers.money(-310_000, "en", signed=True), f"{MINUS}$310 k"),
        (numbers.money(310_000, "en", signed=True), "+$310 k"),
        (numbers.money_over(1_922_000, 1461, "en"), "$1.92 M over 4 years"),
        (numbers.money_per_hour(2.1, "en"), "$2.10 per accelerator-hour"),
        (numbers.money_per_million_tokens(0.3512, "en"), "$0.351 per million tokens"),
        (numbers.count(405e9, "en"), "405 B"),
        (numbers.count(15.6e12, "en"), "15.6 T"),
        (numbers.whole(16_384, "en"), "16,384"),
        (numbers.number(1_920, "en"), "1,920"),
        (numbers.number(1_920.4, "en", 2), "1,900"),
        (numbers.exact(25.0, "en"), "25"),
        (numbers.exact(1155, "en"), "1,155"),
        (numbers.exact(0.4, "en"), "0.4"),
        (numbers.percent(0.423, "en"), "42%"),
        (numbers.percent(0.0042, "en"), "0.42%"),
        (numbers.percent(1.234, "en"), "123%"),
        (numbers.percent(0.9995, "en", 4), "99.95%"),
        (numbers.percent(-0.14, "en", signed=True), f"{MINUS}14%"),
        (numbers.percent(0.12, "en", signed=True), "+12%"),
        (numbers.between(28_100, 34_000, partial(numbers.power, language="en"), "en"), "28.1 kW to 34.0 kW"),
        (numbers.likely_between(28_100, 34_000, 0.8, partial(numbers.power, language="en"), "en"), "80% sure: 28.1 kW to 34.0 kW"),
    ],
)
def test_figures_are_shown_as_the_rules_for_numbers_say(text, expected):
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.money(1_922_000, "zh"), "192 万美元"),
        (numbers.money(2.1, "zh"), "2.10美元"),
        (numbers.money(3.1e8, "zh"), "3.10 亿美元"),
        (numbers.count(405e9, "zh"), "4,050 亿"),
        (numbers.count(15.6e12, "zh"), "15.6 万亿"),
        (numbers.period(1461, "zh"), "4 年"),
        (numbers.duration(86_400 * 52.3, "zh"), "52.3 天"),
        (numbers.power(31_400, "zh"), "31.4 kW"),
        (numbers.absent(Absent.DOES_NOT_FIT, "zh"), "放不下"),
    ],
)
def test_chinese_counts_and_money_go_by_ten_thousands_while_units_stay(text, expected):
    assert plain(text) == expected


@pytest.mark.parametrize("show", SHOWS)
def test_zero_not_applicable_unknown_and_infeasible_are_four_texts(show):
    texts = [show(value, "en") for value in (0.0, Absent.NOT_APPLICABLE, Absent.UNKNOWN, Absent.DOES_NOT_FIT)]
    assert texts[0] in {"0", "$0"}
    assert texts[1:] == ["n/a", "unknown", "does not fit"]


@pytest.mark.parametrize("show", [*SHOWS, numbers.percent, numbers.capacity, numbers.link_rate])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_refused(show, value):
    with pytest.raises(ValueError, match="Absent"):
        show(value, "en")


LADDERS = [
    (numbers.bandwidth, 1000, 1, 1e20),
    (numbers.compute, 1000, 1, 1e23),
    (numbers.power, 1000, 1e-3, 1e11),
    (numbers.energy, 1000, 1e-3, 1e11),
    (numbers.memory, 1024, 1, 1e20),
    (numbers.money, 1000, 1, 1e14),
    (numbers.count, 1000, 1, 1e14),
    (numbers.duration, 1000, 1e-6, 1e10),
]


@pytest.mark.parametrize(("show", "bound", "low", "high"), LADDERS)
@given(share=st.floats(0, 1), digits=st.integers(1, 3), sign=st.sampled_from([1, -1]))
def test_the_shown_number_is_at_least_one_and_below_its_bound(show, bound, low, high, share, digits, sign):
    value = sign * low * (high / low) ** share
    text = show(value, "en", digits)
    shown = float(re.sub(r"[^0-9.]", "", text.split(SPACE)[0].split(" ")[0]))
    assert 1 <= shown < bound or (bound == 1024 and shown == pytest.approx(1024, rel=0.1) and digits < 3)
    assert text.startswith(MINUS) == (value < 0)


@given(value=st.floats(1e-3, 1e15), digits=st.integers(1, 3))
def test_rounding_keeps_the_asked_digits(value, digits):
    shown = float(numbers.number(value, "en", digits).replace(",", ""))
    assert shown == pytest.approx(value, rel=0.5 * 10 ** (1 - digits) * (1 + 1e-9))


@given(value=st.floats(1e-6, 1e15), share=st.floats(1e-4, 2))
def test_digits_are_the_fewest_that_stay_within_a_third_of_the_interval(value, share):
    half_width = value * share
    digits = numbers.supported_digits(value, value - half_width, value + half_width)
    assert 1 <= digits <= numbers.MOST_DIGITS
    shown = float(f"{value:.{digits - 1}e}")
    assume(digits < numbers.MOST_DIGITS)
    assert abs(shown - value) <= half_width / 3 * (1 + 1e-9)


def test_twenty_per_cent_is_not_shown_with_three_digits():
    assert numbers.supported_digits(1.92, 1.92 * 0.8, 1.92 * 1.2) == 2
    assert numbers.supported_digits(9.5, 9.5 * 0.5, 9.5 * 1.5) == 1
    assert numbers.supported_digits(1.92, 1.92 * 0.99, 1.92 * 1.01) == 3
    assert numbers.supported_digits(0, 0, 0) == 1


@pytest.mark.parametrize("language", LANGUAGES)
@given(value=st.floats(1e-3, 1e12))
def test_number_and_unit_are_never_broken_apart(language, value):
    for show in (numbers.memory, numbers.bandwidth, numbers.power, numbers.count, numbers.energy):
        assert " " not in show(value, language)
