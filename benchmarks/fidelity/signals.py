"""Test signals of known truth, made here and not by the producer whose work they judge.

Every signal has unit power and its carrier at zero frequency: complex128, shape (count,).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 200_000.0
CHUNK = 40_000
# Made longer than needed and cut, so that no signal is periodic in its chunk.
_LEAD = 4_000

Signal = NDArray[np.complex128]


class Kind(NamedTuple):
    """A sort of signal: how it is made, half the room it needs in Hz, its share of the band, and its family."""

    make: Callable[[np.random.Generator, int], Signal]
    reach_hz: float
    occupancy: float
    family: str
    rms_deviation_hz: float = 0.0


def noise(random: np.random.Generator, power: float = 1.0, count: int = CHUNK) -> Signal:
    """White Gaussian noise."""
    pairs = random.standard_normal(2 * count) * math.sqrt(power / 2)
    return pairs.view(np.complex128)


def shifted(signal: Signal, frequency_hz: float, rate_hz: float = RATE_HZ) -> Signal:
    return signal * np.exp(2j * np.pi * frequency_hz / rate_hz * np.arange(signal.size))


def tone(random: np.random.Generator, count: int = CHUNK) -> Signal:
    return np.full(count, np.exp(2j * np.pi * random.random()))


def flat_band(width_hz: float) -> Callable[[np.random.Generator, int], Signal]:
    """Gaussian noise with sharp edges."""

    def make(random: np.random.Generator, count: int = CHUNK) -> Signal:
        lines = np.fft.fft(noise(random, 1.0, count + 2 * _LEAD))
        lines[np.abs(np.fft.fftfreq(lines.size, 1.0 / RATE_HZ)) > width_hz / 2] = 0.0
        return unit(np.fft.ifft(lines)[_LEAD:-_LEAD])

    return make


def gaussian_fm(carson_hz: float) -> Callable[[np.random.Generator, int], Signal]:
    """FM by Gaussian noise from 300 Hz up, its peak (2 sigma) deviation by Carson's rule; never silent."""
    highest_hz = min(3_000.0, 0.24 * carson_hz)
    deviation_hz = (carson_hz / 2 - highest_hz) / 2

    def make(random: np.random.Generator, count: int = CHUNK) -> Signal:
        audio = _band_noise(random, count, lambda f: (f >= 300.0) & (f <= highest_hz))
        return frequency_modulated(audio / audio.std() * deviation_hz)

    return make


def voice_fm(deviation_hz: float) -> Callable[[np.random.Generator, int], Signal]:
    """NBFM by speech: syllables and pauses, `deviation_hz` at the loudest moment of the transmission's second."""

    def make(random: np.random.Generator, count: int = CHUNK) -> Signal:
        return frequency_modulated(speech(random, count) * deviation_hz)

    return make


def voice_am(random: np.random.Generator, count: int = CHUNK) -> Signal:
    """A carrier whose amplitude follows speech to 80 %."""
    return unit((1.0 + 0.8 * speech(random, count)) * np.exp(2j * np.pi * random.random()))


def voice_ssb(random: np.random.Generator, count: int = CHUNK) -> Signal:
    """Upper side band of speech without pauses; nothing in it tells that its suppressed carrier is at zero."""
    lines = np.fft.fft(_band_noise(random, count, _speech_spectrum))
    lines[np.fft.fftfreq(count) <= 0] = 0.0
    return unit(np.fft.ifft(lines))


def four_fsk(random: np.random.Generator, count: int = CHUNK) -> Signal:
    """4,800 symbols of +-648 and +-1,944 Hz a second, raised-cosine pulses: as digital voice radio has them."""
    symbols = random.choice([-1944.0, -648.0, 648.0, 1944.0], size=count * 4800 // 200_000 + 20)
    return frequency_modulated(pulses(symbols, 4800.0, 0.2, count).real)


def qpsk(random: np.random.Generator, count: int = CHUNK) -> Signal:
    """18,000 random symbols a second, root-raised-cosine by its square's pulse, roll-off 0.35."""
    symbols = random.choice([1, 1j, -1, -1j], size=count * 18_000 // 200_000 + 20)
    return unit(pulses(symbols, 18_000.0, 0.35, count))


def pulses(symbols: NDArray[np.generic], rate_hz: float, roll_off: float, count: int) -> Signal:
    """Symbols with the spectrum of a raised cosine."""
    size = 2 * count
    positions = count / 2 - 8 * RATE_HZ / rate_hz + np.arange(symbols.size) * RATE_HZ / rate_hz
    frequency_hz = np.fft.fftfreq(size, 1.0 / RATE_HZ)
    x = (np.abs(frequency_hz) / rate_hz - (1 - roll_off) / 2) / roll_off
    shape = np.where(x <= 0, 1.0, np.where(x >= 1, 0.0, 0.5 * (1 + np.cos(np.pi * np.clip(x, 0, 1)))))
    lines = np.zeros(size, np.complex128)
    used = np.flatnonzero(shape)
    impulses = np.zeros(size, np.complex128)
    whole = np.floor(positions).astype(int)
    part = positions - whole
    np.add.at(impulses, whole, symbols * (1 - part))
    np.add.at(impulses, whole + 1, symbols * part)
    lines[used] = np.fft.fft(impulses)[used] * shape[used] * (RATE_HZ / rate_hz)
    return np.fft.ifft(lines)[count // 2 : count // 2 + count]


def speech(random: np.random.Generator, count: int = CHUNK) -> NDArray[np.float64]:
    """Noise of 300-3,000 Hz, -9 dB an octave above 500 Hz and +6 by pre-emphasis, in 3-5 syllables a second.

    They sound 40-60 % of the time. The peak over a second is 1; the chunk is cut from it at random.
    """
    whole = max(count, int(RATE_HZ))
    audio = _band_noise(random, whole, _speech_spectrum)
    syllables = random.random() + np.arange(whole) / RATE_HZ * random.uniform(3.0, 5.0)
    within = (syllables % 1.0) / random.uniform(0.4, 0.6)
    loudness = random.uniform(0.5, 1.0, size=int(syllables[-1]) + 1)[syllables.astype(int)]
    audio *= np.where(within < 1.0, 0.5 * (1.0 - np.cos(2 * np.pi * within)), 0.0) * loudness
    start = int(random.integers(whole - count + 1))
    return audio[start : start + count] / np.abs(audio).max()


def frequency_modulated(frequency_hz: NDArray[np.float64]) -> Signal:
    return np.exp(2j * np.pi * np.cumsum(frequency_hz) / RATE_HZ)


def rayleigh_fading(random: np.random.Generator, doppler_hz: float, count: int = CHUNK) -> Signal:
    """Flat fading with Clarke's spectrum by 24 random waves, mean power 1."""
    time_s = np.arange(count) / RATE_HZ
    waves = doppler_hz * np.cos(random.uniform(0, 2 * np.pi, 24))
    phases = random.uniform(0, 2 * np.pi, 24)
    gain: Signal = sum(np.exp(1j * (2 * np.pi * f * time_s + p)) for f, p in zip(waves, phases, strict=True))
    return gain / math.sqrt(24)


def unit(signal: Signal) -> Signal:
    return signal / math.sqrt(float(np.mean(np.abs(signal) ** 2)))


def _speech_spectrum(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = frequency_hz / np.maximum(frequency_hz / 500.0, 1.0) ** 1.5
    return np.where((frequency_hz >= 300.0) & (frequency_hz <= 3000.0), weights, 0.0)


def _band_noise(
    random: np.random.Generator, count: int, weights: Callable[[NDArray[np.float64]], NDArray[np.generic]]
) -> NDArray[np.float64]:
    lines = np.fft.rfft(random.standard_normal(count + 2 * _LEAD))
    lines *= weights(np.fft.rfftfreq(count + 2 * _LEAD, 1.0 / RATE_HZ))
    return np.fft.irfft(lines, count + 2 * _LEAD)[_LEAD:-_LEAD]


KINDS: dict[str, Kind] = {
    "tone": Kind(tone, 0.0, 0.001, "tone"),
    "voice FM 2.5 kHz": Kind(voice_fm(2_500.0), 6e3, 0.02, "NBFM", 500.0),
    "voice FM 5 kHz": Kind(voice_fm(5_000.0), 9e3, 0.035, "NBFM", 1_000.0),
    "Gaussian FM 12.5 kHz": Kind(gaussian_fm(12_500.0), 8e3, 0.05, "NBFM", 1_625.0),
    "Gaussian FM 25 kHz": Kind(gaussian_fm(25_000.0), 15e3, 0.125, "NBFM", 4_750.0),
    "flat 12.5 kHz": Kind(flat_band(12_500.0), 6.3e3, 0.0625, "flat"),
    "flat 50 kHz": Kind(flat_band(50_000.0), 25e3, 0.25, "flat"),
    "flat 80 kHz": Kind(flat_band(80_000.0), 40e3, 0.4, "flat"),
    "flat 120 kHz": Kind(flat_band(120_000.0), 60e3, 0.6, "flat"),
    "voice AM": Kind(voice_am, 4e3, 0.02, "other"),
    "voice SSB": Kind(voice_ssb, 4e3, 0.015, "other"),
    "4FSK": Kind(four_fsk, 5e3, 0.04, "other"),
    "QPSK 18 kBd": Kind(qpsk, 13e3, 0.12, "other"),
}
