"""Arrays that live for one measurement of pairs."""

import math
import threading

import numpy as np
from numpy.typing import NDArray

# Larger work arrays than this are not kept between measurements.
_KEPT_BYTES = 32 << 20


class Workspace(threading.local):
    """Memory of each thread that is used again: fresh pages would cost more than the arithmetic on them."""

    def __init__(self) -> None:
        self._kept = np.empty(0, np.float32)
        self._used = 0

    def begin(self) -> None:
        """Give all arrays back, with room for as much as was asked for last time."""
        if self._kept.size < self._used <= _KEPT_BYTES // self._kept.itemsize:
            self._kept = np.empty(self._used, np.float32)
        self._used = 0

    def array(self, *shape: int) -> NDArray[np.float32]:
        """An array of float32 with anything in it, valid until the next `begin` of this thread."""
        size, first = math.prod(shape), self._used
        self._used += size + -size % 16
        flat = self._kept[first : first + size] if self._used <= self._kept.size else np.empty(size, np.float32)
        return flat.reshape(shape)


workspace = Workspace()
