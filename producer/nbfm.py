"""Narrow-band FM voice: the modulation of hand-held and mobile radios."""

import numpy as np

from producer.angle import AngleModulated, frequency_modulated
from producer.audio import AUDIO_RATE_HZ, HIGHEST_HZ, speech_like_audio
from producer.philox import StreamKey
from producer.spline import nodes_for

DEVIATIONS_HZ = (2_500.0, 5_000.0)
"""Peak deviations of 12.5 and 25 kHz channels."""


def nbfm(
    count: int, *, sample_rate_hz: float, peak_deviation_hz: float, pace: np.random.Generator, noise: StreamKey
) -> AngleModulated:
    """A carrier whose frequency follows speech; `peak_deviation_hz` is reached at its loudest moment.

    In pauses it is a plain carrier.
    """
    duration_s = nodes_for(count, AUDIO_RATE_HZ / sample_rate_hz) / AUDIO_RATE_HZ
    audio = speech_like_audio(duration_s, AUDIO_RATE_HZ, pace=pace, noise=noise)
    return frequency_modulated(
        audio,
        count,
        node_rate_hz=AUDIO_RATE_HZ,
        sample_rate_hz=sample_rate_hz,
        deviation_hz=peak_deviation_hz,
    )


def half_bandwidth_hz(peak_deviation_hz: float) -> float:
    """Half the bandwidth by Carson's rule: deviation + highest audio frequency."""
    return peak_deviation_hz + HIGHEST_HZ
