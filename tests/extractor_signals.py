"""Seeded test signals of unit power, complex128, shape (n,)."""

import numpy as np

RATE_HZ = 200_000.0
CHUNK = 40_000


def noise(random, power=1.0, count=CHUNK):
    return np.sqrt(power / 2) * (random.standard_normal(count) + 1j * random.standard_normal(count))


def tone(frequency_hz, count=CHUNK, phase=0.3):
    return np.exp(1j * (2 * np.pi * frequency_hz / RATE_HZ * np.arange(count) + phase))


def voice_fm(random, peak_deviation_hz=2500.0, count=CHUNK):
    """FM by Gaussian noise of 300-3000 Hz, peak within the chunk at the deviation; about 11 kHz wide."""
    lines = np.fft.rfft(random.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE_HZ)
    lines[(frequency < 300) | (frequency > 3000)] = 0
    audio = np.fft.irfft(lines, count)
    return np.exp(2j * np.pi * peak_deviation_hz / RATE_HZ * np.cumsum(audio / np.abs(audio).max()))


def band_limited(random, width_hz, count=CHUNK):
    lines = np.fft.fft(noise(random, count=2 * count))
    lines[np.abs(np.fft.fftfreq(2 * count, 1 / RATE_HZ)) > width_hz / 2] = 0
    signal = np.fft.ifft(lines)[count // 2 : count // 2 + count]
    return signal / np.sqrt(np.mean(np.abs(signal) ** 2))


def occupied_99_hz(signal):
    """99 % occupied bandwidth of a noise-free signal, from its periodogram."""
    share = np.cumsum(np.abs(np.fft.fftshift(np.fft.fft(signal))) ** 2)
    low, high = np.searchsorted(share / share[-1], [0.005, 0.995])
    return (high - low) * RATE_HZ / signal.size


def shifted(signal, frequency_hz):
    return signal * tone(frequency_hz, signal.size, phase=0.0)


def db(ratio):
    return 10 * np.log10(ratio)


def power(signal):
    return np.mean(np.abs(signal) ** 2)
