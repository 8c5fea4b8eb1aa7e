"""Amplitude modulation with full carrier: the modulation of air traffic."""

import numpy as np

from producer.audio import AUDIO_RATE_HZ, HIGHEST_HZ, speech_like_audio
from producer.linear import LinearlyModulated, amplitude_following
from producer.philox import StreamKey
from producer.spline import nodes_for

MODULATION_DEPTH = 0.9
HALF_BANDWIDTH_HZ = HIGHEST_HZ


def am(
    count: int, *, sample_rate_hz: float, modulation_depth: float, pace: np.random.Generator, noise: StreamKey
) -> LinearlyModulated:
    """Returns carrier and speech s, x = 1 + modulation_depth s(t): between 1 - depth and 1 + depth; 1 in pauses."""
    duration_s = nodes_for(count, AUDIO_RATE_HZ / sample_rate_hz) / AUDIO_RATE_HZ
    audio = speech_like_audio(duration_s, AUDIO_RATE_HZ, pace=pace, noise=noise)
    envelope = (1 + np.float32(modulation_depth) * audio).astype(np.complex64)
    return amplitude_following(envelope, count, node_rate_hz=AUDIO_RATE_HZ, sample_rate_hz=sample_rate_hz)
