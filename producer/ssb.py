"""Single sideband with suppressed carrier: the modulation of radio amateurs."""

from typing import Literal

import numpy as np

from producer.audio import AUDIO_RATE_HZ, HIGHEST_HZ, analytic_speech
from producer.linear import LinearlyModulated, amplitude_following
from producer.philox import StreamKey
from producer.spline import nodes_for

Sideband = Literal["upper", "lower"]
HALF_BANDWIDTH_HZ = HIGHEST_HZ
"""From the suppressed carrier, which stands at zero frequency, to the outer end of the sideband."""


def ssb(
    count: int, *, sample_rate_hz: float, sideband: Sideband, pace: np.random.Generator, noise: StreamKey
) -> LinearlyModulated:
    """Speech moved to 300-3000 Hz above (below) the carrier, x = s(t) +- j H(s)(t); peak envelope power 1.

    In pauses nothing is sent.
    """
    duration_s = nodes_for(count, AUDIO_RATE_HZ / sample_rate_hz) / AUDIO_RATE_HZ
    speech = analytic_speech(duration_s, AUDIO_RATE_HZ, pace=pace, noise=noise)
    if sideband == "lower":
        np.conjugate(speech, out=speech)
    return amplitude_following(speech, count, node_rate_hz=AUDIO_RATE_HZ, sample_rate_hz=sample_rate_hz)
