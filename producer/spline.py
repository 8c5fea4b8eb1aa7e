"""Cubic B-splines: smooth functions of continuous time from evenly spaced coefficients.

A signal is made at a low rate and heard at many delays, together with its first two derivatives. A cubic
B-spline has two continuous derivatives, and its images, at the multiples of the node rate, are weaker than
those of any other cubic through four nodes: a tone at 6 % of the node rate leaves -96 dB.

The spline at node k is (c[k-1] + 4 c[k] + c[k+1]) / 6; sample i of a waveform lies at node
1 + first + i nodes_per_sample.
"""

import numpy as np
import numpy.typing as npt

from producer.elementary import F32, I32, U32
from producer.kernel import kernel

TILE = 1024
"""Samples that are worked on while they are in the processor's first cache."""
_SIXTH = F32(1 / 6)


def node_response(turns_per_node: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What the spline makes of a tone among its coefficients, at the nodes: (2 + cos 2 pi f) / 3.

    A spectrum of coefficients divided by it gives a spline that passes through the values meant.
    """
    return (2 + np.cos(2 * np.pi * turns_per_node)) / 3


def nodes_for(samples: int, nodes_per_sample: float) -> int:
    """How many coefficients `samples` samples need, with any `first` below 1."""
    return int((samples - 1) * nodes_per_sample) + 5


def require_nodes(nodes: int, samples: int, nodes_per_sample: float) -> None:
    """Raises ValueError where a kernel would read behind the last coefficient."""
    needed = nodes_for(samples, nodes_per_sample)
    if nodes < needed:
        raise ValueError(f"{nodes} nodes are too few for {samples} samples: {needed} are needed")


@kernel
def pieces_of(nodes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The cubic from each node to the next, k0 + k1 u + k2 u^2 + k3 u^3 for 0 <= u < 1; shape (4, nodes - 3)."""
    pieces = np.empty((4, nodes.size - 3), np.float32)
    for i in range(nodes.size - 3):
        a, b, c, d = nodes[i], nodes[i + 1], nodes[i + 2], nodes[i + 3]
        pieces[0, i] = (a + F32(4.0) * b + c) * _SIXTH
        pieces[1, i] = F32(0.5) * (c - a)
        pieces[2, i] = F32(0.5) * (a + c) - b
        pieces[3, i] = (d - a + F32(3.0) * (b - c)) * _SIXTH
    return pieces


@kernel
def locate(
    first: float, per_sample: float, start: int, piece: npt.NDArray[np.uint32], along: npt.NDArray[np.float32]
) -> None:
    """On which piece the samples from `start` on lie, and how far along it, in [0, 1)."""
    for j in range(piece.size):
        position = first + (start + j) * per_sample
        whole = I32(position)
        piece[j] = U32(whole)
        along[j] = F32(position - np.float64(whole))


@kernel
def in_fours(piece: npt.NDArray[np.uint32]) -> bool:
    """Whether every piece in a row has four samples, as it has where samples come at four times the nodes' rate."""
    astray = U32(piece.size & 3)
    for j in range(piece.size):
        astray |= U32(piece[j] ^ U32(piece[0] + U32(j >> 2)))
    return bool(astray == U32(0))


@kernel
def look_up(values: npt.NDArray[np.generic], index: npt.NDArray[np.uint32], found: npt.NDArray[np.generic]) -> None:
    """`found[j] = values[index[j]]`: done ahead, so that the arithmetic on what was found vectorises."""
    for j in range(index.size):
        found[j] = values[index[j]]


@kernel
def pick(
    values: npt.NDArray[np.generic],
    index: npt.NDArray[np.uint32],
    fours: bool,  # noqa: FBT001
    found: npt.NDArray[np.generic],
) -> None:
    """`look_up`, which vectorises itself where the index is `in_fours`."""
    if fours:
        first = np.int64(index[0])
        _spread(values[first : first + index.size // 4], found)
    else:
        look_up(values, index, found)


@kernel
def _spread(values: npt.NDArray[np.generic], found: npt.NDArray[np.generic]) -> None:
    for i in range(values.size):
        value = values[i]
        found[4 * i], found[4 * i + 1], found[4 * i + 2], found[4 * i + 3] = value, value, value, value
