"""The statistics of a feature over the chunks of one recording."""

import math

import numpy as np
from numpy.typing import NDArray

from extractor.kernel import kernel


def aggregate(chunk_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean, population standard deviation, minimum and maximum over the chunks.

    Args:
        chunk_values: float64, shape ``(n_chunks, n_features)``, at least one chunk.

    Returns:
        float64, shape ``(n_features, 4)``, in the order of ``schemas.STATISTICS``. The mean is held between
        minimum and maximum, which rounding alone can leave.
    """
    statistics = np.empty((chunk_values.shape[1], 4))
    _aggregate(np.ascontiguousarray(chunk_values), statistics)
    return statistics


@kernel
def _aggregate(chunk_values: NDArray[np.float64], statistics: NDArray[np.float64]) -> None:
    count = chunk_values.shape[0]
    for feature in range(statistics.shape[0]):
        low, high, total = chunk_values[0, feature], chunk_values[0, feature], 0.0
        for chunk in range(count):
            value = chunk_values[chunk, feature]
            low, high, total = min(low, value), max(high, value), total + value
        mean, squares = total / count, 0.0
        for chunk in range(count):
            deviation = chunk_values[chunk, feature] - mean
            squares += deviation * deviation
        statistics[feature, 0] = min(max(mean, low), high)
        statistics[feature, 1] = math.sqrt(squares / count)
        statistics[feature, 2] = low
        statistics[feature, 3] = high
