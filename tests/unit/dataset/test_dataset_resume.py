"""A partition read in any pieces, stopped anywhere and taken up again, gives every sample once, in one order."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.dataset.assignment import share_of
from iqstream.dataset.position import Position, Source, as_state, from_state, furthest
from iqstream.dataset.window import permutation, window_end
from iqstream.runtime.errors import UserError
from tests.dataset_logs import interleaved_log, read, whole_read
from tests.strategies import SEEDED

seeds = st.integers(0, 2**32 - 1)
ORDER = {"seed": 3, "window": 7}


@SEEDED
@given(seed=seeds, samples=st.integers(0, 40), window=st.integers(1, 60), shuffled=st.booleans())
def test_stops_and_new_starts_change_neither_the_samples_nor_their_order(seed, samples, window, shuffled):
    rng = np.random.default_rng(seed)
    log, end = interleaved_log(rng, samples)
    order = whole_read(log, end, window=window, seed=seed if shuffled else None)
    position, given_out = Position.at(0, end), []
    while position.window < end:
        given_now, position = read(
            log, position, window=window, seed=seed if shuffled else None, stop_after=int(rng.integers(1, 9)), rng=rng
        )
        given_out += given_now
        position = from_state(json.loads(json.dumps(as_state({3: position}, 0, Source(), ORDER))), ORDER).positions[3]
    assert given_out == order
    assert sorted(order) == list(range(samples))


@SEEDED
@given(seed=seeds, samples=st.integers(1, 40))
def test_without_windows_samples_come_in_the_order_in_which_they_were_complete(seed, samples):
    rng = np.random.default_rng(seed)
    log, end = interleaved_log(rng, samples)
    assert whole_read(log, end, window=None, seed=None) == whole_read(log, end, window=5, seed=None)
    position, given_out = Position.at(0, end), []
    while position.window < end:
        now, position = read(log, position, window=None, seed=None, stop_after=int(rng.integers(1, 9)), rng=rng)
        given_out += now
    assert given_out == whole_read(log, end, window=None, seed=None)


@SEEDED
@given(offset=st.integers(0, 10**9), size=st.integers(1, 10**6), end=st.integers(0, 10**9))
def test_windows_tile_the_log(offset, size, end):
    boundary = window_end(offset, size, None)
    assert offset < boundary <= offset + size
    assert boundary % size == 0
    assert window_end(offset, size, end) == min(boundary, end)


@SEEDED
@given(samples=st.integers(0, 300), seed=seeds, epoch=st.integers(0, 9), partition=st.integers(0, 99))
def test_an_order_is_a_permutation_that_follows_from_its_place(samples, seed, epoch, partition):
    def order(**changes):
        place = {"seed": seed, "epoch": epoch, "partition": partition, "window_start": 0} | changes
        return permutation(samples, **place).tolist()

    assert sorted(order()) == list(range(samples))
    assert order() == order()
    if samples > 20:  # two orders of 20 agree once in 20! cases
        assert len({tuple(order()), tuple(order(epoch=epoch + 1)), tuple(order(window_start=64))}) == 3


@SEEDED
@given(partitions=st.sets(st.integers(0, 200)), count=st.integers(1, 30))
def test_readers_share_the_partitions_out_evenly(partitions, count):
    shares = [share_of(sorted(partitions), index, count) for index in range(count)]
    assert sorted(partition for share in shares for partition in share) == sorted(partitions)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_states_of_shares_add_up_to_the_furthest_of_each_partition():
    begin = Position.at(0, 100)
    further = Position(start=0, end=100, read_from=8, window=10, taken=2)
    furthest_on = Position(start=0, end=100, read_from=8, window=10, taken=5)
    merged = furthest([{0: begin, 1: furthest_on}, {0: further, 1: begin}])
    assert merged == {0: further, 1: furthest_on}


def test_of_two_beginnings_the_earlier_counts_and_two_snapshots_do_not_add_up():
    early, late = Position.at(100, None), Position.at(105, None)
    moved = Position(start=100, end=None, read_from=100, window=102, taken=0)
    assert furthest([{0: early}, {0: late}]) == furthest([{0: late}, {0: early}]) == {0: early}
    assert furthest([{0: moved}, {0: late}]) == furthest([{0: late}, {0: moved}]) == {0: moved}
    other = Position(start=90, end=None, read_from=90, window=91, taken=0)
    with pytest.raises(UserError, match=r"partition 0 was read from .* not of one snapshot"):
        furthest([{0: moved}, {0: other}])


@pytest.mark.parametrize(
    "values",
    [
        {"window": -1},
        {"window": "1"},
        {"window": 11},
        {"taken": -1},
        {"taken": True},
        {"start": 5, "window": 4},
        {"read_from": 9, "window": 8},
        {"end": 1.5},
    ],
)
def test_a_state_whose_positions_cannot_be_is_none(values):
    position = {"start": 0, "end": 10, "read_from": 0, "window": 0, "taken": 0} | values
    with pytest.raises(UserError, match="not one of a FeatureStream"):
        from_state(as_state({}, 0, Source(), ORDER) | {"partitions": {"0": position}}, ORDER)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": -1},
        {"epoch": "0"},
        {"dataset_version": "1"},
        {"topic_id": 1},
        {"dataset_id": 1},
        {"partitions": {"-1": {}}},
    ],
)
def test_a_state_of_what_are_no_numbers_or_names_is_none(change):
    with pytest.raises(UserError, match="not one of a FeatureStream"):
        from_state(as_state({}, 0, Source(), ORDER) | change, ORDER)


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"schema_sha256": "0"}, "features mean something else"),
        ({"version": 99}, "features mean something else"),
        ({"order": {"seed": 4, "window": 7}}, "seed was 4, is 3"),
        ({"partitions": {"0": {"window": 1}}}, "not one of a FeatureStream"),
        ({"partitions": None}, "not one of a FeatureStream"),
    ],
)
def test_a_state_of_something_else_is_refused_with_the_reason(change, fragment):
    state = as_state({0: Position.at(0, 10)}, 0, Source(), ORDER) | change
    with pytest.raises(UserError, match=fragment):
        from_state(state, ORDER)
