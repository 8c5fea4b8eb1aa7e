"""The statistics of a feature over the chunks of one recording."""

import numpy as np
from numpy.typing import NDArray


def aggregate(chunk_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean, population standard deviation, minimum and maximum over the chunks.

    Args:
        chunk_values: float64, shape ``(n_chunks, n_features)``, at least one chunk.

    Returns:
        float64, shape ``(n_features, 4)``, in the order of ``schemas.STATISTICS``. The mean is held between
        minimum and maximum, which rounding alone can leave.
    """
    low = chunk_values.min(axis=0)
    high = chunk_values.max(axis=0)
    mean = np.clip(chunk_values.mean(axis=0), low, high)
    return np.stack([mean, chunk_values.std(axis=0), low, high], axis=1)
