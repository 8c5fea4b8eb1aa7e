"""Streams are seeded by NumPy's seed sequences, and no two of a sample are the same."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.streams import Purpose, normal_stream, scalar_stream
from schemas.dataset import MAX_SAMPLES

SEEDS = st.integers(0, 2**63 - 1)
INDICES = st.integers(0, MAX_SAMPLES - 1)
RECEIVERS = st.sampled_from([(), (0,), (63,)])


@settings(deadline=None)  # the first example may compile
@given(SEEDS, INDICES, st.sampled_from(Purpose), RECEIVERS)
def test_a_stream_is_that_of_a_seed_sequence_of_numpy(seed, sample_idx, purpose, receiver):
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(sample_idx, int(purpose), *receiver))
    words = normal_stream(seed, sample_idx, purpose, *receiver)
    assert words.dtype == np.uint32
    assert words.tolist() == sequence.generate_state(2).tolist()
    drawn = scalar_stream(seed, sample_idx, purpose, *receiver).random(3)
    assert drawn.tolist() == np.random.Generator(np.random.PCG64(sequence)).random(3).tolist()


@settings(deadline=None)
@given(SEEDS, INDICES)
def test_no_two_streams_of_a_sample_are_equal(seed, sample_idx):
    places = [(purpose, receiver) for purpose in Purpose for receiver in ((), (0,), (1,))]
    keys = {tuple(normal_stream(seed, sample_idx, purpose, *receiver).tolist()) for purpose, receiver in places}
    assert len(keys) == len(places)
