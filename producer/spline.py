"""Cubic B-splines: smooth functions of continuous time from evenly spaced coefficients.

A signal is made at a low rate and heard at many delays, together with its first two derivatives. A cubic
B-spline has two continuous derivatives, and its images, at the multiples of the node rate, are weaker than
those of any other cubic through four nodes: a tone at 6 % of the node rate leaves -96 dB.

The spline at node k is (c[k-1] + 4 c[k] + c[k+1]) / 6; sample i of a waveform lies at node
1 + first + i nodes_per_sample.
"""

import numpy as np
import numpy.typing as npt

from producer.elementary import F32
from producer.kernel import inlined

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


@inlined
def cubic(
    a: np.float32, b: np.float32, c: np.float32, d: np.float32
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """The piece between nodes b and c as k0 + k1 u + k2 u^2 + k3 u^3, 0 <= u < 1."""
    k0 = (a + F32(4.0) * b + c) * _SIXTH
    k1 = F32(0.5) * (c - a)
    k2 = F32(0.5) * (a + c) - b
    k3 = (d - a + F32(3.0) * (b - c)) * _SIXTH
    return k0, k1, k2, k3
