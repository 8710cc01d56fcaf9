from typing import get_args

import pytest

from planner.answer import Resource
from planner.outcomes import REASONS
from planner.tables import RECOMMENDATION_COLUMNS
from texts.translations import LANGUAGES, catalogue
from texts.words import CELLS, LIMITS, RESOURCES, word


def test_every_resource_of_a_plan_has_a_word():
    assert RESOURCES.keys() == set(get_args(Resource))


def test_every_reason_to_reject_has_a_word():
    assert set(REASONS) - {""} <= LIMITS.keys()


def test_words_of_cells_are_translated():
    assert set(get_args(Resource)) <= set(CELLS)
    assert set(CELLS) <= catalogue("zh").keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_word_is_given_in_the_readers_language(language):
    assert word(LIMITS, "power", language) == {"en": "facility power", "zh": "设施功率"}[language]
    with pytest.raises(KeyError):
        word(LIMITS, "no_such_code", language)


def test_column_names_are_identifiers_that_name_their_unit_once():
    names = [column.name for column in RECOMMENDATION_COLUMNS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.islower() for name in names)
