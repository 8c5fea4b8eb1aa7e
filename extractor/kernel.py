"""How every inner loop of the extractor is compiled."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a numeric loop that runs without the GIL.

    No ``fastmath``: sums keep the order in which they are written, so that a feature does not depend on the
    vector width of the CPU. Loops that must be fast are written as element-wise steps, which vectorise as
    they stand. The GIL is released because a worker's heartbeats share its process.
    """
    compiled: Callable[P, R] = njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled
