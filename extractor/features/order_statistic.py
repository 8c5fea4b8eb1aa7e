"""The value of a given rank among many, without sorting them."""

import numpy as np
from numpy.typing import NDArray

from extractor.kernel import kernel


@kernel
def select_smallest(values: NDArray[np.float32] | NDArray[np.float64], rank: int) -> float:
    """Return the ``rank``-th smallest of the finite ``values``, counted from 0; they are left in another order.

    Hoare's selection: C. A. R. Hoare, "Algorithm 65: find", Communications of the ACM 4 (1961), 321-322.
    """
    first, last = 0, values.size - 1
    while first < last:
        pivot = values[(first + last) // 2]
        i, j = first, last
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            last = j
        elif rank >= i:
            first = i
        else:
            break
    return float(values[rank])
