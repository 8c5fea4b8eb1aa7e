"""Speech-like audio for voice transmissions."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from producer.elementary import F32, U32, sine_cosine
from producer.kernel import kernel
from producer.philox import StreamKey, fill_normals
from producer.spline import TILE, look_up, node_response

AUDIO_RATE_HZ = 50_000.0
"""Nodes a second that carry the voice of a transmission."""
LOWEST_HZ, HIGHEST_HZ = 300.0, 3_000.0
SYLLABLES_PER_S = (3.0, 5.0)
ACTIVE_SHARE = (0.4, 0.6)
LOUDNESS = (0.5, 1.0)
SHORTEST_TRANSMISSION_S = 1.0


def speech_like_audio(
    duration_s: float, rate_hz: float, *, pace: np.random.Generator, noise: StreamKey
) -> npt.NDArray[np.float32]:
    """Noise with the spectrum of pre-emphasised speech, in syllables; its largest magnitude at a node is 1.

    Syllables come at 3-5 Hz and are sounded 40-60 % of the time, each with its own loudness; between them
    there is silence. The transmission lasts a second at least, and its loudest moment is 1: of a shorter
    recording, which hears a part of it, that may lie outside, and all of a short one may be a pause.

    Args:
        duration_s: at least this long.
        rate_hz: nodes a second.
        pace: draws the syllables.
        noise: the normals.

    Returns:
        Coefficients of a cubic B-spline (spline.py), float32, shape (n,), n > duration_s rate_hz.
    """
    count, size = _sizes(duration_s, rate_hz)
    audio: npt.NDArray[np.float32] = fft.irfft(_speech_spectrum(size, rate_hz, noise), n=size, workers=1)[:count]
    _sound(audio.reshape(-1, 1), rate_hz, pace)
    return audio


def analytic_speech(
    duration_s: float, rate_hz: float, *, pace: np.random.Generator, noise: StreamKey
) -> npt.NDArray[np.complex64]:
    """The same as a signal of positive frequencies alone, s + j H(s), complex64; largest magnitude 1.

    The syllables' rise and fall is slow against the lowest tone: it leaves nothing on the other side.
    """
    count, size = _sizes(duration_s, rate_hz)
    spectrum = np.zeros(size, np.complex64)
    spectrum[: size // 2 + 1] = _speech_spectrum(size, rate_hz, noise)
    audio: npt.NDArray[np.complex64] = fft.ifft(spectrum, workers=1)[:count]
    _sound(audio.view(np.float32).reshape(-1, 2), rate_hz, pace)
    return audio


def _sizes(duration_s: float, rate_hz: float) -> tuple[int, int]:
    """Nodes of the transmission, and the even length of a transform that holds them."""
    count = int(max(duration_s, SHORTEST_TRANSMISSION_S) * rate_hz) + 1
    size = fft.next_fast_len(count, real=True)
    while size % 2:
        size = fft.next_fast_len(size + 1, real=True)
    return count, size


def _speech_spectrum(size: int, rate_hz: float, noise: StreamKey) -> npt.NDArray[np.complex64]:
    weights = _spectrum_weights(size, rate_hz)
    bins = np.zeros(2 * (size // 2 + 1), np.float32)
    spoken = bins[: weights.size]
    fill_normals(spoken, noise)
    spoken *= weights
    return bins.view(np.complex64)


def _sound(audio: npt.NDArray[np.float32], rate_hz: float, pace: np.random.Generator) -> None:
    syllables_per_node = pace.uniform(*SYLLABLES_PER_S) / rate_hz
    active_share = pace.uniform(*ACTIVE_SHARE)
    first = pace.random()
    loudness = pace.uniform(*LOUDNESS, size=int(first + len(audio) * syllables_per_node) + 1)
    speak(audio, loudness.astype(np.float32), syllables_per_node, active_share, first)


@lru_cache(maxsize=8)
def _spectrum_weights(size: int, rate_hz: float) -> npt.NDArray[np.float32]:
    """Amplitude of each bin of a real FFT of even `size` up to HIGHEST_HZ, every value twice (real, imaginary part).

    Speech falls by 9 dB per octave above 500 Hz (long-term average spectrum); the transmitter's
    pre-emphasis raises by 6 dB per octave.
    """
    turns = np.arange(size // 2 + 1) / size
    turns = turns[turns * rate_hz <= HIGHEST_HZ]
    frequency_hz = turns * rate_hz
    above = np.maximum(frequency_hz / 500.0, 1.0)
    weights = frequency_hz / 1000.0 / (above * np.sqrt(above)) / node_response(turns)
    weights[frequency_hz < LOWEST_HZ] = 0.0
    doubled = np.repeat(weights, 2).astype(np.float32)
    doubled.setflags(write=False)
    return doubled


@kernel
def speak(
    audio: npt.NDArray[np.float32],
    loudness: npt.NDArray[np.float32],
    syllables_per_node: float,
    active_share: float,
    first: float,
) -> None:
    """Cut noise into syllables with a raised-cosine rise and fall, and bring its peak to 1; in place.

    Syllable k sounds for `active_share` of its period; `first` is how much of the first period is over.
    `audio` has the shape (nodes, parts), 1 part where it is real and 2 where it is complex.
    """
    nodes, parts = audio.shape
    syllable, rise = np.empty(TILE, np.uint32), np.empty(TILE, np.uint32)
    sounds, gain, loud = np.empty(TILE, np.bool_), np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    for start in range(0, nodes, TILE):
        size = min(TILE, nodes - start)
        _place(first, syllables_per_node, active_share, start, syllable[:size], rise[:size], sounds[:size])
        look_up(loudness, syllable[:size], loud[:size])
        _swell(rise[:size], sounds[:size], loud[:size], gain[:size])
        for part in range(parts):
            _multiply(audio[start : start + size, part], gain[:size])
    squared = np.zeros(nodes, np.float32)
    for part in range(parts):
        _add_square(audio[:, part], squared[1:-1])
    bits = squared.view(np.int32)
    largest = np.int32(0)  # squares order like their bits, and an integer maximum vectorises
    for i in range(nodes):
        largest = max(largest, bits[i])
    to_one = F32(1.0) / np.sqrt(np.int32(largest).view(np.float32))
    for part in range(parts):
        _scale(audio[:, part], to_one)


# Loops over slices of their own: so the compiler knows that no index is negative, and vectorises.
@kernel
def _place(
    first: float,
    syllables_per_node: float,
    active_share: float,
    start: int,
    syllable: npt.NDArray[np.uint32],
    rise: npt.NDArray[np.uint32],
    sounds: npt.NDArray[np.bool_],
) -> None:
    """In which syllable the nodes from `start` on lie, whether it sounds there, and how far on, 2^32 to the end."""
    for j in range(rise.size):
        position = first + (start + j) * syllables_per_node
        whole = np.int32(position)
        within = (position - whole) / active_share
        syllable[j] = U32(whole)
        sounds[j] = within < 1.0
        rise[j] = U32(np.int64(min(within, 1.0) * 4294967295.0))


@kernel
def _swell(
    rise: npt.NDArray[np.uint32],
    sounds: npt.NDArray[np.bool_],
    loud: npt.NDArray[np.float32],
    gain: npt.NDArray[np.float32],
) -> None:
    for j in range(rise.size):
        _, cosine = sine_cosine(rise[j])
        swollen = loud[j] * F32(0.5) * (F32(1.0) - cosine)
        gain[j] = swollen if sounds[j] else F32(0.0)


@kernel
def _multiply(values: npt.NDArray[np.float32], gain: npt.NDArray[np.float32]) -> None:
    for i in range(values.size):
        values[i] *= gain[i]


@kernel
def _scale(values: npt.NDArray[np.float32], gain: np.float32) -> None:
    for i in range(values.size):
        values[i] *= gain


@kernel
def _add_square(values: npt.NDArray[np.float32], squared: npt.NDArray[np.float32]) -> None:
    """Add the square of a spline at every node but the ends."""
    for i in range(squared.size):
        value = (values[i] + F32(4.0) * values[i + 1] + values[i + 2]) * F32(1 / 6)
        squared[i] += value * value
