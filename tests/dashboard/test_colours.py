"""Chart colours can be told apart and read: on both backgrounds and with each kind of colour blindness."""

import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest

from dashboard.charts import colours

THEME = tomllib.loads((Path(__file__).parents[2] / ".streamlit/config.toml").read_text())["theme"]
THEMES = {
    "light": (colours.LIGHT, colours.LIGHT_BACKGROUND),
    "dark": (colours.DARK, colours.DARK_BACKGROUND),
}

# Linear RGB as seen with full protanopia, deuteranopia and tritanopia (Machado, Oliveira, Fernandes 2009, severity 1.0)
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio."""
    darker, lighter = sorted(float(linear(colour) @ np.array([0.2126, 0.7152, 0.0722])) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* under D65."""
    ratio = (TO_XYZ @ rgb) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_and_the_text_on_it_can_be_read(theme: str) -> None:
    palette, background = THEMES[theme]
    assert {meaning: contrast(colour, background) for meaning, colour in palette.items() if contrast(colour, background) < 4.5} == {}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISION)
def test_any_two_colours_can_be_told_apart(theme: str, vision: str) -> None:
    seen = {meaning: lab(np.clip(VISION[vision] @ linear(colour), 0, 1)) for meaning, colour in THEMES[theme][0].items()}
    distances = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in itertools.combinations(seen, 2)}
    assert {pair: distance for pair, distance in distances.items() if distance < 20} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_file_has_the_colours_in_the_order_of_their_meanings(theme: str) -> None:
    palette, background = THEMES[theme]
    assert THEME[theme]["chartCategoricalColors"] == list(palette.values())
    assert tuple(palette) == colours.MEANINGS
    assert THEME[theme]["backgroundColor"] == background


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_accent_can_be_read(theme: str) -> None:
    assert contrast(THEME[theme]["textColor"], THEME[theme]["backgroundColor"]) >= 7
    assert contrast(THEME[theme]["textColor"], THEME[theme]["secondaryBackgroundColor"]) >= 7
    assert contrast(THEME[theme]["primaryColor"], THEME[theme]["backgroundColor"]) >= 4.5
