"""Echoes, arrival times and rotation of what a receiver hears, without its noise."""

import math
from dataclasses import fields
from functools import cache

import numpy as np
import pytest
from scipy import fft

from producer.angle import carrier
from producer.channel import bundle_taps, receive
from producer.emission import Emission, emit
from producer.fading import Motion, gain_grid, tap_gains
from producer.multipath import Multipath, draw_multipath
from schemas import Channel
from schemas.dataset import MAX_CLOCK_DRIFT_US

RATE_HZ = 200_000.0
COUNT, MARGIN = 40_000, 2_000


EMISSIONS = {
    "nbfm 5 kHz": Emission(modulation="nbfm", peak_deviation_hz=5000.0),
    "nbfm 2.5 kHz": Emission(modulation="nbfm", peak_deviation_hz=2500.0),
    "carrier": Emission(modulation="carrier"),
    "am": Emission(modulation="am", modulation_depth=0.9),
    "usb": Emission(modulation="ssb", sideband="upper"),
    "lsb": Emission(modulation="ssb", sideband="lower"),
    "4fsk": Emission(modulation="4fsk", peak_deviation_hz=1944.0),
}


@cache
def sent(name, rate_hz=RATE_HZ):
    """0.22 s around the loudest moment of a second."""
    whole = emit(EMISSIONS[name], int(rate_hz), sample_rate_hz=rate_hz, seed=3, sample_idx=3)
    count = COUNT + 2 * MARGIN
    loud = int(np.abs(np.diff(whole.baseband(1))).argmax())
    start = min(max(loud - count // 2, 0), int(rate_hz) - count)
    cut = {field.name: getattr(whole, field.name)[start : start + count] for field in fields(whole)}
    return type(whole)(**cut)


@pytest.fixture(scope="module")
def voice():
    return sent("nbfm 5 kHz")


def heard(waveform, path, arrival_us, motion, turns_per_sample=0.0, count=COUNT, step=1, rate_ppm=0.0):
    bundles = bundle_taps(path, arrival_us + rate_ppm * count * step / RATE_HZ / 2, RATE_HZ)
    grid = gain_grid(count, RATE_HZ / step, motion.doppler_max_hz)
    gains, slopes = tap_gains(
        path, motion, 1.0, grid.block * grid.blocks / RATE_HZ * step, grid.nodes, scatter=np.array([4, 5], np.uint32)
    )
    out = np.full(count, 7 + 7j, np.complex64)
    receive(
        waveform,
        MARGIN,
        step,
        bundles,
        arrival_us + np.array(path.delays_us),
        rate_ppm,
        gains,
        slopes,
        grid,
        waveform_rate_hz=RATE_HZ,
        turns_per_sample=turns_per_sample,
        out=out,
    )
    return out, gains, bundles


def spectrum(waveform):
    """Of the waveform with its ends tapered to silence, and the frequencies of its values."""
    x = waveform.baseband(1).astype(np.complex128)
    taper = np.ones(x.size)
    taper[:1000] = np.sin(np.linspace(0, np.pi / 2, 1000)) ** 2
    taper[-1000:] = taper[999::-1]
    return fft.fft(x * taper), fft.fftfreq(x.size, 1 / RATE_HZ)


def delayed_by_fft(waveform, path, arrival_us, gains):
    """Constant gains times the waveform delayed in the frequency domain."""
    values, frequency_hz = spectrum(waveform)
    response = sum(
        gain * np.exp(-2j * np.pi * frequency_hz * (arrival_us + delay) * 1e-6)
        for gain, delay in zip(gains, path.delays_us, strict=True)
    )
    return fft.ifft(values * response)[MARGIN : MARGIN + COUNT]


@pytest.mark.parametrize(("arrival_us", "seed"), [(0.0, 1), (2.4, 2), (123.45, 3), (1078.1, 4), (1080.0, 5)])
@pytest.mark.parametrize("name", EMISSIONS)
def test_delays_agree_with_the_frequency_domain_to_60_db(name, arrival_us, seed):
    """The default channel, standing transmitter: error over signal below -60 dB."""
    path = draw_multipath(Channel(taps_min=6), np.random.default_rng(seed))
    out, gains, _ = heard(sent(name), path, arrival_us, Motion(doppler_max_hz=0.0, direct_doppler_hz=0.0))
    expected = delayed_by_fft(sent(name), path, arrival_us, gains[:, 0])
    error = np.mean(np.abs(out - expected) ** 2) / np.mean(np.abs(expected) ** 2)
    assert 10 * math.log10(error) < -60


@pytest.mark.parametrize("doppler_hz", [0.0, 14.0])
@pytest.mark.parametrize("name", EMISSIONS)
def test_what_a_clock_that_is_fast_stamps_t_was_on_the_air_earlier_by_its_rate_times_t(name, doppler_hz):
    """The most that a spec allows, 4 us within the recording, to 60 dB: against the waveform's Fourier series."""
    path = draw_multipath(Channel(taps_min=6), np.random.default_rng(6))
    rate_ppm = MAX_CLOCK_DRIFT_US / (COUNT / RATE_HZ)
    motion = Motion(doppler_max_hz=doppler_hz, direct_doppler_hz=0.0)
    out, _, _ = heard(sent(name), path, 123.45, motion, rate_ppm=rate_ppm)
    instants = np.arange(40, COUNT, 997)
    exact, _ = tap_gains(path, motion, 1.0, 1 / RATE_HZ, COUNT, scatter=np.array([4, 5], np.uint32))
    series, hz = spectrum(sent(name))
    strongest = np.abs(series) > np.abs(series).max() * 1e-5
    series, hz = series[strongest] / strongest.size, hz[strongest]
    expected = np.zeros(instants.size, complex)
    for tap, delay_us in enumerate(path.delays_us):
        at_s = (MARGIN + instants) / RATE_HZ - (123.45 + delay_us + rate_ppm * instants / RATE_HZ) * 1e-6
        expected += exact[tap, instants] * (np.exp(2j * np.pi * at_s[:, None] * hz) @ series)
    error = np.mean(np.abs(out[instants] - expected) ** 2) / np.mean(np.abs(expected) ** 2)
    assert 10 * math.log10(error) < -60


def test_echoes_far_apart_are_heard_through_several_shifts(voice):
    path = Multipath(
        delays_us=(0.0, 3.0, 61.3, 140.0, 141.7),
        powers=(0.4, 0.2, 0.2, 0.1, 0.1),
        rician_k_db=None,
        arrivals=(0.1,) * 5,
        direct_turns=0.0,
    )
    out, gains, bundles = heard(voice, path, 500.2, Motion(doppler_max_hz=0.0, direct_doppler_hz=0.0))
    assert [(b.first, b.stop, b.shift) for b in bundles] == [(0, 2, 100), (2, 3, 112), (3, 5, 128)]
    expected = delayed_by_fft(voice, path, 500.2, gains[:, 0])
    error = np.mean(np.abs(out - expected) ** 2) / np.mean(np.abs(expected) ** 2)
    assert 10 * math.log10(error) < -60


def test_gains_between_the_nodes_follow_the_fading(voice):
    """A carrier through one moving tap is that tap's gain: against gains computed at every sample."""
    path = Multipath(delays_us=(0.0,), powers=(1.0,), rician_k_db=None, arrivals=(0.4,), direct_turns=0.0)
    motion = Motion(doppler_max_hz=30.0, direct_doppler_hz=0.0)
    out, _, _ = heard(carrier(COUNT + 2 * MARGIN), path, 0.0, motion)
    exact, _ = tap_gains(path, motion, 1.0, 1 / RATE_HZ, COUNT, scatter=np.array([4, 5], np.uint32))
    error = np.mean(np.abs(out - exact[0]) ** 2) / np.mean(np.abs(exact[0]) ** 2)
    assert 10 * math.log10(error) < -60


@pytest.mark.parametrize("offset_hz", [0.0, 12_345.678, -91_000.5])
def test_the_signal_stands_at_its_offset(offset_hz):
    path = Multipath(delays_us=(0.0,), powers=(1.0,), rician_k_db=300.0, arrivals=(0.0,), direct_turns=0.2)
    still = Motion(doppler_max_hz=0.0, direct_doppler_hz=0.0)
    out, _, _ = heard(carrier(COUNT + 2 * MARGIN), path, 0.0, still, turns_per_sample=offset_hz / RATE_HZ)
    expected = np.exp(2j * np.pi * (0.2 + offset_hz / RATE_HZ * np.arange(COUNT)))
    assert np.abs(out - expected).max() < 1e-4


@pytest.mark.parametrize("name", EMISSIONS)
@pytest.mark.parametrize("arrival_us", [0.0, 1_080.0, 9_990.0])
def test_a_delay_neither_wraps_nor_leaves_zeros(name, arrival_us):
    """Up to the very edges the recording is the waveform earlier by the delay, in whole samples here."""
    path = Multipath(delays_us=(0.0,), powers=(1.0,), rician_k_db=300.0, arrivals=(0.0,), direct_turns=0.0)
    still = Motion(doppler_max_hz=0.0, direct_doppler_hz=0.0)
    out, _, _ = heard(sent(name), path, arrival_us, still)
    start = MARGIN - round(arrival_us / 5)
    expected = sent(name).baseband(1)[start : start + COUNT]
    np.testing.assert_allclose(out, expected, atol=2e-6)
    if "sb" not in name:  # which sends nothing in a pause
        assert np.abs(out).min() > 0.05


@pytest.mark.parametrize("name", EMISSIONS)
def test_a_slower_recording_hears_every_nth_instant(name):
    voice = sent(name)
    path = draw_multipath(Channel(), np.random.default_rng(8))
    motion = Motion(doppler_max_hz=0.0, direct_doppler_hz=0.0)
    full, _, _ = heard(voice, path, 33.3, motion)
    quarter, _, _ = heard(voice, path, 33.3, motion, count=COUNT // 4, step=4)
    assert np.abs(quarter - full[::4]).max() < 1e-5
