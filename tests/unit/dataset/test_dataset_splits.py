"""Splits: the same for everybody, in the shares that were promised, and without leaks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.dataset.splits import (
    BLOCK_M,
    METRES_PER_DEGREE,
    NO_SPLIT,
    SPLITS,
    random_split,
    receiver_split,
    spatial_split,
)
from schemas.dataset import ITALY_NORTH_WEST
from tests.strategies import SEEDED

DATASET = "6d1b6b0e-6f0c-4d7a-9f55-8e1d7f6f2a10"
SHARES = (0.70, 0.15, 0.15)


def assert_shares(split, sigmas=5):
    n = len(split)
    for index, share in enumerate(SHARES):
        assert abs(np.mean(split == index) - share) <= sigmas * np.sqrt(share * (1 - share) / n)


def test_samples_fall_into_the_random_splits_in_the_promised_shares():
    assert_shares(random_split(DATASET, np.arange(20_000)))


def test_blocks_fall_into_the_spatial_splits_in_the_promised_shares():
    row, column = np.meshgrid(np.arange(150), np.arange(150))
    latitude = 40.0 + (row.ravel() + 0.5) * BLOCK_M / METRES_PER_DEGREE
    assert_shares(spatial_split(latitude, 8.0 + column.ravel() * 0.2))


@SEEDED
@given(dataset=st.uuids().map(str), index=st.integers(0, 10**7 - 1))
def test_a_random_split_depends_on_the_sample_alone(dataset, index):
    alone = random_split(dataset, index)
    assert alone == random_split(dataset, np.arange(index, index + 3))[0]
    assert alone in range(len(SPLITS))


def test_splits_never_move():
    assert random_split(DATASET, np.arange(12)).tolist() == GOLDEN_RANDOM
    assert spatial_split(np.linspace(44, 46, 12), np.linspace(7, 9, 12)).tolist() == GOLDEN_SPATIAL
    assert receiver_split([receiver.rx_id for receiver in ITALY_NORTH_WEST]) == GOLDEN_RECEIVERS


@SEEDED
@given(latitude=st.floats(-85, 85), longitude=st.floats(-180, 180), east=st.floats(0, 1), north=st.floats(0, 1))
def test_places_of_one_block_are_in_one_split(latitude, longitude, east, north):
    """The block's corner and any place within it."""
    height = BLOCK_M / METRES_PER_DEGREE
    row = np.floor(latitude / height)
    width = height / np.cos(np.radians((row + 0.5) * height))
    corner = (row + 1e-6) * height, (np.floor(longitude / width) + 1e-6) * width
    within = corner[0] + 0.999 * north * height, corner[1] + 0.999 * east * width
    assert spatial_split(*corner) == spatial_split(*within)


def test_a_place_that_is_unknown_is_in_no_split():
    assert spatial_split([np.nan, 45.0, np.nan], [8.0, np.nan, np.nan]).tolist() == [NO_SPLIT] * 3


@pytest.mark.parametrize("receivers", range(3, 30))
def test_every_split_of_a_network_has_a_receiver_and_most_train(receivers):
    split = receiver_split([f"rx{number}" for number in range(receivers)])
    counts = [list(split.values()).count(name) for name in SPLITS]
    assert sum(counts) == receivers
    assert min(counts) >= 1
    assert counts[1] == counts[2] <= max(1, round(0.15 * receivers))


def test_a_receivers_split_does_not_depend_on_the_order_of_the_network():
    rx_ids = [receiver.rx_id for receiver in ITALY_NORTH_WEST]
    assert receiver_split(rx_ids) == receiver_split(rx_ids[::-1])


GOLDEN_RANDOM = [0, 2, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1]
GOLDEN_SPATIAL = [2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]
GOLDEN_RECEIVERS = {
    "montanaro": "train",
    "giaveno": "train",
    "torino": "train",
    "coazze": "train",
    "passo-dei-giovi": "train",
    "genova": "validation",
    "milano-baggio": "test",
}
