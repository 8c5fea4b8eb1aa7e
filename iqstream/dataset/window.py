"""Windows of offsets, and the order of the samples within one: what makes a shuffle resumable.

A window is a fixed range of offsets of one partition. The samples completed in it are emitted in an order that follows
from (seed, epoch, partition, window) alone, so a reader that was stopped in the middle of a window reads it again and
goes on after the last sample that it gave away.
"""

import numpy as np
import numpy.typing as npt


def window_end(offset: int, size: int, end: int | None) -> int:
    """The end of the window that holds `offset`: the next multiple of `size`, or the end of what is read."""
    boundary = (offset // size + 1) * size
    return boundary if end is None else min(boundary, end)


def permutation(samples: int, *, seed: int, epoch: int, partition: int, window_start: int) -> npt.NDArray[np.intp]:
    """The order of a window's samples, as indices (samples,): a uniformly random one, the same in every run."""
    stream = np.random.SeedSequence(entropy=seed, spawn_key=(epoch, partition, window_start))
    return np.random.Generator(np.random.PCG64(stream)).permutation(samples)
