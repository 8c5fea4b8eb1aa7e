"""Speech-like audio for voice transmissions."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from producer.elementary import F32, U32, sine_cosine
from producer.kernel import kernel
from producer.philox import StreamKey, fill_normals

LOWEST_HZ, HIGHEST_HZ = 300.0, 3_000.0
SYLLABLES_PER_S = (3.0, 5.0)
ACTIVE_SHARE = (0.4, 0.6)
LOUDNESS = (0.5, 1.0)
SHORTEST_TRANSMISSION_S = 1.0


def speech_like_audio(
    duration_s: float, rate_hz: float, *, pace: np.random.Generator, noise: StreamKey
) -> npt.NDArray[np.float32]:
    """Noise with the spectrum of pre-emphasised speech, in syllables; float32, shape (n,), peak 1.

    Syllables come at 3-5 Hz and are sounded 40-60 % of the time, each with its own loudness; between them
    there is silence. The transmission lasts a second at least, and its loudest moment is 1: of a shorter
    recording, which hears a part of it, that may lie outside, and all of a short one may be a pause.
    """
    count = int(max(duration_s, SHORTEST_TRANSMISSION_S) * rate_hz) + 1
    weights = _spectrum_weights(fft.next_fast_len(count, real=True), rate_hz)
    bins = np.empty(weights.size, np.float32)
    fill_normals(bins, noise)
    bins *= weights
    audio: npt.NDArray[np.float32] = fft.irfft(bins.view(np.complex64), n=2 * (weights.size // 2 - 1), workers=1)
    audio = audio[:count]
    syllables_per_sample = pace.uniform(*SYLLABLES_PER_S) / rate_hz
    active_share = pace.uniform(*ACTIVE_SHARE)
    first = pace.random()
    loudness = pace.uniform(*LOUDNESS, size=int(first + count * syllables_per_sample) + 1)
    speak(audio, loudness.astype(np.float32), syllables_per_sample, active_share, first)
    return audio


@lru_cache(maxsize=8)
def _spectrum_weights(size: int, rate_hz: float) -> npt.NDArray[np.float32]:
    """Amplitude of each bin of a real FFT of even `size`, every value twice (real, imaginary part).

    Speech falls by 9 dB per octave above 500 Hz (long-term average spectrum); the transmitter's
    pre-emphasis raises by 6 dB per octave.
    """
    frequency_hz = np.arange(size // 2 + 1) * (rate_hz / size)
    above = np.maximum(frequency_hz / 500.0, 1.0)
    weights = frequency_hz / 1000.0 / (above * np.sqrt(above))
    weights[(frequency_hz < LOWEST_HZ) | (frequency_hz > HIGHEST_HZ)] = 0.0
    doubled = np.repeat(weights, 2).astype(np.float32)
    doubled.setflags(write=False)
    return doubled


@kernel
def speak(
    audio: npt.NDArray[np.float32],
    loudness: npt.NDArray[np.float32],
    syllables_per_sample: float,
    active_share: float,
    first: float,
) -> None:
    """Cut noise into syllables with a raised-cosine rise and fall, and bring its peak to 1; in place.

    Syllable k sounds for `active_share` of its period; `first` is how much of the first period is over.
    """
    peak = F32(0.0)
    for i in range(audio.size):
        position = first + i * syllables_per_sample
        syllable = int(position)
        within = (position - syllable) / active_share
        if within < 1.0:
            _, cosine = sine_cosine(U32(np.int64(within * 4294967295.0)))
            audio[i] *= loudness[syllable] * F32(0.5) * (F32(1.0) - cosine)
            peak = max(peak, abs(audio[i]))
        else:
            audio[i] = F32(0.0)
    gain = F32(1.0) / peak
    for i in range(audio.size):
        audio[i] *= gain
