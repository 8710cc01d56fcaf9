"""Cutting a model into stages, and how long a stage holds a micro-batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.counting import parameters
from planner.counting.layers import layer_parameters
from planner.memory.pipeline import chunk_sizes, fullest_stages, micro_batches_in_flight, stage_units, unit_chain
from planner.search.columns import SCHEDULES
from planner.search.distinct import distinct
from tests.planner.memory.memory_cases import MODELS, architecture, small_decoder


@pytest.mark.parametrize("name", MODELS)
def test_the_units_of_a_model_are_all_of_it(name):
    chain = unit_chain(architecture(name))
    held = sum(layer_parameters(layer) for index in (*chain.first, *chain.body, *chain.last) for layer in chain.units[index].layers)
    assert held == parameters(architecture(name)).total


def test_embedding_and_towers_are_first_head_and_prediction_layers_last():
    chain = unit_chain(architecture("qwen3.5-27b"))
    assert len(chain.body) == 64
    assert {chain.units[index].role for index in chain.first} == {"end", "tower"}
    assert {chain.units[index].role for index in chain.last} == {"end", "predictor"}


def test_layers_left_over_go_before_the_last_stage_from_the_back():
    assert chunk_sizes(126, 8).tolist() == [15, 16, 16, 16, 16, 16, 16, 15]
    assert chunk_sizes(10, 4).tolist() == [2, 3, 3, 2]
    assert chunk_sizes(11, 4).tolist() == [3, 3, 3, 2]
    assert chunk_sizes(3, 4).tolist() == [1, 1, 1, 0]


@given(st.integers(1, 200), st.integers(1, 64))
def test_pieces_hold_every_unit_once_and_differ_by_at_most_one(units, chunks):
    sizes = chunk_sizes(units, chunks)
    assert sizes.sum() == units
    assert np.ptp(sizes) <= 1


@given(st.sampled_from(MODELS), st.integers(1, 16), st.integers(1, 4))
def test_stages_together_hold_the_model(name, pp, virtual):
    chain = unit_chain(architecture(name))
    counts = stage_units(chain, pp, virtual)
    for index in range(len(chain.units)):
        assert counts[:, index].sum() == (*chain.first, *chain.body, *chain.last).count(index)


@given(st.sampled_from(MODELS), st.integers(1, 16), st.integers(1, 4))
def test_each_stage_left_out_has_no_unit_more_often_than_an_earlier_one_that_stays(name, pp, virtual):
    chain = unit_chain(architecture(name))
    counts, fullest = stage_units(chain, pp, virtual), fullest_stages(chain, pp, virtual)
    for stage in range(pp):
        earlier = fullest.units[fullest.stage <= stage]
        assert (earlier >= counts[stage]).all(axis=1).any()


def held(schedule, pp, virtual, micro_batches, stage):
    arrays = (np.array([value]) for value in (SCHEDULES.index(schedule), pp, virtual, micro_batches, stage))
    return float(micro_batches_in_flight(*arrays)[0])


def test_micro_batches_in_flight_of_each_schedule():
    assert held("gpipe", 8, 1, 32, 0) == 32
    assert [held("1f1b", 8, 1, 32, stage) for stage in (0, 3, 7)] == [8, 5, 1]
    assert held("1f1b", 8, 1, 4, 0) == 4
    assert held("interleaved", 8, 3, 64, 0) == pytest.approx(8 * (1 + 7 / 24))  # arXiv:2205.05198, section 4.3
    assert held("interleaved", 8, 3, 2, 0) == 2


@given(st.sampled_from(SCHEDULES), st.integers(1, 32), st.integers(1, 4), st.integers(1, 100))
def test_later_stages_hold_no_more(schedule, pp, virtual, micro_batches):
    """The rule by which stages are left out."""
    flights = [held(schedule, pp, virtual, micro_batches, stage) for stage in range(pp)]
    assert flights == sorted(flights, reverse=True)
    assert max(flights) <= micro_batches


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 10**6), st.integers(0, 3)), min_size=1, max_size=60))
def test_distinct_rows_give_the_columns_back(rows):
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    first, inverse = distinct(*columns)
    for column in columns:
        assert (column[first][inverse] == column).all()
    assert len(first) == len(set(rows))


def test_a_decoder_without_a_pipeline_is_one_stage():
    assert fullest_stages(unit_chain(small_decoder()), 1, 1).stage.tolist() == [0]
