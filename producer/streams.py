"""Where the randomness of a sample comes from: one stream per purpose, a function of (seed, index) alone."""

from enum import IntEnum

import numpy as np

from producer.philox import StreamKey


class Purpose(IntEnum):
    """What a stream is for. The numbers are part of what a sample is: never renumber, only append."""

    SCENARIO = 0
    SHADOWING = 1
    AUDIO = 2
    OSCILLATOR = 3
    TAPS = 4
    FADING = 5
    NOISE = 6
    DC_OFFSET = 16
    PHASE_NOISE = 17


def scalar_stream(seed: int, sample_idx: int, purpose: Purpose, *receiver: int) -> np.random.Generator:
    """The generator of a few scalars, for the sample or for one of its receivers."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, sample_idx, purpose, receiver)))


def normal_stream(seed: int, sample_idx: int, purpose: Purpose, *receiver: int) -> StreamKey:
    """The key of a long row of normals (philox.py), for the sample or for one of its receivers."""
    return _sequence(seed, sample_idx, purpose, receiver).generate_state(2).astype(np.uint32)


def _sequence(seed: int, sample_idx: int, purpose: Purpose, receiver: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=(sample_idx, int(purpose), *receiver))
