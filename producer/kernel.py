"""How every inner loop of the producer is compiled."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a numeric loop that runs without the GIL and gives the same bytes on every x86-64 CPU.

    No ``fastmath``: without it LLVM neither reorders sums nor fuses a product with a sum, so the vector width
    and the instruction set of the CPU do not show in the result. Loops that must be fast are written as
    element-wise steps, sums as one sum per lane; both vectorise as they stand. The GIL is released because
    a worker's heartbeats share its process.
    """
    compiled: Callable[P, R] = njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a step of such loops into each loop that calls it, so that the loop vectorises."""
    compiled: Callable[P, R] = njit(inline="always", error_model="numpy")(function)
    return compiled
