"""Where the randomness of a sample comes from: one stream per purpose, a function of (seed, index) alone.

Streams are seeded as by NumPy's `SeedSequence(entropy=seed, spawn_key=(index, purpose, receiver))`, compiled: a sample
needs some thirty of them.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from numpy.random.bit_generator import ISeedSequence

from producer.elementary import U32
from producer.kernel import inlined, kernel
from producer.philox import StreamKey

_POOL = 4
_INIT_A, _MULTIPLIER_A = U32(0x43B0D7E5), U32(0x931E8875)
_INIT_B, _MULTIPLIER_B = U32(0x8B51F9DD), U32(0x58F38DED)
_MIX_LEFT, _MIX_RIGHT = U32(0xCA01F9DD), U32(0x4973F715)


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
    CLOCK = 18
    ANTENNA = 19


class _Words(ISeedSequence):
    """What a bit generator asks for its seed: words made already."""

    def __init__(self, words: npt.NDArray[np.uint32]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: npt.DTypeLike = np.uint32) -> npt.NDArray[np.uint32 | np.uint64]:
        """The first `n_words` of them as `dtype`."""
        return self._words.view(dtype)[:n_words]


def scalar_stream(seed: int, sample_idx: int, purpose: Purpose, *receiver: int) -> np.random.Generator:
    """The generator of a few scalars, for the sample or for one of its receivers."""
    words = _Words(_words(8, seed, sample_idx, purpose, receiver))
    return np.random.Generator(np.random.PCG64(words))  # type: ignore[arg-type]  # any ISeedSequence will do


def normal_stream(seed: int, sample_idx: int, purpose: Purpose, *receiver: int) -> StreamKey:
    """The key of a long row of normals (philox.py), for the sample or for one of its receivers."""
    return _words(2, seed, sample_idx, purpose, receiver)


def _words(
    count: int, seed: int, sample_idx: int, purpose: Purpose, receiver: tuple[int, ...]
) -> npt.NDArray[np.uint32]:
    """The first words of a stream's seed sequence; `seed` is below 2^64, the others below 2^32."""
    return seed_words(np.array([seed & 0xFFFFFFFF, seed >> 32, 0, 0, sample_idx, purpose, *receiver], np.uint32), count)


@kernel
def seed_words(entropy: npt.NDArray[np.uint32], count: int) -> npt.NDArray[np.uint32]:
    """`SeedSequence.generate_state(count)` for assembled entropy of at least four words.

    M. E. O'Neill, "Developing a seed_seq alternative" (2015), as in NumPy.
    """
    pool, constant = np.empty(_POOL, np.uint32), _INIT_A
    for i in range(_POOL):
        pool[i], constant = _hashed(entropy[i], constant, _MULTIPLIER_A)
    for source in range(_POOL):
        for target in range(_POOL):
            if source != target:
                word, constant = _hashed(pool[source], constant, _MULTIPLIER_A)
                pool[target] = _mixed(pool[target], word)
    for source in range(_POOL, entropy.size):
        for target in range(_POOL):
            word, constant = _hashed(entropy[source], constant, _MULTIPLIER_A)
            pool[target] = _mixed(pool[target], word)
    words, constant = np.empty(count, np.uint32), _INIT_B
    for i in range(count):
        words[i], constant = _hashed(pool[i % _POOL], constant, _MULTIPLIER_B)
    return words


@inlined
def _hashed(word: np.uint32, constant: np.uint32, multiplier: np.uint32) -> tuple[np.uint32, np.uint32]:
    following = U32(constant * multiplier)
    product = U32(U32(word ^ constant) * following)
    return U32(product ^ U32(product >> U32(16))), following


@inlined
def _mixed(left: np.uint32, right: np.uint32) -> np.uint32:
    difference = U32(U32(_MIX_LEFT * left) - U32(_MIX_RIGHT * right))
    return U32(difference ^ U32(difference >> U32(16)))
