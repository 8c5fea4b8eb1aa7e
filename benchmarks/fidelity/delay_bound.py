"""How well the delay spread could be read without noise: what the mean over a recording tells at best."""

import math

import numpy as np
from numpy.typing import NDArray

from producer.multipath import Multipath, draw_multipath
from schemas import Channel

_BLOCK_S = 0.01
_BLOCKS = 100
_WAVES = 16
_CARRIER_HZ = 145e6
_LEAST_AUDIO = 0.3


def best_gain(recordings: int, seed: int) -> float:
    """Share by which the RMS error of a fit on noise-free slopes is below that of the best constant.

    The slope of |y|^2 against frequency, 2 Re(H' H*), is known exactly in every block of 10 ms in which the speech is
    not silent, |H|^2 in all. The other quadrature of H' H* only delays the modulation, which is not known. The fit is
    that of the extractor on all blocks at once, learned on one half and scored on the other.
    """
    random = np.random.default_rng([seed, 0xDB])
    drawn = [_recording(random) for _ in range(recordings)]
    truth = np.array([t for t, _ in drawn])
    rows = np.array([row for _, row in drawn])
    learned = np.arange(recordings) % 2 == 0
    fit = np.linalg.lstsq(rows[learned], truth[learned], rcond=None)[0]
    error = rows[~learned] @ fit - truth[~learned]
    return float(1.0 - np.sqrt(np.mean(error**2)) / truth[~learned].std())


def _recording(random: np.random.Generator) -> tuple[float, tuple[float, ...]]:
    channel = Channel()
    multipath = draw_multipath(channel, random)
    gains = _gains(multipath, random.uniform(channel.speed_min_m_s, channel.speed_max_m_s), random)
    transfer = gains.sum(axis=0)
    derivative = (gains * -1j * np.array(multipath.delays_us)[:, None]).sum(axis=0)
    power = np.abs(transfer) ** 2
    cycle = random.random() + np.arange(_BLOCKS) * _BLOCK_S * random.uniform(3.0, 5.0)
    within = cycle % 1.0 / random.uniform(0.4, 0.6)
    heard = (within < 1.0) & (0.5 * (1.0 - np.cos(2 * np.pi * within)) > _LEAST_AUDIO)
    tau2 = 2.0 * (derivative * transfer.conj()).real[heard] ** 2 / (power[heard] * power.mean())
    root, variation = min(math.sqrt(tau2.mean()) if tau2.size else 0.0, 2.2), power.std() / power.mean()
    return multipath.rms_delay_spread_us, (1.0, root, variation, variation * root)


def _gains(multipath: Multipath, speed_m_s: float, random: np.random.Generator) -> NDArray[np.complex128]:
    """Taps of Clarke's spectrum, shape (taps, blocks); the first with its steady part."""
    time_s = (np.arange(_BLOCKS) + 0.5) * _BLOCK_S
    doppler_hz = speed_m_s * _CARRIER_HZ / 299_792_458.0
    angles = 2 * np.pi * (np.arange(_WAVES) + random.random((len(multipath.powers), 1))) / _WAVES
    phases = random.uniform(0, 2 * np.pi, angles.shape)
    waves = np.exp(1j * (2 * np.pi * doppler_hz * np.cos(angles)[..., None] * time_s + phases[..., None]))
    scattered = np.array(multipath.powers)
    scattered[0] -= multipath.direct_power
    gains = waves.sum(axis=1) * np.sqrt(scattered / _WAVES)[:, None]
    direct_hz = doppler_hz * math.cos(random.uniform(0, 2 * np.pi))
    gains[0] += math.sqrt(multipath.direct_power) * np.exp(2j * np.pi * (direct_hz * time_s + random.random()))
    return gains
